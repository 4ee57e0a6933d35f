//! Live progress, over WebSockets and as server-sent events.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::access;
use crate::crashes::{freeze_engine_in, long_recording};
use crate::daemon::Daemon;
use crate::honest::peak_kib;
use crate::http::{self, Connection, Response, request};
use crate::idle::number_of;
use crate::listener::{Listener, WAYS, connection};
use crate::nginx::Nginx;
use crate::shape;
use crate::speech::{self, Script, VOICES};
use crate::task;
use crate::tus::{self, CONTENT, FILES, RESUMABLE, Upload};
use crate::waiting::until;

fn spoken() -> Vec<u8> {
    speech::speak(Script::short(VOICES[0], 1)).bytes()
}

/// An upload with an id of the client's choice.
fn upload_as(address: SocketAddr, id: &str, length: usize) -> Upload {
    let metadata = [("filename", "a.wav"), ("taskId", id)];
    let upload = Upload::create(address, length, &metadata);
    assert_eq!(upload.id(), id);
    upload
}

fn is_progress(message: &Value, stage: &str, percentage: f64) -> bool {
    message["type"] == "progress"
        && message["stage"] == stage
        && message["percentage"].as_f64() == Some(percentage)
}

/// The segments among some messages, as those of a result.
pub fn segments(messages: &[Value]) -> Vec<task::Segment> {
    let segments = messages
        .iter()
        .filter(|message| message["type"] == "segment");
    task::segments(&json!({ "segments": segments.collect::<Vec<_>>() }))
}

fn percentages(messages: &[Value], stage: &str) -> Vec<f64> {
    let progress = messages.iter().filter(|message| message["stage"] == stage);
    progress
        .map(|message| message["percentage"].as_f64().unwrap())
        .collect()
}

#[track_caller]
fn assert_pong(socket: &mut Listener) {
    socket.send(r#"{"type":"ping"}"#).unwrap();
    assert_eq!(socket.news(), json!({"type": "pong"}));
}

#[test]
fn a_client_that_comes_before_the_upload_hears_all_of_it_in_order() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let file = spoken();
    let id = Uuid::new_v4().to_string();
    let mut listeners = WAYS.map(|listen| listen(address, &id, &[]));
    for listener in &mut listeners {
        let first = listener.news();
        assert!(is_progress(&first, "uploading", 0.0), "{first}");
        assert_eq!(first["task_id"], json!(id), "{first}");
        assert!(first["timestamp"].is_string() && first["message"].is_string());
    }
    let upload = upload_as(address, &id, file.len());
    let half = file.len() / 2;
    upload.patch(0, &file[..half]).unwrap().expect(204, "half");
    for listener in &mut listeners {
        while listener.news()["percentage"].as_f64() != Some(50.0) {}
    }
    upload.finish(&file, file.len());
    let transcript = task::transcript(address, &id);
    for listener in &mut listeners {
        let all = listener.up_to("complete");
        assert_eq!(segments(&all), transcript, "{all:#?}");
        assert_eq!(percentages(&all, "complete"), [100.0], "{all:#?}");
        let transcribing = percentages(&all, "transcribing");
        assert!(transcribing.is_sorted(), "{transcribing:?}");
    }
}

#[test]
fn a_large_upload_is_told_while_it_comes() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let id = Uuid::new_v4().to_string();
    let upload = upload_as(address, &id, 1000);
    let mut listener = Listener::events(address, &id, &[]);
    assert!(is_progress(&listener.news(), "uploading", 0.0));
    let mut connection = upload.patch_in_part(0, 1000, &[0; 100]).unwrap();
    let sending = std::thread::spawn(move || {
        // Of 1000 bytes, so no request ends while anything is told.
        for _ in 0..400 {
            connection.send(&[0]).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        connection
    });
    let told: Vec<f64> = (0..3)
        .map(|_| listener.news()["percentage"].as_f64().unwrap())
        .collect();
    assert!(told[0] >= 10.0 && told[2] < 51.0, "{told:?}");
    assert!(told[0] < told[1] && told[1] < told[2], "{told:?}");
    drop(sending.join().unwrap());
}

#[test]
fn a_client_that_comes_in_the_middle_gets_the_state_and_all_segments() {
    let mut daemon = Daemon::start();
    let address = daemon.address();
    let spoken = long_recording();
    let upload = tus::upload(address, "long.wav", &spoken.bytes());
    let engine = freeze_engine_in(&mut daemon, upload.id());
    let mut listeners = WAYS.map(|listen| listen(address, upload.id(), &[]));
    let firsts = listeners.each_mut().map(|listener| listener.news());
    engine.signal(nix::sys::signal::Signal::SIGCONT);
    let transcript = task::transcript(address, upload.id());
    for (first, mut listener) in firsts.into_iter().zip(listeners) {
        assert_eq!(first["stage"], "transcribing", "{first}");
        assert!(first["percentage"].as_f64().unwrap() > 1.0, "{first}");
        let all = listener.up_to("complete");
        assert_eq!(segments(&all), transcript);
        let mut moved = percentages(&all, "transcribing");
        assert!(moved.is_sorted(), "{moved:?}");
        moved.dedup();
        assert!(moved.len() > 3, "it moves with every window: {moved:?}");
    }
}

