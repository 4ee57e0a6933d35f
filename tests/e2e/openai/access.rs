//! Access tokens as the API keys of OpenAI's clients.

use nix::sys::signal::{Signal, kill};
use serde_json::Value;

use super::support::{MODEL, TRANSCRIPTIONS, around, events, refused, spoken};
use crate::fixtures::form::FORM;
use crate::fixtures::tokens;
use crate::fixtures::transcription::long_recording;
use crate::support::http::{Connection, request};
use crate::support::task;
use crate::support::waiting::until;

#[test]
fn a_token_is_the_api_key() {
    let daemon = tokens::daemon("");
    let address = daemon.address();
    let token = tokens::add(&daemon, &["phone"]);
    tokens::reload(&daemon);
    let wrong = "invalid_request_error";
    let body = around(&[MODEL], &spoken().bytes(), &[]);
    let with = |token: &str, method: &str, target: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [FORM, ("Authorization", &bearer)];
        let body = (method == "POST").then_some(&body[..]);
        request(address, method, target, &headers, body).unwrap()
    };
    for (method, target) in [
        ("POST", TRANSCRIPTIONS),
        ("GET", "/v1/models"),
        ("GET", "/v1/x"),
    ] {
        let answer = with("sk-none-of-ours", method, target);
        assert!(answer.header("www-authenticate").is_some());
        let error = refused(answer, 401, wrong, target);
        assert_eq!(error["code"], "invalid_api_key", "{target}: {error}");
        let answer = request(address, method, target, &[FORM], Some(b"")).unwrap();
        let error = refused(answer, 401, wrong, target);
        assert_eq!(error["code"], "invalid_api_key", "{target}: {error}");
    }
    let answer = with(&token, "POST", TRANSCRIPTIONS).expect(200, "with a token");
    assert_eq!(answer.json()["text"], spoken().text());
    with(&token, "GET", "/v1/models").expect(200, "with a token");
}

#[test]
fn removing_a_token_ends_the_requests_that_wait_with_it() {
    let daemon = tokens::daemon("");
    let address = daemon.address();
    let phone = format!("Bearer {}", tokens::add(&daemon, &["phone"]));
    let admin = format!("Bearer {}", tokens::add(&daemon, &["me", "--admin"]));
    tokens::reload(&daemon);
    let list = || -> Value {
        let headers = [("Authorization", &*admin)];
        let all = request(address, "GET", "/task/all", &headers, None).unwrap();
        all.expect(200, "all tasks").json()["tasks"].clone()
    };
    let recording = long_recording().bytes();
    let bodies = [
        around(&[MODEL], &recording, &[]),
        around(&[MODEL], &recording, &[("stream", "true")]),
    ];
    let waiting = bodies.map(|body| {
        let mut connection = Connection::open(address).unwrap();
        let headers = [FORM, ("Authorization", &*phone)];
        connection
            .send_head("POST", TRANSCRIPTIONS, &headers, Some(body.len()))
            .unwrap();
        connection.send(&body).unwrap();
        connection
    });
    until("both are tasks", || {
        (list().as_array().unwrap().len() == 2).then_some(())
    });
    assert!(tokens::run(&daemon, &["remove", "phone"]).0);
    kill(daemon.pid(), Signal::SIGHUP).unwrap();
    let [mut plain, mut streamed] = waiting;
    let wrong = "invalid_request_error";
    refused(
        plain.receive("POST").unwrap(),
        401,
        wrong,
        "a removed token",
    );
    let received = events(&streamed.receive("POST").unwrap());
    let error = &received.last().unwrap()["error"];
    assert_eq!(error["code"], "invalid_api_key", "{received:?}");
    until("both are cancelled", || {
        let tasks = list();
        let mut tasks = tasks.as_array().unwrap().iter();
        let is_cancelled = |task: &Value| task::text_of(task, "error").contains("was removed");
        tasks.all(is_cancelled).then_some(())
    });
}
