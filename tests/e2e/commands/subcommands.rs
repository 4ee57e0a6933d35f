//! The other subcommands, as a person runs them: `send` through broken
//! connections and killed runs, `transcribe` without a daemon, `sweep` beside
//! one.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tempfile::TempDir;

use crate::fixtures::wer::Tally;
use crate::support::daemon::{Daemon, PROGRAM};
use crate::support::speech::{self, Script, Spoken, VOICES};
use crate::support::task;
use crate::support::tus::Upload;
use crate::support::waiting::until;

/// A recording of some 700 kB in a folder that also holds what `send` remembers.
fn recording() -> (TempDir, Spoken) {
    let spoken = speech::speak(Script::short(VOICES[2], 9));
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("talk.wav"), spoken.bytes()).unwrap();
    (folder, spoken)
}

fn scribed(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args(arguments)
        .current_dir(folder)
        .env("XDG_STATE_HOME", folder.join("memory"))
        .stdin(Stdio::null());
    command
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    scribed(folder, arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn assert_said(output: &Output, spoken: &Spoken) {
    assert!(output.status.success(), "{}", text(&output.stderr));
    let tally = Tally::of(&spoken.text(), &text(&output.stdout));
    assert!(
        tally.percent() <= 10.0,
        "{tally:?} {}",
        text(&output.stdout)
    );
}

/// Passes connections on to `target`; the first `cuts` of them end after
/// `limit_bytes` from the client.
fn bad_link(target: SocketAddr, cuts: usize, limit_bytes: usize) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let cut = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&cut);
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(target).unwrap();
            let (mut down, mut up) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut down, &mut up));
            let counter = Arc::clone(&counter);
            thread::spawn(move || {
                let (mut client, mut server) = (client, server);
                let mut buffer = [0; 16 << 10];
                let mut passed = 0;
                while let Ok(count @ 1..) = client.read(&mut buffer) {
                    passed += count;
                    if server.write_all(&buffer[..count]).is_err() {
                        break;
                    }
                    if passed > limit_bytes && counter.load(Ordering::SeqCst) < cuts {
                        counter.fetch_add(1, Ordering::SeqCst);
                        break;
                    }
                }
                // Either side may be gone already.
                let _ = client.shutdown(Shutdown::Both);
                let _ = server.shutdown(Shutdown::Both);
            });
        }
    });
    (address, cut)
}

#[test]
fn send_goes_on_through_lost_connections() {
    let daemon = Daemon::start();
    let (folder, spoken) = recording();
    let (link, cut) = bad_link(daemon.address(), 3, 150_000);
    let to = format!("http://{link}");
    let output = run(folder.path(), &["send", "talk.wav", "--to", &to, "--wait"]);
    assert_said(&output, &spoken);
    assert_eq!(cut.load(Ordering::SeqCst), 3);
    let printed = text(&output.stderr);
    assert_eq!(printed.matches("resuming at byte").count(), 3, "{printed}");
    assert_eq!(task::count(daemon.address()), 1);
}

#[test]
fn a_killed_send_is_resumed_by_the_next_run() {
    let daemon = Daemon::start();
    let (folder, spoken) = recording();
    let to = format!("http://{}", daemon.address());
    let arguments = ["send", "talk.wav", "--to", &to, "--limit-rate", "200KiB"];
    let mut first = scribed(folder.path(), &arguments).spawn().unwrap();
    let uploads = daemon.state_dir().join("uploads");
    let id = until("the upload is begun", || {
        let entry = std::fs::read_dir(&uploads).unwrap().next()?;
        Some(entry.unwrap().file_name().into_string().unwrap())
    });
    let upload = Upload {
        address: daemon.address(),
        path: format!("/uploads/files/{id}"),
    };
    // Some time in the middle of the body, whose bytes count once it is cut.
    thread::sleep(std::time::Duration::from_millis(700));
    first.kill().unwrap();
    first.wait().unwrap();
    until("what had arrived is kept", || {
        (upload.offset() > 0).then_some(())
    });

    let output = run(
        folder.path(),
        &["send", "talk.wav", "--to", &to, "--wait", "--format", "srt"],
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stderr);
    assert!(
        printed.contains("resuming at byte") && printed.contains(&id),
        "{printed}"
    );
    assert!(
        text(&output.stdout).starts_with("1\n00:00:0"),
        "{}",
        text(&output.stdout)
    );
    assert_eq!(task::count(daemon.address()), 1);

    // Its business is done: the same file is another upload now.
    let again = run(folder.path(), &["send", "talk.wav", "--to", &to]);
    assert!(text(&again.stdout).starts_with("task "), "{again:?}");
    assert!(!text(&again.stdout).contains(&id), "{again:?}");
    let _ = spoken;
}

