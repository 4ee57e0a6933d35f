//! Processes die, hang and are killed at the worst moment; what was
//! acknowledged stays, what was begun is finished, and exactly once.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::fixtures::transcription::{assert_said, freeze_engine_in, long_recording};
use crate::support::daemon::Daemon;
use crate::support::http::{get, request};
use crate::support::speech::{self, Script, Spoken, VOICES};
use crate::support::task;
use crate::support::tus::{self, Upload};
use crate::support::waiting::until;

/// What was transcribed before was not transcribed again.
#[track_caller]
fn assert_went_on(daemon: &Daemon) {
    let said = daemon.stderr();
    assert!(said.contains("task goes on after "), "{said}");
    assert!(!said.contains("task goes on after 0 "), "{said}");
}

#[test]
fn kill_in_mid_upload_loses_nothing_that_was_acknowledged() {
    let mut daemon = Daemon::start();
    let spoken = speech::speak(Script {
        phrases: 12,
        ..Script::short(VOICES[1], 6)
    });
    let file = spoken.bytes();
    let piece = file.len() / 5;
    let mut upload = Upload::create(daemon.address(), file.len(), &[("filename", "a.wav")]);

    for crash in 1..=3 {
        let begun = upload.offset();
        let acknowledged = begun + piece / 2;
        let response = upload.patch(begun, &file[begun..acknowledged]).unwrap();
        response.expect(204, "PATCH before the crash");
        let sent = acknowledged + piece / 2;
        let rest = file.len() - acknowledged;
        let connection = upload.patch_in_part(acknowledged, rest, &file[acknowledged..sent]);
        sleep(Duration::from_millis(100 * (crash - 1))); // other moments, other states
        daemon.kill9();
        drop(connection);
        daemon.start_again();
        upload.address = daemon.address();
        let offset = upload.offset();
        println!("crash {crash}: {acknowledged} <= {offset} <= {sent}");
        assert!(
            (acknowledged..=sent).contains(&offset),
            "{acknowledged} {offset} {sent}"
        );
    }
    upload.finish(&file, piece);
    assert_said(daemon.address(), upload.id(), &spoken);
    assert_eq!(task::count(daemon.address()), 1);
}

#[test]
fn kill_in_mid_transcription_is_made_good_after_the_restart() {
    let mut daemon = Daemon::start();
    let spoken = long_recording();
    let upload = tus::upload(daemon.address(), "long.wav", &spoken.bytes());
    freeze_engine_in(&mut daemon, upload.id());
    daemon.kill9();
    daemon.start_again();
    assert_said(daemon.address(), upload.id(), &spoken);
    assert_eq!(task::count(daemon.address()), 1);
    assert_went_on(&daemon);

    // What is completed stays as it is over the next crash.
    let transcript = task::transcript(daemon.address(), upload.id());
    daemon.kill9();
    daemon.start_again();
    let task = task::look(daemon.address(), upload.id());
    assert_eq!(task["status"], "completed", "{task}");
    assert_eq!(task::segments(&task["result"]), transcript);
    assert_eq!(task::count(daemon.address()), 1);

    // And it is as if nothing had happened.
    let whole = tus::upload(daemon.address(), "long.wav", &spoken.bytes());
    let uninterrupted = task::transcript(daemon.address(), whole.id());
    assert_eq!(uninterrupted, transcript);
}

#[test]
fn killed_at_any_moment_every_job_has_one_end_and_the_same_transcript() {
    let mut daemon = Daemon::start();
    let spoken: Vec<Spoken> = (0..4)
        .map(|seed| speech::speak(Script::short(VOICES[0], seed)))
        .collect();
    let names = ["0.wav", "1.wav", "2.wav", "3.wav"];
    let upload_all = |address| -> Vec<String> {
        let uploads = names.iter().zip(&spoken);
        uploads
            .map(|(name, spoken)| tus::upload(address, name, &spoken.bytes()).id().to_owned())
            .collect()
    };
    let transcripts = |address, ids: &[String]| -> Vec<_> {
        ids.iter().map(|id| task::transcript(address, id)).collect()
    };
    let undisturbed = upload_all(daemon.address());
    let expected = transcripts(daemon.address(), &undisturbed);

    // Moments between the end of the upload and the end of the last job.
    let mut ids = undisturbed;
    for moment in 0..12 {
        ids.extend(upload_all(daemon.address()));
        sleep(Duration::from_millis(moment * 60));
        daemon.kill9();
        daemon.start_again();
    }
    for ids in ids.chunks(names.len()) {
        assert_eq!(transcripts(daemon.address(), ids), expected);
    }
    let mut known = task::all_ids(daemon.address());
    known.sort();
    ids.sort();
    assert_eq!(known, ids);
    for id in &ids {
        let folder = daemon.state_dir().join("uploads").join(id);
        let left: Vec<_> = ["transcript.part", "transcript.reached"]
            .into_iter()
            .filter(|name| folder.join(name).exists())
            .collect();
        assert!(left.is_empty(), "{id}: {left:?}");
    }
}

