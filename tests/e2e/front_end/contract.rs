//! What the front end of the system before this one reads, field by field:
//! it must find all of it, under these names, in every state. Further
//! fields of scribed are named here, too.

use std::fs;
use std::net::SocketAddr;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixtures::json_shape;
use crate::fixtures::listener::{Listener, WAYS};
use crate::fixtures::transcription::{freeze_engine_in, long_recording};
use crate::support::daemon::Daemon;
use crate::support::http::{self, Response, get, request};
use crate::support::speech::{self, Script, VOICES};
use crate::support::task;
use crate::support::tus::{self, Upload};
use crate::support::waiting::until;

const TASK: &str = "status:string result:object|null metadata:object error:string|null";
/// The last five are ours.
const METADATA: &str = "task_type:string task_params:object language:string|null \
    file_name:string|null url:string|null callback_url:string|null duration:number|null \
    audio_duration:number|null start_time:string|null end_time:string|null \
    callback:object|null model:string|null format:string|null audio:object|null warning:string|null";
const RESULT: &str = "segments:array language:string word_segments?:array";
const SEGMENT: &str = "start:number end:number text:string speaker?:string words?:array";
const LIST: &str = "tasks:array total:number page:number page_size:number";
const ROW: &str = "identifier:string status:string task_type:string file_name:string|null \
    url:string|null audio_duration:number|null language:string|null error:string|null \
    duration:number|null start_time:string|null end_time:string|null";
const PROGRESS: &str = "identifier:string status:string progress_percentage:number \
    progress_stage:string stage:string percentage:number message:string error:string|null \
    queue_position?:number estimated_wait_s?:number|null";
const ERROR: &str = "error:object detail:string";
const ERROR_INSIDE: &str = "message:string code:string correlation_id:string";

const UNKNOWN: &str = "11111111-1111-4111-8111-111111111111";

fn spoken() -> Vec<u8> {
    speech::speak(Script::short(VOICES[0], 1)).bytes()
}

/// A task in three places, which must agree.
#[track_caller]
fn expect_task(address: SocketAddr, id: &str, status: &str, stage: &str) -> Value {
    let task = task::look(address, id);
    json_shape::expect(&task, TASK);
    let metadata = &task["metadata"];
    json_shape::expect(metadata, METADATA);
    assert_eq!(metadata["task_type"], "full_process", "{task}");

    let list = get(address, &format!("/task/all?status={status}")).json();
    json_shape::expect(&list, LIST);
    let rows = list["tasks"].as_array().unwrap();
    let row = rows.iter().find(|row| row["identifier"] == id);
    let row = row.unwrap_or_else(|| panic!("{id} is not {status}: {list}"));
    json_shape::expect(row, ROW);
    for name in ["status", "error"] {
        assert_eq!(row[name], task[name], "{row} {task}");
    }
    for name in "task_type file_name url audio_duration language duration start_time end_time"
        .split_whitespace()
    {
        assert_eq!(row[name], metadata[name], "{name}: {row} {task}");
    }

    let progress = task::progress(address, id);
    json_shape::expect(&progress, PROGRESS);
    for (name, expected) in [
        ("identifier", &json!(id)),
        ("status", &json!(status)),
        ("stage", &json!(stage)),
        ("progress_stage", &json!(stage)),
        ("progress_percentage", &progress["percentage"]),
        ("error", &task["error"]),
    ] {
        assert_eq!(&progress[name], expected, "{progress}");
    }
    task
}

#[test]
fn a_task_has_the_same_fields_in_every_state() {
    let mut daemon = Daemon::start();
    let address = daemon.address();
    let long = tus::upload(address, "long.wav", &long_recording().bytes());
    let engine = freeze_engine_in(&mut daemon, long.id());
    let done = tus::upload(address, "Meeting.wav", &spoken());
    let failed = tus::upload(address, "a.txt", b"this is no recording at all");

    let queued = expect_task(address, done.id(), "queued", "queued");
    assert!(queued["result"].is_null() && queued["error"].is_null());
    for name in ["start_time", "end_time", "audio_duration", "duration"] {
        assert!(queued["metadata"][name].is_null(), "{name}: {queued}");
    }
    let running = expect_task(address, long.id(), "processing", "transcribing");
    assert!(running["result"].is_null(), "{running}");
    assert!(running["metadata"]["start_time"].is_string(), "{running}");
    http::delete(address, &format!("/task/{}", long.id())).expect(200, "DELETE");
    engine.signal(Signal::SIGCONT);

    task::transcript(address, done.id());
    let completed = expect_task(address, done.id(), "completed", "complete");
    let result = &completed["result"];
    json_shape::expect(result, RESULT);
    assert_eq!(result["language"], "en", "{completed}");
    for segment in result["segments"].as_array().unwrap() {
        json_shape::expect(segment, SEGMENT);
    }
    let metadata = &completed["metadata"];
    assert_eq!(metadata["file_name"], "Meeting.wav", "{completed}");
    for name in ["start_time", "end_time"] {
        let time = metadata[name].as_str().unwrap();
        assert!(time.contains('T') && time.ends_with('Z'), "{time}");
    }
    for name in ["audio_duration", "duration"] {
        assert!(metadata[name].as_f64().unwrap() > 0.0, "{name}: {metadata}");
    }

    task::failure(address, failed.id());
    let failed = expect_task(address, failed.id(), "failed", "complete");
    assert!(failed["result"].is_null() && failed["error"].is_string());
}

