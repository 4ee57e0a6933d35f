//! Transcribing again: `POST /task/{id}/retry`.

use std::fs;
use std::net::SocketAddr;

use nix::sys::signal::Signal;

use crate::support::daemon::Daemon;
use crate::support::http::{Response, get, request};
use crate::support::speech::{self, Script, Spoken, VOICES};
use crate::support::task;
use crate::support::tus;

fn spoken(seed: u64) -> Spoken {
    speech::speak(Script::short(VOICES[0], seed))
}

fn retry(address: SocketAddr, id: &str, query: &str) -> Response {
    let target = format!("/task/{id}/retry{query}");
    request(address, "POST", &target, &[], Some(b"")).unwrap()
}

/// Uploads it; the id of its task, and what was heard.
fn transcribed(address: SocketAddr, spoken: &Spoken) -> (String, String) {
    let upload = tus::upload(address, "a.wav", &spoken.bytes());
    let id = upload.id().to_owned();
    let heard = heard(address, &id);
    assert!(!heard.is_empty());
    (id, heard)
}

fn heard(address: SocketAddr, id: &str) -> String {
    task::text(&task::transcript(address, id))
}

#[test]
fn a_task_that_has_ended_is_transcribed_again_and_no_other_is() {
    let mut daemon = Daemon::start_unready(
        Daemon::folder_with("[transcribe]\nunknown_model = 'reject'"),
        &[],
    );
    let address = daemon.address();
    let (id, first_heard) = transcribed(address, &spoken(31));
    let first = task::look(address, &id);

    let unknown = "11111111-1111-4111-8111-111111111111";
    retry(address, unknown, "").expect(404, "no such task");
    let refused = retry(address, &id, "?model=large-v9").expect(422, "no such model");
    assert!(refused.text().contains("large-v9"), "{}", refused.text());
    let target = format!("/task/{id}/retry");
    let answer = get(address, &target).expect(405, "GET");
    assert_eq!(answer.header("allow"), Some("POST"));

    daemon.engine().signal(Signal::SIGSTOP);
    let reply = retry(address, &id, "?model=demo")
        .expect(202, "a retry")
        .json();
    assert_eq!(reply["identifier"], *id);
    let waiting = task::look(address, &id);
    assert!(
        ["queued", "processing"].contains(&task::text_of(&waiting, "status")),
        "{waiting}"
    );
    assert!(waiting["result"].is_null(), "{waiting}");
    let refused = retry(address, &id, "")
        .expect(409, "it has not ended")
        .json();
    assert_eq!(refused["error"]["code"], "TASK_NOT_ENDED", "{refused}");
    daemon.engine().signal(Signal::SIGCONT);
    assert_eq!(heard(address, &id), first_heard);
    let second = task::look(address, &id);
    assert_ne!(
        first["metadata"]["end_time"],
        second["metadata"]["end_time"]
    );
    assert_eq!(
        second["metadata"]["task_params"]["model"], "demo",
        "{second}"
    );
    assert_eq!(task::count(address), 1, "the same task");

    let failed = tus::upload(address, "a.txt", b"this is no recording at all");
    let reason = task::failure(address, failed.id());
    retry(address, failed.id(), "").expect(202, "a failed one");
    assert_eq!(task::failure(address, failed.id()), reason);

    let data = daemon.state_dir().join("uploads").join(&id).join("data");
    fs::remove_file(data).unwrap();
    let refused = retry(address, &id, "").expect(410, "no recording").json();
    assert_eq!(refused["error"]["code"], "RECORDING_GONE", "{refused}");
    assert_eq!(heard(address, &id), first_heard);
}

#[test]
fn a_retry_survives_a_crash() {
    let mut daemon = Daemon::start();
    let (id, first_heard) = transcribed(daemon.address(), &spoken(32));
    daemon.engine().signal(Signal::SIGSTOP);
    retry(daemon.address(), &id, "").expect(202, "a retry");
    daemon.kill9();
    daemon.start_again();
    assert_eq!(heard(daemon.address(), &id), first_heard);
    assert_eq!(task::count(daemon.address()), 1);
}

#[test]
fn a_retry_that_fails_leaves_the_transcript_from_before() {
    let folder = Daemon::folder();
    fs::write(folder.path().join("models/ggml-broken.bin"), "no model").unwrap();
    let daemon = Daemon::start_unready(folder, &["--model".as_ref(), "demo".as_ref()]);
    let address = daemon.address();
    let (id, first_heard) = transcribed(address, &spoken(33));
    retry(address, &id, "?model=broken").expect(202, "a retry");
    assert_eq!(heard(address, &id), first_heard);
    let task = task::look(address, &id);
    let warning = task["metadata"]["warning"].as_str().unwrap_or_default();
    assert!(warning.contains("ggml-broken.bin"), "{task}");
    let retried = retry(address, &id, "?model=demo");
    retried.expect(202, "another retry");
    assert_eq!(heard(address, &id), first_heard);
    let task = task::look(address, &id);
    assert!(task["metadata"]["warning"].is_null(), "{task}");
}