#[test]
fn who_still_listens_hears_of_a_transcription_that_is_tried_again() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let spoken = speech::speak(Script::short(VOICES[0], 3));
    let upload = tus::upload(address, "short.wav", &spoken.bytes());
    let transcript = task::transcript(address, upload.id());
    let mut listeners = WAYS.map(|listen| listen(address, upload.id(), &[]));
    for listener in &mut listeners {
        listener.up_to("complete");
    }
    let retry = format!("/task/{}/retry", upload.id());
    request(address, "POST", &retry, &[], Some(b""))
        .unwrap()
        .expect(202, "retry");
    for listener in &mut listeners {
        assert_eq!(segments(&listener.up_to("complete")), transcript);
    }
}

#[test]
fn a_lost_engine_is_gone_on_after_and_nothing_is_told_twice() {
    let mut daemon = Daemon::start();
    let address = daemon.address();
    let upload = tus::upload(address, "long.wav", &long_recording().bytes());
    let mut listener = Listener::socket(address, upload.id(), &[]);
    let engine = freeze_engine_in(&mut daemon, upload.id());
    engine.signal(nix::sys::signal::Signal::SIGKILL);
    let transcript = task::transcript(address, upload.id());
    let all = listener.up_to("complete");
    assert_eq!(segments(&all), transcript);
    let done = all
        .iter()
        .filter(|message| message["stage"] == "transcribing");
    let done: Vec<f64> = done
        .map(|message| message["percentage"].as_f64().unwrap())
        .collect();
    assert!(done.is_sorted(), "{done:?}");
}

#[test]
fn a_client_that_comes_after_the_end_gets_the_end() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let done = tus::upload(address, "a.wav", &spoken());
    task::transcript(address, done.id());
    let failed = tus::upload(address, "a.txt", b"this is no recording at all");
    let reason = task::failure(address, failed.id());
    for listen in WAYS {
        let first = listen(address, done.id(), &[]).news();
        assert!(is_progress(&first, "complete", 100.0), "{first}");
        let first = listen(address, failed.id(), &[]).news();
        assert_eq!(first["type"], "error", "{first}");
        assert_eq!(first["task_id"], json!(failed.id()), "{first}");
        assert_eq!(first["error_code"], "TRANSCRIPTION_FAILED", "{first}");
        assert!(first["user_message"].as_str().unwrap().contains(&reason));
        assert!(first["technical_detail"].is_string() && first["timestamp"].is_string());
    }
}

#[test]
fn a_failure_is_told_to_those_who_listen() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let id = Uuid::new_v4().to_string();
    let mut listeners = WAYS.map(|listen| listen(address, &id, &[]));
    upload_as(address, &id, 5).finish(b"hello", 5);
    for listener in &mut listeners {
        let all = listener.up_to("error");
        assert!(all.last().unwrap()["user_message"].is_string(), "{all:?}");
    }
}