#[test]
fn an_upload_has_progress_before_it_is_a_task() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let id = Uuid::new_v4().to_string();
    expect_error(
        &get(address, &format!("/tasks/{id}/progress")),
        404,
        "TASK_NOT_FOUND",
    );
    let upload = Upload::create(address, 10, &[("taskId", &id)]);
    upload.patch(0, b"12345").unwrap().expect(204, "half");
    let progress = task::progress(address, &id);
    json_shape::expect(&progress, PROGRESS);
    let of = ["status", "stage", "percentage"].map(|name| progress[name].clone());
    assert_eq!(of, [json!("queued"), json!("uploading"), json!(50.0)]);
    expect_error(&get(address, &format!("/task/{id}")), 404, "TASK_NOT_FOUND");
    let list = get(address, "/task/all").expect(200, "the list").json();
    assert_eq!(list["total"], 0, "{list}");
}

#[track_caller]
fn expect_error(response: &Response, status: u16, code: &str) {
    assert_eq!(response.status, status, "{}", response.text());
    assert_eq!(
        response.header("content-type"),
        Some("application/json"),
        "{response:?}"
    );
    let body = response.json();
    json_shape::expect(&body, ERROR);
    json_shape::expect(&body["error"], ERROR_INSIDE);
    assert_eq!(body["error"]["code"], code, "{body}");
    assert_eq!(body["error"]["message"], body["detail"], "{body}");
}

