//! A slow disk is no dead daemon: one sync takes longer than systemd's watchdog
//! waits (`WatchdogSec=30` in the unit), and meanwhile the daemon gives its
//! signs of life, answers and supervises its engine.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Mutex};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use nix::libc::{SYS_fdatasync, SYS_fsync};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::fixtures::appliance::folder;
use crate::fixtures::disk::Recording;
use crate::fixtures::volume::{Kind, Recorded};
use crate::support::daemon::Daemon;
use crate::support::http::get;
use crate::support::random::Random;
use crate::support::speech::{self, Script, VOICES};
use crate::support::task;
use crate::support::tus::{self, Upload};
use crate::support::waiting::until;

/// As in the unit.
const WATCHDOG: Duration = Duration::from_secs(30);
const SYNC_LASTS: Duration = Duration::from_secs(40);

/// What systemd hears of a daemon's watchdog.
struct Systemd {
    folder: TempDir,
    heard: Arc<Mutex<Vec<Instant>>>,
}

impl Systemd {
    fn new() -> Systemd {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = UnixDatagram::bind(folder.path().join("notify")).expect("a socket");
        let heard: Arc<Mutex<Vec<Instant>>> = Arc::default();
        let hears = Arc::clone(&heard);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count) = socket.recv(&mut buffer) {
                let message = String::from_utf8_lossy(&buffer[..count]);
                if message.lines().any(|line| line == "WATCHDOG=1") {
                    hears.lock().unwrap().push(Instant::now());
                }
            }
        });
        Systemd { folder, heard }
    }

    fn start(&self, volume: &Recorded) -> Daemon {
        let socket = self.folder.path().join("notify");
        let configuration = "[callbacks]\nallow = ['127.0.0.1:*']\n";
        let daemon = Daemon::start_changed(folder(volume.path(), configuration), move |command| {
            command.env("NOTIFY_SOCKET", &socket);
            command.env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string());
        });
        daemon.wait_until_ready();
        daemon
    }

    /// The longest silence since then.
    fn longest_silence(&self, since: Instant) -> Duration {
        let mut last = since;
        let mut longest = Duration::ZERO;
        let heard = self.heard.lock().unwrap();
        for at in heard.iter().copied().filter(|at| *at > since) {
            longest = longest.max(at - last);
            last = at;
        }
        longest.max(last.elapsed())
    }
}

/// Lets flushes go on, so that a daemon can be ended, whatever happens. To be
/// dropped before the daemon.
struct Release(Arc<Recording>);

impl Drop for Release {
    fn drop(&mut self) {
        self.0.hold_flushes(false);
    }
}

/// Whether a thread of this process waits for a sync.
fn syncs(daemon: Pid) -> bool {
    let threads = fs::read_dir(format!("/proc/{daemon}/task")).expect("its threads");
    threads.flatten().any(|thread| {
        let syscall = fs::read_to_string(thread.path().join("syscall")).unwrap_or_default();
        let number = syscall.split(' ').next().and_then(|text| text.parse().ok());
        number.is_some_and(|number: i64| [SYS_fsync, SYS_fdatasync].contains(&number))
    })
}

/// Lets the sync that the daemon waits for last longer than the watchdog does,
/// and looks at the daemon meanwhile.
fn assert_lives_through_a_sync(systemd: &Systemd, daemon: &mut Daemon, disk: &Recording) {
    until("the daemon waits for a sync", || {
        syncs(daemon.pid()).then_some(())
    });
    let begun = Instant::now();
    let engine = daemon.engine();
    engine.signal(Signal::SIGKILL);
    while begun.elapsed() < SYNC_LASTS {
        let health = get(daemon.address(), "/health/live");
        assert_eq!(health.status, 200);
        sleep(Duration::from_secs(1));
    }
    assert!(syncs(daemon.pid()), "the sync took {SYNC_LASTS:?}");
    let silence = systemd.longest_silence(begun);
    println!("longest silence in {:?}: {silence:?}", begun.elapsed());
    assert!(silence < WATCHDOG, "systemd heard nothing for {silence:?}");
    daemon.engine_after(engine);
    daemon.wait_until_ready();
    assert!(syncs(daemon.pid()), "all that came while it waited");
    disk.hold_flushes(false);
}

#[test]
fn the_daemon_lives_while_a_task_waits_for_a_slow_disk() {
    let mut random = Random::new(40);
    let volume = Recorded::new(Kind::Ext4, &mut random);
    let disk = Arc::clone(volume.recording());
    let systemd = Systemd::new();
    let mut daemon = systemd.start(&volume);
    let _release = Release(Arc::clone(&disk));
    let address = daemon.address();
    let spoken = speech::speak(Script {
        phrases: 20,
        times: 12,
        ..Script::short(VOICES[0], 5)
    });
    let upload = tus::upload(address, "long.wav", &spoken.bytes());
    until("the transcription is under way", || {
        let progress = task::progress(address, upload.id());
        assert_ne!(progress["status"], "completed", "too short");
        (progress["percentage"].as_f64()? > 1.0).then_some(())
    });
    disk.hold_flushes(true);
    assert_lives_through_a_sync(&systemd, &mut daemon, &disk);
    assert!(!task::transcript(address, upload.id()).is_empty());
}

#[test]
fn the_daemon_lives_while_a_callback_waits_for_a_slow_disk() {
    let mut random = Random::new(41);
    let volume = Recorded::new(Kind::Ext4, &mut random);
    let disk = Arc::clone(volume.recording());
    let systemd = Systemd::new();
    let mut daemon = systemd.start(&volume);
    let _release = Release(Arc::clone(&disk));
    let address = daemon.address();
    // Takes the callback while the disk becomes slow: what came of it is stored then.
    let receiver = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", receiver.local_addr().expect("its address"));
    let slows = Arc::clone(&disk);
    let receives = thread::spawn(move || {
        let (mut stream, _) = receiver.accept().expect("a callback");
        let mut request = Vec::new();
        while !request.ends_with(b"}") {
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer).expect("a request");
            request.extend_from_slice(&buffer[..count]);
        }
        slows.hold_flushes(true);
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        stream.write_all(answer).expect("an answer");
    });
    let content = b"this is no recording at all";
    let metadata = [("filename", "a.txt"), ("callback_url", &*url)];
    let upload = Upload::create(address, content.len(), &metadata);
    upload.finish(content, content.len());
    receives.join().expect("a callback");
    assert_lives_through_a_sync(&systemd, &mut daemon, &disk);
    until("the callback is stored as delivered", || {
        let callback = &task::look(address, upload.id())["metadata"]["callback"];
        (callback["status"] == "delivered").then_some(())
    });
}
