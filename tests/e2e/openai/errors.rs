//! Requests to OpenAI's speech API that are refused or fail: each with an error
//! of that API, with a type, a code and the name of the field.

use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::support::{
    MODEL, TRANSCRIPTIONS, TRANSLATIONS, around, ask, field, ids, post, refused, spoken,
};
use crate::fixtures::form::{FORM, NOISE, form};
use crate::fixtures::leftovers::assert_nothing_left;
use crate::fixtures::transcription::{freeze_engine_in, long_recording};
use crate::support::daemon::Daemon;
use crate::support::http::{Connection, request};
use crate::support::tus;
use crate::support::waiting::until;

type Fields<'a> = &'a [(&'a str, &'a str)];

#[test]
fn what_makes_no_sense_is_refused_with_its_name_and_leaves_nothing() {
    let configuration = "[transcribe]\nunknown_model = 'reject'\n[upload]\nmax_size = '1MiB'";
    let daemon = Daemon::start_unready(Daemon::folder_with(configuration), &[]);
    let address = daemon.address();
    let wrong = "invalid_request_error";
    let long = "x".repeat(70 << 10);
    let many: Vec<(String, &str)> = (0..101).map(|n| (format!("f{n}"), "")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (&**name, *value)).collect();
    let cases: [(Fields, u16, Value, &str); 15] = [
        (&[], 400, json!("model"), "no field `model`"),
        (&[("model", "large-v9")], 404, json!("model"), "large-v9"),
        (
            &[("model", "gpt-4o-transcribe")],
            404,
            json!("model"),
            "gpt-4o-transcribe",
        ),
        (
            &[MODEL, ("language", "klingon")],
            400,
            json!("language"),
            "klingon",
        ),
        (
            &[MODEL, ("response_format", "docx")],
            400,
            json!("response_format"),
            "vtt",
        ),
        (
            &[MODEL, ("temperature", "1.1")],
            400,
            json!("temperature"),
            "from 0 to 1",
        ),
        (
            &[MODEL, ("temperature", "hot")],
            400,
            json!("temperature"),
            "from 0 to 1",
        ),
        (
            &[MODEL, ("stream", "maybe")],
            400,
            json!("stream"),
            "true or false",
        ),
        (
            &[MODEL, ("timestamp_granularities[]", "letter")],
            400,
            json!("timestamp_granularities"),
            "segment or word",
        ),
        (
            &[MODEL, ("timestamp_granularities[]", "word")],
            400,
            json!("response_format"),
            "verbose_json",
        ),
        (
            &[
                MODEL,
                ("timestamp_granularities", "segment"),
                ("response_format", "srt"),
            ],
            400,
            json!("response_format"),
            "verbose_json",
        ),
        (
            &[MODEL, ("language", "germn")],
            400,
            json!("language"),
            "did you mean `german` (de)?",
        ),
        (
            &[MODEL, ("prompt", &long)],
            413,
            Value::Null,
            "more than 64 KiB",
        ),
        (&many, 413, Value::Null, "100 fields"),
        (&[("model", "")], 400, json!("model"), "no field `model`"),
    ];
    for (fields, status, param, expected) in cases {
        for body in [around(fields, NOISE, &[]), around(&[], NOISE, fields)] {
            let what = format!("{:.60?}", fields);
            let error = refused(post(address, TRANSCRIPTIONS, &body), status, wrong, &what);
            assert_eq!(error["param"], param, "{what}: {error}");
            let message = error["message"].as_str().unwrap();
            assert!(message.contains(expected), "{what}: {error}");
            let code = if status == 404 {
                json!("model_not_found")
            } else {
                Value::Null
            };
            assert_eq!(error["code"], code, "{what}: {error}");
        }
    }
    let file = |content: &[u8]| around(&[MODEL], content, &[]);
    for (what, body, status, param, expected) in [
        (
            "no file",
            form(&[field(MODEL)]),
            400,
            json!("file"),
            "no field `file`",
        ),
        ("an empty file", file(b""), 400, json!("file"), "empty"),
        (
            "a letter",
            file(b"Dear Sir or Madam"),
            400,
            json!("file"),
            "a text file",
        ),
        (
            "a large file",
            file(&NOISE.repeat(1 << 16)),
            413,
            json!("file"),
            "larger",
        ),
        (
            "a form that is cut behind the file",
            file(NOISE)[..file(NOISE).len() - 4].to_vec(),
            400,
            Value::Null,
            "boundary",
        ),
        ("no form", b"{}".to_vec(), 400, Value::Null, "boundary"),
    ] {
        let error = refused(post(address, TRANSLATIONS, &body), status, wrong, what);
        assert_eq!(error["param"], param, "{what}: {error}");
        assert!(
            error["message"].as_str().unwrap().contains(expected),
            "{what}: {error}"
        );
    }
    let json_type = [("Content-Type", "application/json")];
    let answer = request(address, "POST", TRANSCRIPTIONS, &json_type, Some(b"{}")).unwrap();
    refused(answer, 400, wrong, "JSON");
    assert_nothing_left(&daemon);

    // `whisper-1` is always there, and unknown fields have no effect.
    let fields = [
        MODEL,
        ("include[]", "logprobs"),
        ("chunking_strategy", "{\"type\":\"server_vad\"}"),
        ("known_speaker_names[]", "x"),
    ];
    let body = around(&fields, &spoken().bytes(), &[]);
    post(address, TRANSCRIPTIONS, &body).expect(200, "sound");
}

