//! Requests as clients of OpenAI's speech API send them, and its answers.

use std::net::SocketAddr;

use serde_json::Value;

use crate::fixtures::form::{FORM, form, part};
use crate::fixtures::wer::Tally;
use crate::support::http::{Connection, Response, get, request};
use crate::support::speech::{self, Script, Spoken, VOICES};
use crate::support::task;
use crate::support::waiting::until;

/// Speech to text.
pub const TRANSCRIPTIONS: &str = "/v1/audio/transcriptions";

/// Speech to English text.
pub const TRANSLATIONS: &str = "/v1/audio/translations";

/// The field that every request needs.
pub const MODEL: (&str, &str) = ("model", "whisper-1");

/// A field of a form.
pub fn field((name, value): (&str, &str)) -> Vec<u8> {
    part(&format!("; name=\"{name}\""), value.as_bytes())
}

/// A form with these fields before and behind the recording.
pub fn around(before: &[(&str, &str)], recording: &[u8], behind: &[(&str, &str)]) -> Vec<u8> {
    let mut parts: Vec<Vec<u8>> = before.iter().copied().map(field).collect();
    parts.push(part("; name=\"file\"; filename=\"a.wav\"", recording));
    parts.extend(behind.iter().copied().map(field));
    form(&parts)
}

/// Posts a form, which must be answered.
pub fn post(address: SocketAddr, target: &str, body: &[u8]) -> Response {
    request(address, "POST", target, &[FORM], Some(body))
        .unwrap_or_else(|error| panic!("{target}: {error}"))
}

/// Sends a recording over a connection, without waiting for the answer.
pub fn ask(address: SocketAddr, recording: &[u8], fields: &[(&str, &str)]) -> Connection {
    let body = around(&[MODEL], recording, fields);
    let mut connection = Connection::open(address).unwrap();
    connection
        .send_head("POST", TRANSCRIPTIONS, &[FORM], Some(body.len()))
        .unwrap();
    connection.send(&body).unwrap();
    connection
}

/// A short recording.
pub fn spoken() -> Spoken {
    speech::speak(Script::short(VOICES[1], 91))
}

/// An error as this API has them.
#[track_caller]
pub fn refused(answer: Response, status: u16, kind: &str, what: &str) -> Value {
    let answer = answer.expect(status, what);
    assert_eq!(
        answer.header("content-type"),
        Some("application/json"),
        "{what}"
    );
    let document = answer.json();
    assert_eq!(document.as_object().unwrap().len(), 1, "{what}: {document}");
    let error = &document["error"];
    assert_eq!(error["type"], kind, "{what}: {document}");
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|text| !text.is_empty()),
        "{what}: {document}"
    );
    assert!(
        error.get("param").is_some() && error.get("code").is_some(),
        "{what}: {document}"
    );
    error.clone()
}

/// The events of a stream.
pub fn events(answer: &Response) -> Vec<Value> {
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let text = answer.text();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

/// The deltas together, which must be the text at the end.
#[track_caller]
pub fn streamed(answer: Response) -> String {
    let events = events(&answer.expect(200, "a stream"));
    let (done, deltas) = events.split_last().expect("events");
    assert_eq!(done["type"], "transcript.text.done", "{events:?}");
    let delta = |event: &Value| {
        assert_eq!(event["type"], "transcript.text.delta", "{event}");
        event["delta"].as_str().unwrap().to_owned()
    };
    let text: String = deltas.iter().map(delta).collect();
    assert_eq!(done["text"], text, "{events:?}");
    let usage = &done["usage"];
    assert_eq!(usage["type"], "duration", "{events:?}");
    assert!(usage["seconds"].as_u64().unwrap() > 5, "{events:?}");
    text
}

/// The model may mishear a word in a long recording.
#[track_caller]
pub fn assert_heard(text: &str, spoken: &Spoken) {
    let tally = Tally::of(&spoken.text(), text);
    assert!(tally.percent() <= 5.0, "{tally:?} {text}");
}

/// The ids of the tasks on the first page.
pub fn ids(address: SocketAddr) -> Vec<String> {
    let all = get(address, "/task/all").expect(200, "all tasks").json();
    let tasks = all["tasks"].as_array().unwrap().iter();
    tasks
        .map(|task| task::text_of(task, "identifier").to_owned())
        .collect()
}

/// The only task there is, once there is one.
pub fn only_task(address: SocketAddr) -> String {
    until("there is a task", || ids(address).pop())
}