#[test]
fn the_place_in_the_queue_is_told_and_so_is_a_deletion() {
    let mut daemon = Daemon::start();
    let address = daemon.address();
    let long = tus::upload(address, "long.wav", &long_recording().bytes());
    freeze_engine_in(&mut daemon, long.id());
    let [first, second] = [1, 2].map(|_| tus::upload(address, "a.wav", &spoken()));
    for listen in WAYS {
        let before = listen(address, second.id(), &[]).news();
        assert!(is_progress(&before, "queued", 0.0), "{before}");
        assert_eq!(before["message"], "1 task ahead", "{before}");
    }
    let mut of_first = WAYS.map(|listen| listen(address, first.id(), &[]));
    let mut of_second = WAYS.map(|listen| listen(address, second.id(), &[]));
    http::delete(address, &format!("/task/{}", first.id())).expect(200, "DELETE");
    for listener in &mut of_first {
        let gone = listener.up_to("error").pop().unwrap();
        assert_eq!(gone["error_code"], "TASK_DELETED", "{gone}");
        assert_eq!(listener.next(), None, "the end");
    }
    for listener in &mut of_second {
        while listener.news()["message"] != "0 tasks ahead" {}
    }
}

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
fn what_is_no_websocket_is_told_so() {
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

fn ask(
    address: SocketAddr,
    token: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Response {
    let authorization = format!("Bearer {token}");
    let headers = [headers, &[("Authorization", &*authorization)]].concat();
    request(address, "POST", path, &headers, Some(body.as_bytes())).unwrap()
}

/// `POST /api/ws/ticket`.
fn ticket(address: SocketAddr, token: &str, id: &str) -> Response {
    let body = json!({ "task_id": id }).to_string();
    ask(address, token, "/api/ws/ticket", &[], &body)
}

/// An upload of the holder of a token, of ten bytes.
fn upload_of(address: SocketAddr, token: &str, id: &str) {
    let metadata = tus::encode_metadata(&[("taskId", id)]);
    let headers = [
        RESUMABLE,
        ("Upload-Length", "10"),
        ("Upload-Metadata", &*metadata),
    ];
    ask(address, token, FILES, &headers, "").expect(201, "creation");
}

#[test]
fn a_ticket_lets_one_listener_in() {
    let daemon = access::daemon("");
    let address = daemon.address();
    let mine = access::add(&daemon, &["mine"]);
    let other = access::add(&daemon, &["other"]);
    access::reload(&daemon);
    let [id, another] = [1, 2].map(|_| Uuid::new_v4().to_string());
    ticket(address, &mine, &id).expect(404, "nothing is there");
    for id in [&id, &another] {
        upload_of(address, &mine, id);
        ticket(address, &other, id).expect(404, "somebody else's");
    }
    for wrong in ["", "{}", r#"{"task_id":"x"}"#, &"x".repeat(5000)] {
        ask(address, &mine, "/api/ws/ticket", &[], wrong).expect(422, wrong);
    }
    let with_ticket = |of: &str, to: &str| {
        let told = ticket(address, &mine, of).expect(201, "a ticket").json();
        assert!(told["expires_at"].is_string(), "{told}");
        format!("{to}?ticket={}", told["ticket"].as_str().unwrap())
    };

    let good = with_ticket(&id, &id);
    let mut socket = Listener::socket(address, &good, &[]);
    assert!(is_progress(&socket.news(), "uploading", 0.0));
    assert_pong(&mut socket);
    let good = with_ticket(&id, &id);
    let mut events = Listener::events(address, &good, &[]);
    assert!(is_progress(&events.news(), "uploading", 0.0));
    let header = [("Authorization", &*format!("Bearer {mine}"))];
    for listen in WAYS {
        listen(address, &id, &header).news();
    }

    for refused in [
        good,
        with_ticket(&another, &id),
        id.clone(),
        format!("{id}?ticket={}", Uuid::new_v4().simple()),
    ] {
        let mut socket = Listener::socket(address, &refused, &[]);
        assert_eq!(socket.close_code(), 1008, "{refused}");
        let (path, query) = refused.split_once('?').unwrap_or((&refused, ""));
        let path = format!("/task/{path}/events?{query}");
        http::get(address, &path).expect(401, &refused);
    }
    assert_pong(&mut socket);
}

#[test]
fn somebody_elses_upload_reads_like_none() {
    let daemon = access::daemon("");
    let address = daemon.address();
    let [mine, other] = ["mine", "other"].map(|name| access::add(&daemon, &[name]));
    access::reload(&daemon);
    let id = Uuid::new_v4().to_string();
    let header = [("Authorization", &*format!("Bearer {other}"))];
    let mut early = Listener::socket(address, &id, &header);
    let nothing = early.news();
    let authorization = ("Authorization", &*format!("Bearer {mine}"));
    upload_of(address, &mine, &id);
    let mut late = Listener::socket(address, &id, &header);
    let mut foreign = late.news();
    foreign["timestamp"] = nothing["timestamp"].clone();
    assert_eq!(foreign, nothing);
    let path = format!("{FILES}{id}");
    let patch = [RESUMABLE, CONTENT, authorization, ("Upload-Offset", "0")];
    request(address, "PATCH", &path, &patch, Some(b"12345"))
        .unwrap()
        .expect(204, "PATCH");
    assert_pong(&mut early);
    assert_pong(&mut late);
    request(address, "DELETE", &path, &[RESUMABLE, authorization], None)
        .unwrap()
        .expect(204, "DELETE");
    assert_pong(&mut early);
    assert_pong(&mut late);

    // Now there is one of their own.
    upload_of(address, &other, &id);
    for listener in [&mut early, &mut late] {
        assert_eq!(listener.news()["message"], "uploading");
    }
}

#[test]
fn a_page_of_another_origin_opens_no_websocket() {
    let daemon = Daemon::start_unready(Daemon::folder_with("[http]\ncors_origins = []"), &[]);
    let address = daemon.address();
    let id = Uuid::new_v4().to_string();
    let own = format!("http://{address}");
    for (origin, is_allowed) in [
        ("https://evil.example", false),
        ("null", false),
        (&own, true),
    ] {
        let mut socket = Listener::socket(address, &id, &[("Origin", origin)]);
        match is_allowed {
            true => assert_pong_after(&mut socket, "progress"),
            false => assert_eq!(socket.close_code(), 1008, "{origin}"),
        }
    }
}

#[track_caller]
fn assert_pong_after(socket: &mut Listener, first: &str) {
    assert_eq!(socket.news()["type"], first);
    assert_pong(socket);
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
fn who_reads_nothing_is_dropped_and_harms_nobody() {
    let mut daemon = Daemon::start();
    let address = daemon.address();
    let id = Uuid::new_v4().to_string();
    let mut honest = Listener::socket(address, &id, &[]);
    honest.news();
    let before_kib = peak_kib(&daemon);
    let flood = std::thread::spawn({
        let mut deaf = Listener::socket(address, &id, &[]);
        move || {
            let mut stuck = 0;
            loop {
                // Answers to these pile up until nobody takes them any more.
                match deaf.send(r#"{"type":"ping"}"#) {
                    Ok(()) => {}
                    Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                        stuck += 1;
                        assert!(stuck < 5, "not dropped after minutes");
                    }
                    Err(error) => return error,
                }
            }
        }
    });
    while !flood.is_finished() {
        assert_pong(&mut honest);
    }
    println!("dropped: {}", flood.join().unwrap());
    let upload = upload_as(address, &id, 5);
    upload.finish(b"hello", 5);
    assert_eq!(honest.up_to("error").last().unwrap()["type"], "error");
    let after_kib = peak_kib(&daemon);
    println!("peak memory {before_kib} KiB, then {after_kib} KiB");
    assert!(after_kib < before_kib + (8 << 10), "{after_kib} KiB");
    daemon.assert_alive();
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

/// As many as may wait at a time for an upload.
const WAITING: usize = 1024;

/// Most memory of one that listens to nothing new.
const IDLE_MAX_KIB: u64 = 32;

#[test]
fn a_thousand_idle_listeners_cost_little_and_one_more_is_refused() {
    let folder = Daemon::folder_with("[http]\nmax_connections = 4096");
    let daemon = Daemon::start_unready(folder, &[]);
    let address = daemon.address();
    let resident_kib = || {
        let status = format!("/proc/{}/status", daemon.pid());
        number_of(Path::new(&status), "VmRSS:")
    };
    let open = |number: usize| {
        let connection: Connection = connection(address, number).unwrap();
        let id = Uuid::new_v4().to_string();
        let mut listener = match number % 2 {
            0 => Listener::socket_over(connection, &id, &[]),
            _ => Listener::events_over(connection, &id, &[]),
        }
        .unwrap();
        listener.news();
        (listener, id)
    };
    drop(open(0));
    let mut listeners = Vec::new();
    for (kind, first) in [("WebSockets", 0), ("event streams", 1)] {
        let before_kib = resident_kib();
        let numbers = (first..WAITING).step_by(2);
        listeners.extend(numbers.map(open));
        let each_kib = (resident_kib() - before_kib) as f64 * 2.0 / WAITING as f64;
        println!("{each_kib:.1} KiB for each of {} idle {kind}", WAITING / 2);
        assert!(each_kib < IDLE_MAX_KIB as f64, "{each_kib} KiB each");
    }

    let more = Uuid::new_v4().to_string();
    assert_eq!(Listener::socket(address, &more, &[]).close_code(), 1013);
    http::get(address, &format!("/task/{more}/events")).expect(503, "one more");
    // Who has something to listen to is no burden.
    let upload = Upload::create(address, 10, &[]);
    Listener::socket(address, upload.id(), &[]).news();
    for (listener, id) in listeners.iter_mut().step_by(WAITING / 2) {
        upload_as(address, id, 10);
        assert_eq!(listener.news()["message"], "uploading");
    }
    drop(listeners);
    until("there is place again", || {
        let mut socket = Listener::socket(address, &more, &[]);
        socket.send(r#"{"type":"ping"}"#).ok();
        (socket.next()?["type"] == "progress").then_some(())
    });
}

#[test]
fn who_listens_hears_a_heartbeat_and_who_is_silent_is_dropped() {
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
    // The third one finds two pings that nobody answered.
    for _ in 0..4 {
        for listener in &mut listeners {
            let beat = listener.next().expect("a heartbeat");
            assert_eq!(beat["type"], "heartbeat", "{beat}");
            shape::expect(&beat, "type:string timestamp:string");
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
