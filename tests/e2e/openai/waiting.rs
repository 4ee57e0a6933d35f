//! Clients of OpenAI's speech API that wait for a transcript: they go first, they
//! can hang up, and they outlast a lost engine and a long silence.

use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::support::{
    MODEL, TRANSCRIPTIONS, around, ask, assert_heard, events, ids, only_task, post, refused,
    spoken, streamed,
};
use crate::fixtures::form::FORM;
use crate::fixtures::listener::{Listener, segments};
use crate::fixtures::nginx::Nginx;
use crate::fixtures::transcription::{assert_said, freeze_engine_in, long_recording};
use crate::support::daemon::Daemon;
use crate::support::http::{Cut, delete, request};
use crate::support::waiting::until;
use crate::support::{task, tus};

#[test]
fn a_client_that_hangs_up_cancels_its_task_and_nothing_else() {
    let mut daemon = Daemon::start();
    let address = daemon.address();
    let long = long_recording();
    let recording = long.bytes();
    for (how, fields) in [
        (Cut::Close, &[][..]),
        (Cut::Reset, &[("stream", "true")]),
        (Cut::Close, &[("stream", "true")]),
    ] {
        let running = ask(address, &recording, fields);
        let running_id = only_task(address);
        let engine = freeze_engine_in(&mut daemon, &running_id);
        let queued = ask(address, &recording, fields);
        let queued_id = until("both are tasks", || {
            let ids = ids(address);
            (ids.len() == 2).then(|| ids.into_iter().find(|id| *id != running_id).unwrap())
        });
        queued.cut(how);
        let error = task::failure(address, &queued_id);
        assert!(error.contains("the client disconnected"), "{error}");
        assert_eq!(task::look(address, &running_id)["status"], "processing");
        running.cut(how);
        let error = task::failure(address, &running_id);
        assert!(error.contains("the client disconnected"), "{error}");
        engine.signal(Signal::SIGCONT);
        // Nothing is in the way of the next one.
        let short = spoken();
        let body = around(&[MODEL], &short.bytes(), &[]);
        let answer = post(address, TRANSCRIPTIONS, &body).expect(200, "the next one");
        assert_eq!(answer.json()["text"], short.text());
        // The recording is there, and can be transcribed after all.
        if fields.is_empty() {
            let retry = format!("/task/{queued_id}/retry");
            let again = request(address, "POST", &retry, &[], Some(b"")).unwrap();
            again.expect(202, "retry");
            assert_said(address, &queued_id, &long);
        }
        for id in ids(address) {
            delete(address, &format!("/task/{id}")).expect(200, "DELETE");
        }
    }
    // With another request behind it.
    for fields in [&[][..], &[("stream", "true")]] {
        let mut two = ask(address, &recording, fields);
        two.send_head("GET", "/task/all", &[], None).unwrap();
        let id = only_task(address);
        let engine = freeze_engine_in(&mut daemon, &id);
        two.cut(Cut::Close);
        let error = task::failure(address, &id);
        assert!(error.contains("the client disconnected"), "{error}");
        engine.signal(Signal::SIGCONT);
        delete(address, &format!("/task/{id}")).expect(200, "DELETE");
    }
    // At the moment of its last byte.
    ask(address, &recording, &[]).cut(Cut::Close);
    let error = task::failure(address, &only_task(address));
    assert!(error.contains("the client disconnected"), "{error}");
}

#[test]
fn a_client_behind_a_proxy_is_answered_and_can_hang_up() {
    let trusting = "[http]\ntrusted_proxies = ['127.0.0.1']\n\
        [auth]\nmode = 'open'\nnetworks = ['127.0.0.0/8']";
    let daemon = Daemon::start_unready(Daemon::folder_with(trusting), &[]);
    daemon.wait_until_ready();
    let nginx = Nginx::start(daemon.address(), &[]);
    let short = spoken();
    for (fields, is_streamed) in [(&[][..], false), (&[("stream", "true")], true)] {
        let answer = ask(nginx.address, &short.bytes(), fields).receive("POST");
        let text = match is_streamed {
            true => streamed(answer.unwrap()),
            false => answer.unwrap().json()["text"].as_str().unwrap().to_owned(),
        };
        assert_eq!(text, short.text());
        let before = ids(daemon.address());
        let leaving = ask(nginx.address, &long_recording().bytes(), fields);
        let id = until("it is a task", || {
            let mut ids = ids(daemon.address()).into_iter();
            ids.find(|id| !before.contains(id))
        });
        leaving.cut(Cut::Close);
        let error = task::failure(daemon.address(), &id);
        assert!(error.contains("the client disconnected"), "{error}");
    }
}