#[test]
fn send_says_what_is_wrong() {
    let daemon = Daemon::start();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("notes.mp3"),
        "Dear diary, nothing happened.\n",
    )
    .unwrap();
    let to = format!("http://{}", daemon.address());
    let cases: [(&[&str], i32, &str); 5] = [
        (
            &["send", "notes.mp3", "--to", &to, "--wait"],
            1,
            "a text file",
        ),
        (
            &["send", "none.wav", "--to", &to],
            1,
            "cannot read none.wav",
        ),
        (&["send", "notes.mp3", "--to", "box"], 1, "http://HOST:PORT"),
        (
            &["send", "notes.mp3", "--to", &to, "--language", "klingon"],
            1,
            "klingon",
        ),
        (&["send", "--to", &to], 2, "<FILE>"),
    ];
    for (arguments, code, part) in cases {
        let output = run(folder.path(), arguments);
        let printed = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {printed}");
        assert!(printed.contains(part), "{arguments:?}: {printed}");
    }
}

#[test]
fn transcribe_needs_no_daemon() {
    let (folder, spoken) = recording();
    std::fs::write(
        folder.path().join("notes.mp3"),
        "Dear diary, nothing happened.\n",
    )
    .unwrap();
    let transcribe = |file: &str, more: &[&str]| {
        let mut arguments = vec!["transcribe", file, "--models-dir", "no-models"];
        arguments.extend(more);
        run(folder.path(), &arguments)
    };
    let output = transcribe("talk.wav", &[]);
    assert_said(&output, &spoken);
    assert!(text(&output.stderr).contains("demo model"), "{output:?}");
    let vtt = transcribe("talk.wav", &["--format", "vtt"]);
    assert!(text(&vtt.stdout).starts_with("WEBVTT\n\n00:"), "{vtt:?}");

    for (file, more, code, part) in [
        ("notes.mp3", &[][..], 1, "a text file"),
        ("none.wav", &[], 1, "cannot read none.wav"),
        ("talk.wav", &["--format", "doc"], 2, "doc"),
        ("talk.wav", &["--model", "none"], 1, "none"),
    ] {
        let output = transcribe(file, more);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(text(&output.stderr).contains(part), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
    }
}

#[test]
fn sweep_takes_the_expired_and_leaves_the_living() {
    let folder = Daemon::folder();
    std::fs::write(
        folder.path().join("scribed.toml"),
        "[upload]\nidle_expiry = '1s'\n",
    )
    .unwrap();
    let daemon = Daemon::start_unready(folder, &[]);
    let state_dir = daemon.state_dir();
    let config = state_dir.with_file_name("scribed.toml");
    let sweep = || {
        let config = config.to_str().unwrap();
        let arguments = [
            "sweep",
            "--config",
            config,
            "--state-dir",
            state_dir.to_str().unwrap(),
        ];
        let output = run(&state_dir, &arguments);
        assert!(output.status.success(), "{output:?}");
        text(&output.stdout)
    };
    let living = Upload::create(daemon.address(), 300_000, &[]);
    let connection = living.patch_in_part(0, 300_000, &[7; 1000]);
    let expired = Upload::create(daemon.address(), 300_000, &[]);
    until("it expires", || {
        (expired.head().status == 410).then_some(())
    });
    let finished = Upload::create(daemon.address(), 0, &[]);

    let printed = sweep();
    assert!(
        printed.starts_with("removed 1 expired uploads, 0 orphans, 0 recordings"),
        "{printed}"
    );
    assert!(
        printed.trim_end().ends_with("bytes") && !printed.contains(": 0 bytes"),
        "{printed}"
    );
    assert_eq!(expired.head().status, 404);
    assert_eq!(finished.head().status, 200);
    // A request is in the middle of writing to this one.
    drop(connection);
    until("what had arrived is kept", || {
        let head = living.head();
        (head.status == 200 && head.header("upload-offset") == Some("1000")).then_some(())
    });
    assert!(sweep().starts_with("removed 0 expired uploads, 0 orphans"));
}

#[test]
fn check_warns_when_power_cuts_are_not_tested_on_the_file_system() {
    let memory = tempfile::tempdir_in("/dev/shm").unwrap();
    let disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for state_dir in [memory.path(), disk.path()] {
        let mut stat = Command::new("stat");
        let kind = stat.args(["-f", "-c", "%T"]).arg(state_dir).output();
        let kind = text(&kind.unwrap().stdout);
        let output = scribed(state_dir, &["check"])
            .env("SCRIBED_STATE_DIR", state_dir)
            .env("SCRIBED_UPLOAD_RESERVE_FREE", "1B")
            .output()
            .unwrap();
        let report = text(&output.stdout);
        assert_eq!(
            report.contains("neither ext4 nor xfs"),
            !["ext2/ext3", "xfs"].contains(&kind.trim()),
            "{kind}{report}"
        );
    }
}
