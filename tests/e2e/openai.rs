//! OpenAI's speech API: what its clients send, and what they get.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};

use crate::access;
use crate::crashes::{assert_said, freeze_engine_in, long_recording};
use crate::daemon::Daemon;
use crate::http::{Connection, Cut, Response, get, request};
use crate::intake::{FORM, NOISE, assert_nothing_left, form, part};
use crate::listener::Listener;
use crate::live::segments;
use crate::nginx::Nginx;
use crate::speech::{self, Script, Spoken, VOICES};
use crate::task;
use crate::tus;
use crate::waiting::until;
use crate::wer::Tally;

const TRANSCRIPTIONS: &str = "/v1/audio/transcriptions";
const TRANSLATIONS: &str = "/v1/audio/translations";

type Fields<'a> = &'a [(&'a str, &'a str)];

const MODEL: (&str, &str) = ("model", "whisper-1");

fn field((name, value): (&str, &str)) -> Vec<u8> {
    part(&format!("; name=\"{name}\""), value.as_bytes())
}

/// A form with these fields before and behind the recording.
fn around(before: &[(&str, &str)], recording: &[u8], behind: &[(&str, &str)]) -> Vec<u8> {
    let mut parts: Vec<Vec<u8>> = before.iter().copied().map(field).collect();
    parts.push(part("; name=\"file\"; filename=\"a.wav\"", recording));
    parts.extend(behind.iter().copied().map(field));
    form(&parts)
}

fn post(address: SocketAddr, target: &str, body: &[u8]) -> Response {
    request(address, "POST", target, &[FORM], Some(body))
        .unwrap_or_else(|error| panic!("{target}: {error}"))
}

/// Sends a recording over a connection, without waiting for the answer.
fn ask(address: SocketAddr, recording: &[u8], fields: &[(&str, &str)]) -> Connection {
    let body = around(&[MODEL], recording, fields);
    let mut connection = Connection::open(address).unwrap();
    connection
        .send_head("POST", TRANSCRIPTIONS, &[FORM], Some(body.len()))
        .unwrap();
    connection.send(&body).unwrap();
    connection
}

fn spoken() -> Spoken {
    speech::speak(Script::short(VOICES[1], 91))
}

