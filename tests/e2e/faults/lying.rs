//! An engine in hostile hands: what it says harms neither the daemon nor its disk,
//! and the task says what happened.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread;

use serde_json::{Value, json};

use crate::support::daemon::Daemon;
use crate::support::http::get;
use crate::support::task;
use crate::support::tus;
use crate::support::waiting::until;

/// What the daemon may keep of a lie: far less than it is sent.
const KEPT_BYTES: u64 = 8 << 20;

/// Sent unless something stops it.
const FLOOD_BYTES: usize = 256 << 20;

const RECORDING: &[u8] = b"RIFF\x24\x00\x00\x00WAVEfmt ";

/// A connection of the daemon, on which the test is the engine.
struct Engine(UnixStream);

impl Engine {
    /// False once the daemon has closed the connection.
    fn say(&mut self, message: &Value) -> bool {
        self.0.write_all(&frame(message)).is_ok()
    }

    fn greet(&mut self, patience_s: u64) {
        let model = json!({ "name": "base", "multilingual": true, "device": "cpu", "patience_s": patience_s });
        self.say(&json!({ "type": "hello", "protocol": protocol(), "version": "1" }));
        self.say(&json!({ "type": "ready", "model": model, "slots": 1 }));
    }

    /// The id of the next job; `None` if the daemon closes the connection.
    fn job(&mut self) -> Option<u64> {
        loop {
            let mut length = [0; 4];
            self.0.read_exact(&mut length).ok()?;
            let mut message = vec![0; u32::from_le_bytes(length) as usize];
            self.0.read_exact(&mut message).ok()?;
            let message: Value = serde_json::from_slice(&message).unwrap();
            if message["type"] == "transcribe" {
                return message["id"].as_u64();
            }
        }
    }

    fn start(&mut self, job: u64) {
        let audio =
            json!({ "container": "wav", "codec": "x", "track": 1, "tracks": 1, "decoder": "x" });
        let media = json!({ "audio": audio, "model": "base" });
        self.say(&json!({ "type": "started", "job": job, "media": media }));
    }

    /// Says this over and over until the daemon closes the connection.
    fn flood(&mut self, message: &Value) {
        let many = frame(message).repeat(100);
        let mut sent = 0;
        while self.0.write_all(&many).is_ok() {
            sent += many.len();
            assert!(sent < FLOOD_BYTES, "all of it was taken");
        }
    }
}

fn frame(message: &Value) -> Vec<u8> {
    let message = message.to_string();
    let length = u32::try_from(message.len()).unwrap();
    [&length.to_le_bytes(), message.as_bytes()].concat()
}

fn protocol() -> u64 {
    scribed::protocol::VERSION.into()
}

/// A daemon whose engine does this on each connection.
fn daemon(lie: impl Fn(&mut Engine) + Send + 'static) -> Daemon {
    let folder = Daemon::folder();
    let socket = folder.path().join("engine");
    let listener = UnixListener::bind(&socket).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            lie(&mut Engine(stream.unwrap()));
        }
    });
    Daemon::start_unready(folder, &[OsStr::new("--engine"), socket.as_os_str()])
}

fn size_of(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    let sizes = entries.map(|entry| match entry.file_type().unwrap().is_dir() {
        true => size_of(&entry.path()),
        false => entry.metadata().unwrap().len(),
    });
    sizes.sum()
}

/// A task fails with what the engine said, and the daemon goes on.
#[track_caller]
fn assert_contained(mut daemon: Daemon, expected: &str) {
    let address = daemon.address();
    let upload = tus::upload(address, "a.wav", RECORDING);
    let error = task::failure(address, upload.id());
    assert!(error.contains(expected), "{error}");
    assert!(error.contains("the recording is kept"), "{error}");
    get(address, "/health/live").expect(200, "alive");
    let kept = size_of(&daemon.state_dir());
    assert!(kept < KEPT_BYTES, "{kept} bytes");
    daemon.assert_alive();
}

#[test]
fn no_patience_is_too_long_for_the_daemon() {
    let mut daemon = daemon(|engine| {
        engine.greet(1 << 63);
        while let Some(job) = engine.job() {
            engine.say(&json!({ "type": "alive", "job": job }));
            engine.start(job);
            let outcome = json!({ "language": "en", "audio_duration_s": 1.0, "warning": null });
            engine.say(&json!({ "type": "done", "job": job, "outcome": outcome }));
        }
    });
    let address = daemon.address();
    let upload = tus::upload(address, "a.wav", RECORDING);
    let ended = task::ended(address, upload.id());
    assert_eq!(ended["status"], "completed", "{ended}");
    daemon.assert_alive();
}

#[test]
fn segments_do_not_fill_the_disk() {
    let text = "all work and no play ".repeat(500);
    let daemon = daemon(move |engine| {
        engine.greet(1);
        if let Some(job) = engine.job() {
            engine.start(job);
            let segment = json!({ "start": 1.0, "end": 1.0, "text": text });
            engine.flood(&json!({ "type": "segment", "job": job, "segment": segment }));
        }
    });
    assert_contained(daemon, "it reported");
}

#[test]
fn a_time_beyond_all_recordings_is_not_believed() {
    let daemon = daemon(move |engine| {
        engine.greet(1);
        if let Some(job) = engine.job() {
            engine.start(job);
            let segment = json!({ "start": 1.0, "end": 1e308, "text": "hello" });
            engine.say(&json!({ "type": "segment", "job": job, "segment": segment }));
            engine.job();
        }
    });
    assert_contained(daemon, "1e308");
}

#[test]
fn greetings_do_not_fill_the_journal() {
    let mut daemon = daemon(|engine| {
        engine.greet(1);
        let hello = json!({ "type": "hello", "protocol": protocol(), "version": "x".repeat(5000) });
        engine.flood(&hello);
    });
    let reason = "it reported its version twice";
    until("it is noticed", || {
        daemon.stderr().contains(reason).then_some(())
    });
    let journal = daemon.stderr();
    assert!(journal.len() < 20_000, "{} bytes", journal.len());
    daemon.assert_alive();
}
