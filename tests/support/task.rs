//! Asking the daemon about tasks.

use std::net::SocketAddr;

use serde_json::Value;

use crate::support::http::get;
use crate::support::waiting::until;

/// A stretch of a transcript.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// Seconds from the start of the recording.
    pub start_s: f64,
    /// Seconds from the start of the recording.
    pub end_s: f64,
    /// What was heard.
    pub text: String,
}

/// `GET /task/{id}` as it is now.
#[track_caller]
pub fn look(address: SocketAddr, id: &str) -> Value {
    get(address, &format!("/task/{id}"))
        .expect(200, "GET /task")
        .json()
}

/// A text member of a task, empty if it is null.
#[track_caller]
pub fn text_of<'a>(task: &'a Value, member: &str) -> &'a str {
    match &task[member] {
        Value::Null => "",
        value => value.as_str().expect("text"),
    }
}

/// The task once it is completed or failed.
pub fn ended(address: SocketAddr, id: &str) -> Value {
    until(&format!("task {id} ends"), || {
        let task = look(address, id);
        matches!(text_of(&task, "status"), "completed" | "failed").then_some(task)
    })
}

/// The transcript of a task, which must complete.
#[track_caller]
pub fn transcript(address: SocketAddr, id: &str) -> Vec<Segment> {
    let task = ended(address, id);
    assert_eq!(task["status"], "completed", "{task}");
    assert_eq!(text_of(&task, "error"), "", "{task}");
    let segments = segments(&task["result"]);
    assert_in_order(&segments);
    segments
}

/// The error of a task, which must fail.
#[track_caller]
pub fn failure(address: SocketAddr, id: &str) -> String {
    let task = ended(address, id);
    assert_eq!(task["status"], "failed", "{task}");
    assert!(task["result"].is_null(), "{task}");
    let error = text_of(&task, "error");
    assert!(!error.is_empty(), "{task}");
    error.to_owned()
}

/// `GET /tasks/{id}/progress`.
#[track_caller]
pub fn progress(address: SocketAddr, id: &str) -> Value {
    let path = format!("/tasks/{id}/progress");
    get(address, &path).expect(200, "progress").json()
}

/// How many tasks there are, once a start has found all of them (503).
#[track_caller]
pub fn count(address: SocketAddr) -> u64 {
    let all = until("all tasks are found", || {
        let response = get(address, "/task/all");
        (response.status != 503).then(|| response.expect(200, "all tasks").json())
    });
    assert_eq!(
        all["tasks"].as_array().map(|tasks| tasks.len() as u64),
        all["total"].as_u64(),
        "{all}"
    );
    all["total"].as_u64().expect("a total")
}

/// The ids of all tasks, over all pages, newest first.
pub fn all_ids(address: SocketAddr) -> Vec<String> {
    let mut ids = Vec::new();
    for page in 1.. {
        let path = format!("/task/all?page={page}&page_size=200");
        let all = until("the list is there", || {
            let answer = get(address, &path);
            (answer.status != 503).then(|| answer.expect(200, "all tasks").json())
        });
        let tasks = all["tasks"].as_array().expect("tasks");
        let id = |task: &Value| text_of(task, "identifier").to_owned();
        ids.extend(tasks.iter().map(id));
        if tasks.is_empty() {
            assert_eq!(all["total"], ids.len(), "the total of page {page}");
            break;
        }
    }
    ids
}

/// The segments of a result.
#[track_caller]
pub fn segments(result: &Value) -> Vec<Segment> {
    let segments = result["segments"].as_array().expect("segments");
    let segment = |segment: &Value| Segment {
        start_s: segment["start"].as_f64().expect("a start"),
        end_s: segment["end"].as_f64().expect("an end"),
        text: segment["text"].as_str().expect("a text").to_owned(),
    };
    segments.iter().map(segment).collect()
}

/// All that was heard, in one line.
pub fn text(segments: &[Segment]) -> String {
    let texts: Vec<&str> = segments.iter().map(|segment| &*segment.text).collect();
    texts.join(" ")
}

/// Fails unless every segment begins after the one before it.
#[track_caller]
fn assert_in_order(segments: &[Segment]) {
    for segment in segments {
        assert!(segment.start_s >= 0.0, "{segment:?}");
        assert!(segment.end_s >= segment.start_s, "{segment:?}");
        assert!(!segment.text.trim().is_empty(), "{segment:?}");
    }
    for pair in segments.windows(2) {
        assert!(pair[0].start_s < pair[1].start_s, "{pair:?}");
    }
}