#[test]
fn a_restart_of_the_daemon_cancels_nothing() {
    let mut daemon = Daemon::start();
    let long = long_recording();
    let waiting = ask(daemon.address(), &long.bytes(), &[]);
    let id = only_task(daemon.address());
    freeze_engine_in(&mut daemon, &id);
    daemon.kill9();
    drop(waiting);
    daemon.start_again();
    assert_said(daemon.address(), &id, &long);
    for fields in [&[][..], &[("stream", "true")]] {
        let mut daemon = Daemon::start();
        let mut waiting = ask(daemon.address(), &long.bytes(), fields);
        let id = only_task(daemon.address());
        let engine = freeze_engine_in(&mut daemon, &id);
        engine.signal(Signal::SIGCONT);
        assert!(daemon.terminate().success());
        let answer = waiting.receive("POST").unwrap();
        let error = match fields {
            [] => refused(answer, 503, "server_error", "a daemon that stops"),
            _ => events(&answer).pop().unwrap()["error"].clone(),
        };
        assert!(error["message"].as_str().unwrap().contains(&id), "{error}");
        daemon.start_again();
        assert_said(daemon.address(), &id, &long);
        assert_eq!(task::count(daemon.address()), 1);
    }
}

#[test]
fn an_engine_that_dies_in_the_middle_changes_no_answer() {
    let mut daemon = Daemon::start();
    let address = daemon.address();
    let long = long_recording();
    for fields in [&[][..], &[("stream", "true")]] {
        let mut waiting = ask(address, &long.bytes(), fields);
        let id = only_task(address);
        let engine = freeze_engine_in(&mut daemon, &id);
        engine.signal(Signal::SIGKILL);
        let answer = waiting.receive("POST").unwrap().expect(200, "the answer");
        let text = match fields {
            [] => answer.json()["text"].as_str().unwrap().to_owned(),
            _ => streamed(answer),
        };
        assert_heard(&text, &long);
        delete(address, &format!("/task/{id}")).expect(200, "DELETE");
    }
}

#[test]
fn a_waiting_client_is_not_closed_as_idle() {
    let folder = Daemon::folder_with("[http]\nidle_timeout = '1s'\nheader_timeout = '1s'");
    let mut daemon = Daemon::start_unready(folder, &[]);
    daemon.wait_until_ready();
    let address = daemon.address();
    let long = long_recording();
    let mut waiting = ask(address, &long.bytes(), &[]);
    let engine = freeze_engine_in(&mut daemon, &only_task(address));
    thread::sleep(Duration::from_secs(4));
    engine.signal(Signal::SIGCONT);
    let answer = waiting.receive("POST").unwrap().expect(200, "the answer");
    assert_heard(answer.json()["text"].as_str().unwrap(), &long);
    // The connection is as good as before, and those that waited in it, too.
    let body = around(&[MODEL], &spoken().bytes(), &[]);
    for _ in 0..2 {
        waiting
            .send_head("POST", TRANSCRIPTIONS, &[FORM], Some(body.len()))
            .unwrap();
        waiting.send(&body).unwrap();
    }
    for what in ["the second", "the third"] {
        let answer = waiting.receive("POST").unwrap().expect(200, what);
        assert_eq!(answer.json()["text"], spoken().text());
    }
}

#[test]
fn waiting_clients_go_first() {
    let mut daemon = Daemon::start();
    let address = daemon.address();
    let long = long_recording();
    let bulk = tus::upload(address, "long.wav", &long.bytes());
    let mut listener = Listener::socket(address, bulk.id(), &[]);
    let engine = freeze_engine_in(&mut daemon, bulk.id());
    let short = spoken();
    let mut waiting = ask(address, &short.bytes(), &[]);
    until("it waits", || (task::count(address) == 2).then_some(()));
    engine.signal(Signal::SIGCONT);
    let answer = waiting.receive("POST").unwrap().expect(200, "the answer");
    assert_eq!(answer.json()["text"], short.text());
    let status = task::look(address, bulk.id())["status"].clone();
    assert_ne!(status, "completed", "it was faster");
    assert_said(address, bulk.id(), &long);
    let received = segments(&listener.up_to("complete"));
    assert_eq!(received, task::transcript(address, bulk.id()), "each once");
}