#[test]
fn errors_have_one_shape() {
    let daemon = Daemon::start();
    let json = ("Content-Type", "application/json");
    let form = ("Content-Type", "multipart/form-data; boundary=XX");
    let to = |path: &str| path.replace("ID", UNKNOWN);
    let unknown_task = format!("{{\"task_id\":\"{UNKNOWN}\"}}");
    let no_file = "--XX\r\nContent-Disposition: form-data; name=\"url\"\r\n\r\nx\r\n--XX--\r\n";
    for (method, path, header, body, status, code) in [
        ("GET", "/task/ID", json, "", 404, "TASK_NOT_FOUND"),
        ("GET", "/task/no-id", json, "", 404, "TASK_NOT_FOUND"),
        ("DELETE", "/task/ID", json, "", 404, "TASK_NOT_FOUND"),
        ("DELETE", "/task/ID/delete", json, "", 404, "TASK_NOT_FOUND"),
        ("GET", "/tasks/ID/progress", json, "", 404, "TASK_NOT_FOUND"),
        (
            "GET",
            "/task/ID/transcript",
            json,
            "",
            404,
            "TASK_NOT_FOUND",
        ),
        ("POST", "/task/ID/retry", json, "", 404, "TASK_NOT_FOUND"),
        (
            "POST",
            "/api/ws/ticket",
            json,
            &*unknown_task,
            404,
            "TASK_NOT_FOUND",
        ),
        (
            "POST",
            "/api/ws/ticket",
            json,
            "{}",
            422,
            "VALIDATION_ERROR",
        ),
        (
            "GET",
            "/task/all?page_size=201",
            json,
            "",
            422,
            "VALIDATION_ERROR",
        ),
        (
            "GET",
            "/task/all?status=done",
            json,
            "",
            422,
            "VALIDATION_ERROR",
        ),
        (
            "POST",
            "/speech-to-text?task=summarize",
            form,
            no_file,
            422,
            "VALIDATION_ERROR",
        ),
        (
            "POST",
            "/speech-to-text?language=klingon",
            form,
            no_file,
            422,
            "VALIDATION_ERROR",
        ),
        ("GET", "/nothing/here", json, "", 404, "NOT_FOUND"),
        ("POST", "/health", json, "", 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/task/all", json, "", 405, "METHOD_NOT_ALLOWED"),
    ] {
        let body = (!matches!(method, "GET" | "DELETE")).then_some(body.as_bytes());
        let response = request(daemon.address(), method, &to(path), &[header], body);
        println!("{method} {path}");
        expect_error(&response.unwrap(), status, code);
    }
}

#[test]
fn a_fault_of_the_server_is_reported_and_can_be_found_in_its_journal() {
    let daemon = Daemon::start();
    let upload = tus::upload(daemon.address(), "a.wav", &spoken());
    task::transcript(daemon.address(), upload.id());
    let folder = daemon.state_dir().join("uploads").join(upload.id());
    fs::write(folder.join("transcript.jsonl"), "{\n").unwrap();
    let response = get(daemon.address(), &format!("/task/{}", upload.id()));
    expect_error(&response, 500, "INTERNAL_ERROR");
    let body = response.json();
    let id = body["error"]["correlation_id"].as_str().unwrap();
    // The journal is read beside the answer.
    until("the fault in the journal", || {
        daemon.stderr().contains(id).then_some(())
    });
}

#[test]
fn health_has_the_words_that_monitors_know() {
    let daemon = Daemon::start();
    for (path, shape) in [
        ("/health", "status:string message:string"),
        (
            "/health/live",
            "status:string message:string timestamp:string",
        ),
        (
            "/health/ready",
            "status:string message:string model:object|null",
        ),
    ] {
        let health = get(daemon.address(), path).expect(200, path).json();
        json_shape::expect(&health, shape);
        assert_eq!(health["status"], "ok", "{health}");
    }
}

#[test]
fn every_live_message_has_its_fields_and_no_others() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let [id, other] = [1, 2].map(|_| Uuid::new_v4().to_string());
    let mut listeners = WAYS.map(|listen| listen(address, &id, &[]));
    let mut of_other = WAYS.map(|listen| listen(address, &other, &[]));
    let metadata = |id| [("filename", "a.wav"), ("taskId", id)];
    let file = spoken();
    Upload::create(address, file.len(), &metadata(&*id)).finish(&file, file.len());
    Upload::create(address, 5, &metadata(&*other)).finish(b"hello", 5);
    for listener in &mut listeners {
        for message in listener.up_to("complete") {
            match message["type"].as_str().unwrap() {
                "progress" => {
                    json_shape::expect(
                        &message,
                        "type:string task_id:string stage:string percentage:number \
                         message:string timestamp:string \
                         queue_position?:number estimated_wait_s?:number|null",
                    );
                    assert_eq!(message["task_id"], json!(id));
                    let percentage = message["percentage"].as_f64().unwrap();
                    assert!((0.0..=100.0).contains(&percentage), "{message}");
                }
                "segment" => {
                    json_shape::expect(
                        &message,
                        "type:string start:number end:number text:string words?:array",
                    );
                }
                _ => panic!("{message}"),
            }
        }
    }
    for listener in &mut of_other {
        let error = listener.up_to("error").pop().unwrap();
        json_shape::expect(
            &error,
            "type:string task_id:string error_code:string user_message:string \
             technical_detail:string timestamp:string",
        );
        assert_eq!(error["task_id"], json!(other));
    }
    let [mut socket, _] = listeners;
    socket.send(r#"{"type":"ping"}"#).unwrap();
    assert_eq!(socket.news(), json!({"type": "pong"}));
}

#[test]
fn a_ticket_is_good_once_where_no_token_is_needed_too() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let upload = Upload::create(address, 10, &[]);
    let id = upload.id();
    let body = json!({ "task_id": id }).to_string();
    let json = [("Content-Type", "application/json")];
    let path = "/api/ws/ticket";
    let answer = request(address, "POST", path, &json, Some(body.as_bytes())).unwrap();
    let reply = answer.expect(201, "a ticket").json();
    json_shape::expect(&reply, "ticket:string expires_at:string");
    let address_of = format!("{id}?ticket={}", reply["ticket"].as_str().unwrap());
    let mut first = Listener::socket(address, &address_of, &[]);
    assert_eq!(first.news()["stage"], "uploading");
    let mut second = Listener::socket(address, &address_of, &[]);
    assert_eq!(second.close_code(), 1008);
    // As older front ends do.
    let mut without = Listener::socket(address, id, &[]);
    assert_eq!(without.news()["stage"], "uploading");
}
