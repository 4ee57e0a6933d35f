//! WebSockets (RFC 6455) and event streams as connections: handshake, pings,
//! heartbeats, ends, and the way through nginx.

use std::io::ErrorKind;

use uuid::Uuid;

use super::support::{assert_pong, is_progress, upload_as};
use crate::fixtures::json_shape;
use crate::fixtures::listener::{Listener, WAYS};
use crate::fixtures::nginx::Nginx;
use crate::support::daemon::Daemon;
use crate::support::http::{self, request};
use crate::support::tus::Upload;

#[test]
fn a_ping_is_answered_and_a_long_message_is_not() {
    let daemon = Daemon::start();
    let id = Uuid::new_v4().to_string();
    let mut socket = Listener::socket(daemon.address(), &id, &[]);
    socket.news();
    for text in ["", "x", "[]", r#"{"type":"pong"}"#] {
        socket.send(text).unwrap();
    }
    assert_pong(&mut socket);
    let mut other = Listener::socket(daemon.address(), &id, &[]);
    other.send(&"x".repeat((16 << 10) + 1)).unwrap();
    assert_eq!(other.close_code(), 1009);
    assert_pong(&mut socket);
}

#[test]
fn what_is_no_websocket_is_refused() {
    let daemon = Daemon::start();
    let id = Uuid::new_v4();
    let path = format!("/ws/tasks/{id}");
    let refused = http::get(daemon.address(), &path).expect(426, "GET");
    assert_eq!(refused.header("upgrade"), Some("websocket"));
    assert_eq!(refused.header("sec-websocket-version"), Some("13"));
    let paths = [(path, "POST"), (format!("/task/{id}/events"), "HEAD")];
    for (path, method) in paths {
        let refused = request(daemon.address(), method, &path, &[], None).unwrap();
        assert_eq!(refused.header("allow"), Some("GET"), "{method} {path}");
    }
    let mut socket = Listener::socket(daemon.address(), "no-id", &[]);
    assert_eq!(socket.close_code(), 1008);
}

#[test]
fn a_daemon_that_stops_says_so_and_the_next_one_knows_the_state() {
    let mut daemon = Daemon::start();
    let id = Uuid::new_v4().to_string();
    let upload = upload_as(daemon.address(), &id, 10);
    upload.patch(0, b"12345").unwrap().expect(204, "half");
    let mut listeners = WAYS.map(|listen| listen(daemon.address(), &id, &[]));
    for listener in &mut listeners {
        assert!(is_progress(&listener.news(), "uploading", 50.0));
    }
    let status = daemon.terminate();
    assert!(status.success(), "{status}");
    let [mut socket, mut events] = listeners;
    assert_eq!(socket.close_code(), 1001);
    assert_eq!(events.next(), None);
    daemon.start_again();
    for listen in WAYS {
        let first = listen(daemon.address(), &id, &[]).news();
        assert!(is_progress(&first, "uploading", 50.0), "{first}");
    }
}

#[test]
fn both_ways_lead_through_nginx() {
    const OLD: (&str, &str) = ("proxy_http_version 1.1;", "proxy_http_version 1.0;");
    let trusting = "[http]\ntrusted_proxies = ['127.0.0.1']\n\
        [auth]\nmode = 'open'\nnetworks = ['127.0.0.0/8']";
    let daemon = Daemon::start_unready(Daemon::folder_with(trusting), &[]);
    let id = Uuid::new_v4().to_string();
    let nginx = Nginx::start(daemon.address(), &[]);
    let old = Nginx::start(daemon.address(), &[OLD]);
    let mut listeners = [
        Listener::socket(nginx.address, &id, &[]),
        Listener::events(nginx.address, &id, &[]),
        Listener::events(old.address, &id, &[]),
    ];
    for listener in &mut listeners {
        listener.news();
    }
    upload_as(daemon.address(), &id, 5).finish(b"hello", 5);
    for listener in &mut listeners {
        listener.up_to("error");
    }
    assert_pong(&mut listeners[0]);
}

#[test]
fn heartbeats_are_sent_and_silent_clients_are_dropped() {
    let folder = Daemon::folder_with("[upload]\nidle_expiry = '1s'");
    let daemon = Daemon::start_unready(folder, &[]);
    let id = Uuid::new_v4().to_string();
    let mut listeners = WAYS.map(|listen| listen(daemon.address(), &id, &[]));
    let expiring = Upload::create(daemon.address(), 10, &[]);
    let mut of_expiring = WAYS.map(|listen| listen(daemon.address(), expiring.id(), &[]));
    // Answers nothing, since nothing is read.
    let Listener::Socket(silent) = Listener::socket(daemon.address(), &id, &[]) else {
        unreachable!()
    };
    for listener in &mut listeners {
        listener.news();
    }
    // The third one finds two pings without an answer.
    for _ in 0..4 {
        for listener in &mut listeners {
            let beat = listener.next().expect("a heartbeat");
            assert_eq!(beat["type"], "heartbeat", "{beat}");
            json_shape::expect(&beat, "type:string timestamp:string");
        }
    }
    for listener in &mut of_expiring {
        let gone = listener.up_to("error").pop().unwrap();
        assert_eq!(gone["error_code"], "TASK_DELETED", "{gone}");
        assert_eq!(listener.next(), None);
    }
    let stream = silent.get_ref();
    stream.set_nonblocking(true).unwrap();
    let mut buffer = [0; 4096];
    let end = loop {
        match std::io::Read::read(&mut { stream }, &mut buffer) {
            Ok(0) => break true,
            Ok(_) => {}
            Err(error) => break error.kind() != ErrorKind::WouldBlock,
        }
    };
    assert!(end, "the silent one is still connected");
    assert_pong(&mut listeners[0]);
}
