//! Clients that read nothing, and very many that wait.

use std::io::ErrorKind;
use std::path::Path;

use uuid::Uuid;

use super::support::{assert_pong, upload_as};
use crate::fixtures::listener::Listener;
use crate::fixtures::proc_status::{number_of, peak_kib};
use crate::support::daemon::Daemon;
use crate::support::http::{self, Connection};
use crate::support::tus::Upload;
use crate::support::waiting::until;

#[test]
fn a_client_that_reads_nothing_is_dropped_without_harm() {
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
                // Answers to these pile up until the daemon stops.
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

/// As many of one client as may wait at a time for an upload: half of all.
const WAITING: usize = 512;

/// Most memory of one that listens to nothing new.
const IDLE_MAX_KIB: u64 = 32;

#[test]
fn hundreds_of_idle_listeners_cost_little_and_one_more_is_refused() {
    let folder = Daemon::folder_with("[http]\nmax_connections = 4096");
    let daemon = Daemon::start_unready(folder, &[]);
    let address = daemon.address();
    let resident_kib = || {
        let status = format!("/proc/{}/status", daemon.pid());
        number_of(Path::new(&status), "VmRSS:")
    };
    let open = |number: usize| {
        let connection = Connection::open(address).unwrap();
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
    http::get(address, &format!("/task/{more}/events")).expect(429, "one more");
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
