//! A daemon with nothing to do is as good as not there.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use nix::unistd::Pid;

use crate::fixtures::proc_status::number_of;
use crate::fixtures::transcription::{freeze_engine_in, long_recording};
use crate::support::daemon::{Daemon, PROGRAM};
use crate::support::speech::{self, Script, VOICES};
use crate::support::{task, tus};

const OWN_MAX_KIB: u64 = 10 * 1024;

const RESIDENT_MAX_KIB: u64 = 24 * 1024;

const SWITCHES_MAX: u64 = 20;

const WATCHED: Duration = Duration::from_secs(5);

/// How often it may be watched until it has come to rest.
const TIMES: usize = 6;

#[test]
fn after_its_work_the_daemon_rests_in_little_memory() {
    let daemon = Daemon::start();
    let spoken = speech::speak(Script::short(VOICES[0], 1));
    let upload = tus::upload(daemon.address(), "a.wav", &spoken.bytes());
    task::transcript(daemon.address(), upload.id());

    let mut watched = Vec::new();
    while watched
        .last()
        .is_none_or(|&switches| switches > SWITCHES_MAX)
    {
        assert!(
            watched.len() < TIMES,
            "context switches in {WATCHED:?}: {watched:?}"
        );
        let before = context_switches(daemon.pid());
        sleep(WATCHED);
        // A thread that has ended takes its count away with it.
        watched.push(context_switches(daemon.pid()).saturating_sub(before));
    }
    println!("context switches in {WATCHED:?}: {watched:?}");

    let status = format!("/proc/{}/status", daemon.pid());
    // Its own; the pages of the program are the kernel's to drop, and many more
    // where it is built for tests.
    let own_kib = number_of(Path::new(&status), "RssAnon:");
    let resident_kib = number_of(Path::new(&status), "VmRSS:");
    println!("resident: {own_kib} of {resident_kib} KiB");
    assert!(own_kib < OWN_MAX_KIB, "{own_kib} KiB");
    assert!(resident_kib < RESIDENT_MAX_KIB, "{resident_kib} KiB");
}

#[test]
fn the_engine_leaves_the_cpu_to_the_daemon() {
    let mut daemon = Daemon::start();
    let upload = tus::upload(daemon.address(), "long.wav", &long_recording().bytes());
    let engine = freeze_engine_in(&mut daemon, upload.id());
    assert_eq!(engine.niceness(), (daemon.niceness() + 15).min(19));
}

#[test]
fn the_daemon_links_no_cpp() {
    let output = Command::new("ldd").arg(PROGRAM).output().unwrap();
    let libraries = String::from_utf8(output.stdout).unwrap();
    assert!(libraries.contains("libc.so"), "{libraries}");
    assert!(!libraries.contains("libstdc++"), "{libraries}");
    let program = fs::read(PROGRAM).unwrap();
    let whisper = b"whisper_full";
    assert!(!program.windows(whisper.len()).any(|part| part == whisper));
}

/// Of all its threads, willing or not.
fn context_switches(pid: Pid) -> u64 {
    fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .map(|thread| switches_of(&thread.unwrap().path().join("status")))
        .sum()
}

/// Of one thread.
fn switches_of(status: &Path) -> u64 {
    ["voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:"]
        .map(|name| number_of(status, name))
        .iter()
        .sum()
}

#[test]
fn counts_context_switches() {
    // Of this thread alone: other tests' threads come and go.
    let own = Path::new("/proc/thread-self/status");
    let before = switches_of(own);
    for _ in 0..30 {
        sleep(Duration::from_millis(1));
    }
    assert!(switches_of(own) >= before + 30);
}