#[test]
fn sigterm_in_mid_transcription_ends_well_and_loses_nothing() {
    let mut daemon = Daemon::start();
    let spoken = long_recording();
    let upload = tus::upload(daemon.address(), "long.wav", &spoken.bytes());
    let engine = freeze_engine_in(&mut daemon, upload.id());
    engine.signal(Signal::SIGCONT);
    let status = daemon.terminate();
    assert_eq!(status.code(), Some(0), "{status}");
    until("the engine ends with its daemon", || {
        (!engine.lives()).then_some(())
    });
    daemon.start_again();
    assert_said(daemon.address(), upload.id(), &spoken);
    assert_eq!(task::count(daemon.address()), 1);
}

#[test]
fn a_killed_engine_costs_nothing_but_time() {
    let mut daemon = Daemon::start();
    let (pid, spoken) = (daemon.pid(), long_recording());
    let long = tus::upload(daemon.address(), "long.wav", &spoken.bytes());
    let engine = freeze_engine_in(&mut daemon, long.id());
    engine.signal(Signal::SIGKILL);

    let other = speech::speak(Script::short(VOICES[0], 1));
    let short = tus::upload(daemon.address(), "short.wav", &other.bytes());
    daemon.engine_after(engine);
    assert_said(daemon.address(), long.id(), &spoken);
    assert_went_on(&daemon);
    assert_said(daemon.address(), short.id(), &other);
    assert_eq!(task::count(daemon.address()), 2);
    daemon.assert_alive();
    assert_eq!(daemon.pid(), pid);
}

#[test]
fn deleted_tasks_of_an_engine_that_is_slow_to_stop_delay_no_other() {
    let mut daemon = Daemon::start();
    let address = daemon.address();
    let long = tus::upload(address, "long.wav", &long_recording().bytes());
    let engine = freeze_engine_in(&mut daemon, long.id());
    let spoken = speech::speak(Script::short(VOICES[0], 1));
    let upload = || tus::upload(address, "short.wav", &spoken.bytes());
    let others = [(); 4].map(|()| upload());
    for gone in [&long].into_iter().chain(&others) {
        until("it is its turn", || {
            let progress = task::progress(address, gone.id());
            (progress["status"] == "processing").then_some(())
        });
        let path = format!("/task/{}", gone.id());
        request(address, "DELETE", &path, &[], None)
            .unwrap()
            .expect(200, "deletion");
    }
    let last = upload();
    engine.signal(Signal::SIGCONT);
    assert_said(address, last.id(), &spoken);
    assert_eq!(task::count(address), 1);
    assert!(engine.lives(), "it was slow and no worse");
}

#[test]
fn a_hung_engine_is_replaced() {
    let mut daemon = Daemon::start();
    let spoken = long_recording();
    let upload = tus::upload(daemon.address(), "long.wav", &spoken.bytes());
    let engine = freeze_engine_in(&mut daemon, upload.id());
    daemon.engine_after(engine);
    until("the hung engine is gone", || {
        (!engine.lives()).then_some(())
    });
    assert_said(daemon.address(), upload.id(), &spoken);
    daemon.assert_alive();
}

#[test]
fn an_engine_that_dies_every_time_fails_the_task_with_the_reason() {
    for (death, described_as) in [
        (
            "exit 3",
            &["status: 3", "status 3", "code 3", "code: 3"][..],
        ),
        ("kill -ABRT $$", &["sigabrt", "signal: 6", "signal 6"]),
    ] {
        let folder = Daemon::folder();
        let script = folder.path().join("engine");
        fs::write(&script, format!("#!/bin/sh\n{death}\n")).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let mut daemon = Daemon::start_unready(folder, &["--engine".as_ref(), script.as_ref()]);
        let address = daemon.address();

        for recording in [1, 2] {
            let spoken = speech::speak(Script::short(VOICES[0], recording));
            let upload = tus::upload(address, "a.wav", &spoken.bytes());
            let error = task::failure(address, upload.id()).to_lowercase();
            println!("{death}: {error}");
            assert!(error.contains("engine"), "{error}");
            assert!(
                described_as
                    .iter()
                    .any(|description| error.contains(description)),
                "{error}"
            );
        }
        get(address, "/health/live").expect(200, "live");
        get(address, "/health/ready").expect(503, "not ready");
        daemon.assert_alive();
    }
}