/// An error as this API has them.
#[track_caller]
fn refused(answer: Response, status: u16, kind: &str, what: &str) -> Value {
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
fn events(answer: &Response) -> Vec<Value> {
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let text = answer.text();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

/// What the deltas come to, which must be what is told at the end.
#[track_caller]
fn streamed(answer: Response) -> String {
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
fn assert_heard(text: &str, spoken: &Spoken) {
    let tally = Tally::of(&spoken.text(), text);
    assert!(tally.percent() <= 5.0, "{tally:?} {text}");
}

/// The ids of the tasks on the first page.
fn ids(address: SocketAddr) -> Vec<String> {
    let all = get(address, "/task/all").expect(200, "all tasks").json();
    let tasks = all["tasks"].as_array().unwrap().iter();
    tasks
        .map(|task| task::text_of(task, "identifier").to_owned())
        .collect()
}

/// The only task there is, once there is one.
fn only_task(address: SocketAddr) -> String {
    until("there is a task", || ids(address).pop())
}

#[test]
fn every_format_whatever_the_order_of_the_fields() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let spoken = spoken();
    let (recording, text) = (spoken.bytes(), spoken.text());
    let times = ("timestamp_granularities[0]", "word");
    let mut last = String::new();
    for (target, name, format) in [
        (TRANSCRIPTIONS, "json", None),
        (TRANSCRIPTIONS, "json", Some("json")),
        (TRANSCRIPTIONS, "text", Some("text")),
        (TRANSCRIPTIONS, "srt", Some("srt")),
        (TRANSCRIPTIONS, "vtt", Some("vtt")),
        (TRANSCRIPTIONS, "verbose_json", Some("verbose_json")),
        (TRANSLATIONS, "json", None),
        (TRANSLATIONS, "verbose_json", Some("verbose_json")),
    ] {
        let mut fields = vec![MODEL, ("language", "en"), ("temperature", "0.2")];
        fields.extend(format.map(|format| ("response_format", format)));
        fields.extend((name == "verbose_json").then_some(times));
        let bodies = [
            around(&fields, &recording, &[]),
            around(&[], &recording, &fields),
            around(&fields[..2], &recording, &fields[2..]),
        ];
        // Transcribing takes longer than telling: not everything in every order.
        let body = &bodies[last.len() % 3];
        let answer = post(address, target, body).expect(200, name);
        last.push('x');
        let id = answer.header("x-request-id").expect("the task").to_owned();
        let task = task::look(address, &id);
        assert_eq!(
            task["metadata"]["task_params"]["temperatures"], 0.2,
            "{name}"
        );
        assert_eq!(task["metadata"]["task_params"]["language"], "en", "{name}");
        assert_eq!(task["metadata"]["file_name"], "a.wav", "{name}");
        let segments = task::segments(&task["result"]);
        let kept = |format: &str| {
            let target = format!("/task/{id}/transcript?format={format}");
            get(address, &target).expect(200, "the same").text()
        };
        let content_type = answer.header("content-type").unwrap().to_owned();
        match name {
            "json" => {
                let document = answer.json();
                assert_eq!(document["text"], text);
                let usage = document["usage"].clone();
                match target {
                    TRANSLATIONS => assert!(usage.is_null(), "{usage}"),
                    _ => {
                        assert_eq!(usage["type"], "duration");
                        assert!(usage["seconds"].as_u64().unwrap() > 5, "{usage}");
                    }
                }
            }
            "text" => {
                assert_eq!(answer.text(), text.clone() + "\n");
                assert!(content_type.starts_with("text/plain"));
            }
            "srt" | "vtt" => {
                assert_eq!(answer.text(), kept(name));
                assert!(answer.text().contains("-->"));
            }
            _ => {
                let document = answer.json();
                let is_translation = target == TRANSLATIONS;
                let task = if is_translation {
                    "translate"
                } else {
                    "transcribe"
                };
                assert_eq!(document["task"], task);
                assert_eq!(document["language"], "english");
                assert_eq!(document["text"], text);
                let duration = document["duration"].as_f64().unwrap();
                assert!(
                    duration > spoken.phrases.last().unwrap().end_s,
                    "{duration}"
                );
                assert!(document.get("segments").is_none(), "only words were wanted");
                let words = document["words"].as_array().unwrap();
                let said: Vec<&str> = words
                    .iter()
                    .map(|word| word["word"].as_str().unwrap())
                    .collect();
                assert_eq!(said.join(" "), text);
                for word in words {
                    assert!(word["start"].as_f64() <= word["end"].as_f64(), "{word}");
                    assert_eq!(word.as_object().unwrap().len(), 3, "{word}");
                }
            }
        }
        assert_eq!(task::text(&segments), text, "{name}");
    }
}

#[test]
fn verbose_json_has_what_clients_read() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let spoken = spoken();
    let fields = [MODEL, ("response_format", "verbose_json")];
    let answer = post(
        address,
        TRANSCRIPTIONS,
        &around(&[], &spoken.bytes(), &fields),
    );
    let id = answer.header("x-request-id").unwrap().to_owned();
    let document = answer.expect(200, "verbose_json").json();
    assert!(document.get("words").is_none(), "{document}");
    let segments = document["segments"].as_array().unwrap();
    let kept = task::transcript(address, &id);
    assert_eq!(segments.len(), kept.len());
    let mut text = String::new();
    for (number, (segment, kept)) in segments.iter().zip(kept).enumerate() {
        assert_eq!(segment["id"], number, "{segment}");
        assert_eq!(segment["start"].as_f64(), Some(kept.start_s), "{segment}");
        assert_eq!(segment["end"].as_f64(), Some(kept.end_s), "{segment}");
        assert_eq!(
            segment["seek"].as_u64(),
            Some((kept.start_s * 100.0) as u64),
            "{segment}"
        );
        assert_eq!(segment["temperature"].as_f64(), Some(0.0), "{segment}");
        assert!(
            !segment["tokens"].as_array().unwrap().is_empty(),
            "{segment}"
        );
        assert!(segment["avg_logprob"].as_f64().unwrap() < 0.0, "{segment}");
        assert!(
            (0.0..=1.0).contains(&segment["no_speech_prob"].as_f64().unwrap()),
            "{segment}"
        );
        assert!(
            segment["compression_ratio"].as_f64().unwrap() > 0.1,
            "{segment}"
        );
        text += segment["text"].as_str().unwrap();
    }
    assert_eq!(document["text"], text, "the segments are the text");
    assert_eq!(text, spoken.text());
}

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
            "more than 64 KiB come",
        ),
        (&many, 413, Value::Null, "100 fields"),
        (&[("model", "")], 400, json!("model"), "no field `model`"),
    ];
    for (fields, status, param, told) in cases {
        for body in [around(fields, NOISE, &[]), around(&[], NOISE, fields)] {
            let what = format!("{:.60?}", fields);
            let error = refused(post(address, TRANSCRIPTIONS, &body), status, wrong, &what);
            assert_eq!(error["param"], param, "{what}: {error}");
            let message = error["message"].as_str().unwrap();
            assert!(message.contains(told), "{what}: {error}");
            let code = if status == 404 {
                json!("model_not_found")
            } else {
                Value::Null
            };
            assert_eq!(error["code"], code, "{what}: {error}");
        }
    }
    let file = |content: &[u8]| around(&[MODEL], content, &[]);
    for (what, body, status, param, told) in [
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
            error["message"].as_str().unwrap().contains(told),
            "{what}: {error}"
        );
    }
    let json_type = [("Content-Type", "application/json")];
    let answer = request(address, "POST", TRANSCRIPTIONS, &json_type, Some(b"{}")).unwrap();
    refused(answer, 400, wrong, "JSON");
    assert_nothing_left(&daemon);

    // `whisper-1` is always there, and what is only unknown harms nobody.
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
fn a_wish_before_the_recording_is_judged_before_that_was_sent() {
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
fn a_text_is_streamed_as_it_is_found() {
    let mut daemon = Daemon::start();
    let address = daemon.address();
    let spoken = long_recording();
    let mut connection = ask(address, &spoken.bytes(), &[("stream", "true")]);
    let id = only_task(address);
    let engine = freeze_engine_in(&mut daemon, &id);
    engine.signal(Signal::SIGCONT);
    let answer = connection.receive("POST").unwrap();
    assert_eq!(answer.header("x-request-id"), Some(&*id));
    let count = events(&answer).len();
    assert!(count > 5, "{count} events");
    let text = streamed(answer);
    assert_eq!(text, task::text(&task::transcript(address, &id)));
    assert_heard(&text, &spoken);

    // One that is over at once.
    let short = self::spoken();
    let body = around(&[], &short.bytes(), &[("stream", "1"), MODEL]);
    let answer = post(address, TRANSCRIPTIONS, &body);
    assert_eq!(streamed(answer), short.text());
    // And one that is no recording after all.
    let body = around(&[], NOISE, &[("stream", "true"), MODEL]);
    let events = events(&post(address, TRANSCRIPTIONS, &body).expect(200, "a stream"));
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["error"]["param"], "file", "{events:?}");
}

