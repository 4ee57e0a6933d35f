//! Children that decode, and such that do not.

use std::sync::atomic::AtomicBool;

use scribed::protocol::FailureKind;

use super::super::child::tests::{CHILD, EXHAUSTS_ITS_MEMORY};
use super::*;
use crate::testing;

fn request(recording: &File) -> Request {
    Request {
        size_bytes: recording.metadata().unwrap().len(),
        extension: None,
        max_duration_s: testing::MAX_DURATION_S,
    }
}

/// A child that is this script instead. In it, `say` sends a message.
fn script(lines: &str) -> Process {
    // A head of eight bytes, of which the first is the length of the JSON.
    let say = r#"say() { printf "\\x$(printf %02x ${#1})\\0\\0\\0\\0\\0\\0\\0%s" "$1" >&0; }"#;
    let mut command = Command::new("/bin/bash");
    command.arg("-c").arg(format!("{say}\n{lines}"));
    let recording = testing::file(b"a recording");
    Process::spawn(command, &recording, &request(&recording)).unwrap()
}

/// What it says up to its end, which is an error.
fn heard(process: &mut Process) -> (Vec<Message>, DecodeError) {
    let stop = AtomicBool::new(false);
    let pulse = Pulse::new(&stop, &|| ());
    let mut messages = Vec::new();
    loop {
        match process.next(&pulse) {
            Ok((message, _)) => messages.push(message),
            Err(error) => return (messages, error),
        }
    }
}

const READY: &str = "say '\"Ready\"'";

#[test]
fn a_recording_is_decoded_to_the_same_samples_as_in_this_process() {
    let recording = testing::spoken(testing::PHRASE);
    let mut process = Process::start(&recording, &request(&recording)).unwrap();
    let stop = AtomicBool::new(false);
    let pulse = Pulse::new(&stop, &|| ());
    let mut samples = Vec::new();
    let mut fractions = Vec::new();
    let mut audio = None;
    loop {
        match process.next(&pulse).unwrap() {
            (Message::Opened(opened), _) => audio = Some(opened),
            (Message::Samples { read_fraction }, more) => {
                fractions.push(read_fraction);
                samples.extend(more);
            }
            (Message::End, _) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(audio.unwrap().format(), "wav/pcm_s16le");
    assert!(samples == testing::decoded(&recording));
    assert!(fractions.is_sorted() && fractions.last() > Some(&0.9));
}

#[test]
fn a_child_that_exhausts_its_memory_is_reported_as_that() {
    let mut command = command();
    command.env(CHILD, EXHAUSTS_ITS_MEMORY);
    let recording = testing::file(b"a recording");
    let mut process = Process::spawn(command, &recording, &request(&recording)).unwrap();
    let (messages, error) = heard(&mut process);
    assert_eq!(
        messages,
        [Message::Lacking(String::new())],
        "half of it is allowed"
    );
    assert!(matches!(error, DecodeError::Memory), "{error}");
    assert_eq!(error.kind(), FailureKind::Rejected);
    assert!(error.to_string().contains("more than 80 MiB"), "{error}");
}

#[test]
fn a_death_is_the_recordings_fault_once_the_child_is_ready() {
    for (lines, expected) in [
        ("kill -SEGV $$", "crashed (SIGSEGV)"),
        ("kill -KILL $$", "crashed (SIGKILL)"),
        ("exit 3", "crashed (status 3)"),
        ("exit 0", "crashed (status 0)"),
        (
            "echo memory allocation of 5 bytes failed >&2; kill -ABRT $$",
            "needed more than",
        ),
        ("say '{\"Samples\":{}}'", "no known message"),
        ("printf '%s' 'xxxxxxxxxxxxxxxx' >&0; sleep 60", "bytes and"),
    ] {
        let (_, error) = heard(&mut script(&format!("{READY}; {lines}")));
        assert_eq!(error.kind(), FailureKind::Rejected, "{lines}: {error}");
        assert!(error.to_string().contains(expected), "{lines}: {error}");
    }
    for lines in ["echo no library >&2; exit 127", "kill -SEGV $$"] {
        let (_, error) = heard(&mut script(lines));
        assert_eq!(error.kind(), FailureKind::Model, "{lines}: {error}");
        assert!(
            error.to_string().contains("could not be started"),
            "{error}"
        );
    }
}

#[test]
fn a_child_that_computes_without_end_is_alive_up_to_a_limit() {
    let mut process = script(&format!("{READY}; while :; do :; done"));
    process.idle_cpu_limit = Duration::from_secs(1);
    let (_, error) = heard(&mut process);
    assert!(matches!(error, DecodeError::Hung(1)), "{error}");
    assert_eq!(error.kind(), FailureKind::Rejected);
    let pid = process.pid;
    drop(process);
    assert_eq!(nix::sys::signal::kill(pid, None), Err(Errno::ESRCH));
}

#[test]
fn a_stopped_job_is_seen_by_one_that_waits() {
    let mut process = script(&format!("{READY}; sleep 600"));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(300));
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        let error = process.next(&Pulse::new(&stop, &|| ())).unwrap_err();
        assert_eq!(error.kind(), FailureKind::Cancelled);
    });
}

#[test]
fn the_log_is_passed_on_in_bounded_lines() {
    let mut log = Log::new(None);
    log.take(b"no memory allocation of ");
    log.take(b"any kind\n");
    assert!(!log.is_exhausted);
    log.take(&[b'x'; 1 << 20]);
    assert!(log.last.len() <= LOG_LINE_MAX_BYTES);
    log.take(b"\nmemory allocation of 7 by");
    assert!(!log.is_exhausted);
    log.take(b"tes failed\n");
    assert!(log.is_exhausted);
}
