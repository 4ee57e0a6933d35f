//! The messages about an upload and its task, over WebSockets and as
//! server-sent events: each in its order, to early and late clients.

use serde_json::json;
use uuid::Uuid;

use super::support::{is_progress, percentages, spoken, upload_as};
use crate::fixtures::listener::{Listener, WAYS, segments};
use crate::fixtures::transcription::{freeze_engine_in, long_recording};
use crate::support::daemon::Daemon;
use crate::support::http::{self, request};
use crate::support::speech::{self, Script, VOICES};
use crate::support::{task, tus};

#[test]
fn a_client_that_comes_before_the_upload_gets_all_messages_in_order() {
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
fn a_large_upload_has_progress_while_it_comes() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let id = Uuid::new_v4().to_string();
    let upload = upload_as(address, &id, 1000);
    let mut listener = Listener::events(address, &id, &[]);
    assert!(is_progress(&listener.news(), "uploading", 0.0));
    let mut connection = upload.patch_in_part(0, 1000, &[0; 100]).unwrap();
    let sending = std::thread::spawn(move || {
        // Of 1000 bytes, so no request ends before the last message.
        for _ in 0..400 {
            connection.send(&[0]).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        connection
    });
    let reported: Vec<f64> = (0..3)
        .map(|_| listener.news()["percentage"].as_f64().unwrap())
        .collect();
    assert!(reported[0] >= 10.0 && reported[2] < 51.0, "{reported:?}");
    assert!(
        reported[0] < reported[1] && reported[1] < reported[2],
        "{reported:?}"
    );
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
fn an_open_connection_gets_the_messages_of_a_retry() {
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
fn after_a_lost_engine_no_segment_is_sent_twice() {
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
fn a_failure_is_sent_to_every_connection() {
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
fn queue_positions_and_deletions_are_messages() {
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