/// As OpenAI's come with whisper-1, which LiteLLM's proxy counts on.
#[test]
fn formats_that_cannot_be_streamed_come_whole() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let spoken = spoken();
    for (format, content_type) in [
        ("verbose_json", "application/json"),
        ("srt", "application/x-subrip"),
        ("vtt", "text/vtt"),
    ] {
        let fields = [MODEL, ("stream", "true"), ("response_format", format)];
        let body = around(&[], &spoken.bytes(), &fields);
        let answer = post(address, TRANSCRIPTIONS, &body).expect(200, format);
        let told = answer.header("content-type").unwrap();
        assert!(told.starts_with(content_type), "{told}");
        match format {
            "verbose_json" => {
                let document = answer.json();
                assert_eq!(document["text"], spoken.text());
                assert_eq!(document["usage"]["type"], "duration", "{document}");
            }
            _ => assert!(answer.text().contains("-->"), "{}", answer.text()),
        }
    }
}

#[test]
fn a_slash_at_the_end_of_an_address_changes_nothing() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let body = around(&[MODEL], &spoken().bytes(), &[]);
    for target in [TRANSCRIPTIONS, TRANSLATIONS] {
        post(address, &format!("{target}/"), &body).expect(200, target);
        refused(
            post(address, &format!("{target}//"), &body),
            404,
            "invalid_request_error",
            "two of them",
        );
    }
    let speech = post(address, "/speech-to-text/", &body).expect(200, "a form");
    let id = speech.json()["identifier"].as_str().unwrap().to_owned();
    for target in [
        "/v1/models/",
        "/v1/models/whisper-1/",
        "/task/all/",
        "/health/",
        "/health/ready/",
        &format!("/tasks/{id}/progress/"),
    ] {
        get(address, target).expect(200, target);
    }
    for target in ["/task/all//", &format!("/task/{id}/")] {
        get(address, target).expect(404, target);
    }
}