#[test]
fn a_field_before_the_recording_is_checked_before_that_is_sent() {
    let daemon = Daemon::start();
    let mut connection = Connection::open(daemon.address()).unwrap();
    connection
        .send_head("POST", TRANSCRIPTIONS, &[FORM], Some(1 << 30))
        .unwrap();
    let noise = NOISE.repeat(1000);
    let begun = around(&[("temperature", "9")], &noise, &[]);
    connection.send(&begun[..begun.len() - 100]).unwrap();
    let answer = connection.receive("POST").unwrap();
    refused(answer, 400, "invalid_request_error", "temperature");
    assert_nothing_left(&daemon);
}

#[test]
fn errors_distinguish_the_client_from_the_server() {
    let daemon = Daemon::start();
    let body = around(&[MODEL], NOISE, &[]);
    let answer = post(daemon.address(), TRANSCRIPTIONS, &body);
    let error = refused(
        answer,
        400,
        "invalid_request_error",
        "not a readable recording",
    );
    assert_eq!(error["param"], "file", "{error}");

    let folder = Daemon::folder();
    let script = folder.path().join("engine");
    std::fs::write(&script, "#!/bin/sh\nexit 3\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let daemon = Daemon::start_unready(folder, &["--engine".as_ref(), script.as_ref()]);
    let body = around(&[MODEL], &spoken().bytes(), &[]);
    let answer = post(daemon.address(), TRANSCRIPTIONS, &body);
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    let error = refused(answer, 500, "server_error", "an engine that dies");
    assert!(
        error["message"].as_str().unwrap().contains("engine"),
        "{error}"
    );
}

#[test]
fn a_full_queue_says_when_to_retry() {
    let folder = Daemon::folder_with("[transcribe]\nmax_queue = 1");
    let mut daemon = Daemon::start_unready(folder, &[]);
    daemon.wait_until_ready();
    let address = daemon.address();
    let running = tus::upload(address, "long.wav", &long_recording().bytes());
    let engine = freeze_engine_in(&mut daemon, running.id());
    let short = spoken();
    let mut waiting = ask(address, &short.bytes(), &[]);
    until("it waits", || (ids(address).len() == 2).then_some(()));
    let body = around(&[MODEL], &short.bytes(), &[]);
    let answer = post(address, TRANSCRIPTIONS, &body);
    assert!(answer.number("retry-after").is_some());
    refused(answer, 429, "requests", "a full queue");
    engine.signal(Signal::SIGCONT);
    let answer = waiting.receive("POST").unwrap().expect(200, "the answer");
    assert_eq!(answer.json()["text"], short.text());
}

#[test]
fn what_is_not_there_is_refused_in_the_same_shape() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let wrong = "invalid_request_error";
    for (method, target, status, code) in [
        ("POST", "/v1/chat/completions", 404, json!("unknown_url")),
        ("GET", "/v1", 404, json!("unknown_url")),
        ("GET", "/v1/audio/speech", 404, json!("unknown_url")),
        ("GET", "/v1/models/large-v9", 404, json!("model_not_found")),
        ("GET", TRANSCRIPTIONS, 405, json!("method_not_allowed")),
        (
            "DELETE",
            "/v1/models/demo",
            405,
            json!("method_not_allowed"),
        ),
    ] {
        let answer = request(address, method, target, &[], None).unwrap();
        assert_eq!(answer.header("allow").is_some(), status == 405, "{target}");
        let error = refused(answer, status, wrong, target);
        assert_eq!(error["code"], code, "{target}: {error}");
    }
    let twice = [FORM, FORM];
    let answer = request(address, "POST", TRANSCRIPTIONS, &twice, Some(b"")).unwrap();
    refused(answer, 400, wrong, "a head that can be read in two ways");
}