#[test]
fn who_is_at_fault_is_told() {
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
fn a_full_queue_says_when_to_come_again() {
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
    refused(answer, 503, "server_error", "a full queue");
    engine.signal(Signal::SIGCONT);
    let answer = waiting.receive("POST").unwrap().expect(200, "the answer");
    assert_eq!(answer.json()["text"], short.text());
}

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
        assert!(error.contains("hung up"), "{error}");
        assert_eq!(task::look(address, &running_id)["status"], "processing");
        running.cut(how);
        let error = task::failure(address, &running_id);
        assert!(error.contains("hung up"), "{error}");
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
            crate::http::delete(address, &format!("/task/{id}")).expect(200, "DELETE");
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
        assert!(error.contains("hung up"), "{error}");
        engine.signal(Signal::SIGCONT);
        crate::http::delete(address, &format!("/task/{id}")).expect(200, "DELETE");
    }
    // At the moment of its last byte.
    ask(address, &recording, &[]).cut(Cut::Close);
    let error = task::failure(address, &only_task(address));
    assert!(error.contains("hung up"), "{error}");
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
        assert!(error.contains("hung up"), "{error}");
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
        crate::http::delete(address, &format!("/task/{id}")).expect(200, "DELETE");
    }
}

#[test]
fn who_waits_is_not_closed_for_saying_nothing() {
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
fn those_who_wait_go_before_those_who_do_not() {
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
    let told = segments(&listener.up_to("complete"));
    assert_eq!(told, task::transcript(address, bulk.id()), "each once");
}

#[test]
fn a_token_is_the_api_key() {
    let daemon = access::daemon("");
    let address = daemon.address();
    let token = access::add(&daemon, &["phone"]);
    access::reload(&daemon);
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
fn who_waits_with_a_token_that_is_removed_is_let_go() {
    let daemon = access::daemon("");
    let address = daemon.address();
    let phone = format!("Bearer {}", access::add(&daemon, &["phone"]));
    let admin = format!("Bearer {}", access::add(&daemon, &["me", "--admin"]));
    access::reload(&daemon);
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
    assert!(access::tokens(&daemon, &["remove", "phone"]).0);
    kill(daemon.pid(), Signal::SIGHUP).unwrap();
    let [mut plain, mut streamed] = waiting;
    let wrong = "invalid_request_error";
    refused(
        plain.receive("POST").unwrap(),
        401,
        wrong,
        "a removed token",
    );
    let told = events(&streamed.receive("POST").unwrap());
    let error = &told.last().unwrap()["error"];
    assert_eq!(error["code"], "invalid_api_key", "{told:?}");
    until("both are cancelled", || {
        let tasks = list();
        let mut tasks = tasks.as_array().unwrap().iter();
        let is_cancelled = |task: &Value| task::text_of(task, "error").contains("was removed");
        tasks.all(is_cancelled).then_some(())
    });
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

#[test]
fn models_are_listed() {
    let folder = Daemon::folder();
    let daemon = Daemon::start_unready(folder, &[]);
    let address = daemon.address();
    let ids = || -> Vec<String> {
        let list = get(address, "/v1/models").expect(200, "models").json();
        assert_eq!(list["object"], "list", "{list}");
        let models = list["data"].as_array().unwrap();
        let id = |model: &Value| {
            assert_eq!(model["object"], "model", "{model}");
            assert_eq!(model["owned_by"], "scribed", "{model}");
            assert!(
                model["created"].as_u64().unwrap() > 1_600_000_000,
                "{model}"
            );
            model["id"].as_str().unwrap().to_owned()
        };
        models.iter().map(id).collect()
    };
    assert_eq!(ids(), ["whisper-1", "demo"]);
    let models = daemon.state_dir().with_file_name("models");
    std::fs::write(models.join("ggml-large-v3.bin"), "").unwrap();
    assert_eq!(ids(), ["whisper-1", "large-v3"]);
    for id in ["whisper-1", "demo", "large-v3", "large%2Dv3"] {
        let one = get(address, &format!("/v1/models/{id}"))
            .expect(200, id)
            .json();
        assert_eq!(one["object"], "model", "{one}");
    }
}
