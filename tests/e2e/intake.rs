//! Recordings that come whole, in a form: `/upload/stream` and `/speech-to-text`.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::daemon::Daemon;
use crate::honest::peak_kib;
use crate::http::{Connection, Cut, Response, get, request};
use crate::speech::{self, Script, VOICES};
use crate::task;
use crate::tus::{RESUMABLE, Upload};
use crate::waiting::until;

const STREAM: &str = "/upload/stream";
const SPEECH: &str = "/speech-to-text";

/// What the forms made here are taken apart by.
pub const FORM: (&str, &str) = ("Content-Type", "multipart/form-data; boundary=XX");

/// Most memory for a recording of any length.
const MEMORY_MAX_KIB: u64 = 40 << 10;

/// Begins like a recording, and is none.
pub const NOISE: &[u8] = b"\xff\xfb\x90\x00 noise \r\n--X \r\n";

/// One part of a form.
pub fn part(disposition: &str, content: &[u8]) -> Vec<u8> {
    let head = format!("--XX\r\nContent-Disposition: form-data{disposition}\r\n\r\n");
    [head.as_bytes(), content, b"\r\n"].concat()
}

/// A form of these parts.
pub fn form(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat(), b"--XX--\r\n".to_vec()].concat()
}

/// A form that brings nothing but this file.
fn file(content: &[u8]) -> Vec<u8> {
    form(&[part("; name=\"file\"; filename=\"a.mp3\"", content)])
}

fn post(address: SocketAddr, target: &str, body: &[u8]) -> Response {
    request(address, "POST", target, &[FORM], Some(body))
        .unwrap_or_else(|error| panic!("{target}: {error}"))
}

/// `curl`, as a user types it; what it prints.
fn curl(arguments: &[&str]) -> Value {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "120"])
        .args(arguments)
        .output()
        .expect("curl is installed");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// The bytes of a recording, as they can be had again.
fn kept(address: SocketAddr, id: &str) -> Vec<u8> {
    let target = format!("/uploads/files/{id}");
    get(address, &target).expect(200, "the recording").body
}

/// How many folders of uploads there are, finished ones or not.
pub fn folders(state_dir: &Path) -> usize {
    let count = |name| fs::read_dir(state_dir.join(name)).unwrap().count();
    ["creating", "uploads", "removing", "damaged"]
        .map(count)
        .iter()
        .sum()
}

#[track_caller]
pub fn assert_nothing_left(daemon: &Daemon) {
    until("nothing is left", || {
        (folders(&daemon.state_dir()) == 0).then_some(())
    });
    assert_eq!(task::count(daemon.address()), 0);
}

#[test]
fn curl_sends_a_form_and_gets_the_transcript() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let spoken = speech::speak(Script::short(VOICES[1], 77));
    let field = format!(
        "file=@{};filename=Gr\u{fc}\u{df}e.wav",
        spoken.file.display()
    );
    let url = |target: &str| format!("http://{address}{target}");

    let told = curl(&["-F", &field, &url(STREAM)]);
    assert_eq!(told["filename"], "Gr\u{fc}\u{df}e.wav", "{told}");
    assert_eq!(told["size_bytes"], spoken.bytes().len(), "{told}");
    assert_eq!(told["detected_type"], "audio/x-wav", "{told}");
    let id = told["upload_id"].as_str().unwrap();
    assert_eq!(task::text(&task::transcript(address, id)), spoken.text());
    assert!(kept(address, id) == spoken.bytes(), "other bytes");

    let wishes = "?language=en&model=large-v3&task=transcribe&beam_size=2&best_of=2&patience=1\
         &length_penalty=1&temperatures=0&compression_ratio_threshold=2.4&log_prob_threshold=-1\
         &no_speech_threshold=0.6&initial_prompt=hello+world&suppress_tokens=-1\
         &suppress_numerals=false&vad_onset=0.5&vad_offset=0.363&device=cuda&batch_size=8\
         &min_speakers=1&max_speakers=2&something=else&callback_url=";
    let target = url(&format!("{SPEECH}{wishes}"));
    // Without Content-Length, as from a pipe.
    let chunked = ["-H", "Transfer-Encoding: chunked"];
    let told = curl(&[&chunked[..], &["-F", &field, &target]].concat());
    assert_eq!(told["message"], "Task queued", "{told}");
    let id = told["identifier"].as_str().unwrap();
    assert_eq!(task::text(&task::transcript(address, id)), spoken.text());
    let params = &task::look(address, id)["metadata"]["task_params"];
    let expected = json!({
        "language": "en", "model": "large-v3", "task": "transcribe", "beam_size": 2,
        "best_of": 2, "patience": 1.0, "length_penalty": 1.0, "temperatures": 0.0,
        "compression_ratio_threshold": 2.4, "log_prob_threshold": -1.0,
        "no_speech_threshold": 0.6, "initial_prompt": "hello world", "suppress_tokens": [-1],
        "suppress_numerals": false, "vad_onset": 0.5, "vad_offset": 0.363, "min_speakers": 1,
        "max_speakers": 2,
    });
    assert_eq!(params, &expected);
}

#[test]
fn forms_are_read_as_clients_write_them() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let mine = |disposition: &str| part(disposition, NOISE);
    let other = |name: &str| part(&format!("; name={name}"), b"of no interest");
    let plain = mine("; name=\"file\"; filename=\"a.mp3\"");
    let whole = form(std::slice::from_ref(&plain));
    let quoted = (
        "Content-Type",
        "Multipart/Form-Data; boundary=\"XX\"; charset=utf-8",
    );
    let typed = [b"--XX\r\nCONTENT-TYPE: audio/mpeg\r\nx: y\r\ncontent-disposition:form-data;name=file\r\n\r\n", NOISE, b"\r\n"].concat();
    for (what, header, body, name) in [
        ("alone", FORM, whole.clone(), Some("a.mp3")),
        ("quoted", quoted, whole.clone(), Some("a.mp3")),
        (
            "first",
            FORM,
            form(&[plain.clone(), other("url"), mine("; name=\"file\"")]),
            Some("a.mp3"),
        ),
        (
            "last",
            FORM,
            form(&[
                other("\"files\""),
                other("x"),
                mine("; name=file; filename=b.mp3"),
            ]),
            Some("b.mp3"),
        ),
        ("no filename", FORM, form(&[mine("; name=\"file\"")]), None),
        ("other fields", FORM, form(&[typed]), None),
        (
            "a path",
            FORM,
            form(&[mine("; filename=\"../../etc/c.mp3\"; name=\"file\"")]),
            Some("c.mp3"),
        ),
        (
            "RFC 8187",
            FORM,
            form(&[mine(
                "; name=\"file\"; filename*=utf-8''gr%C3%B6%C3%9Fe.mp3",
            )]),
            Some("gr\u{f6}\u{df}e.mp3"),
        ),
        (
            "a preamble",
            FORM,
            [b"This is a form.\r\n".to_vec(), whole.clone()].concat(),
            Some("a.mp3"),
        ),
        (
            "an epilogue",
            FORM,
            [whole.clone(), b"That was a form.".to_vec()].concat(),
            Some("a.mp3"),
        ),
        (
            "cut behind the recording",
            FORM,
            [plain.clone(), b"--XX".to_vec()].concat(),
            Some("a.mp3"),
        ),
    ] {
        let answer = request(address, "POST", STREAM, &[header], Some(&body)).unwrap();
        let told = answer.expect(200, what).json();
        assert_eq!(told["filename"], json!(name), "{what}");
        assert_eq!(told["size_bytes"], NOISE.len(), "{what}");
        assert!(
            kept(address, told["upload_id"].as_str().unwrap()) == NOISE,
            "{what}"
        );
    }
}

#[test]
fn what_is_no_form_or_no_recording_is_refused_and_leaves_nothing() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let other = ("Content-Type", "application/x-www-form-urlencoded");
    let multipart = |boundary: &str| format!("multipart/form-data; boundary={boundary}");
    let long = multipart(&"X".repeat(71));
    let sound = file(NOISE);
    let named = |content: &[u8]| form(&[part("; name=\"file\"", content)]);
    let headers = |count: usize, bytes: usize| {
        let more = format!("x: {}\r\n", "y".repeat(bytes)).repeat(count);
        let head = format!("--XX\r\n{more}Content-Disposition: form-data; name=file\r\n\r\n");
        [head.as_bytes(), NOISE, b"\r\n--XX--\r\n"].concat()
    };
    let beside = part("; name=x", &[b'x'; 1 << 20]);
    for (what, header, body, status, told) in [
        (
            "no form",
            other,
            b"file=x".to_vec(),
            415,
            "multipart/form-data",
        ),
        (
            "another multipart",
            ("Content-Type", "multipart/mixed; boundary=XX"),
            sound.clone(),
            415,
            "multipart/form-data",
        ),
        (
            "no type",
            ("X", "y"),
            sound.clone(),
            415,
            "multipart/form-data",
        ),
        (
            "no boundary",
            ("Content-Type", "multipart/form-data"),
            sound.clone(),
            400,
            "boundary",
        ),
        (
            "an empty boundary",
            ("Content-Type", &multipart("\"\"")),
            sound.clone(),
            400,
            "boundary",
        ),
        (
            "a long boundary",
            ("Content-Type", &long),
            sound.clone(),
            400,
            "boundary",
        ),
        (
            "another boundary",
            ("Content-Type", &multipart("YY")),
            sound.clone(),
            400,
            "boundary",
        ),
        ("no body", FORM, Vec::new(), 400, "boundary"),
        (
            "no parts",
            FORM,
            b"--XX--\r\n".to_vec(),
            422,
            "no field `file`",
        ),
        (
            "other fields",
            FORM,
            form(&[part("; name=\"fil\"", NOISE)]),
            422,
            "no field `file`",
        ),
        (
            "no disposition",
            FORM,
            b"--XX\r\na: b\r\n\r\nx\r\n--XX--\r\n".to_vec(),
            422,
            "no field `file`",
        ),
        (
            "a head that does not end",
            FORM,
            b"--XX\r\nContent-Disposition: x".to_vec(),
            400,
            "boundary",
        ),
        (
            "a head that is none",
            FORM,
            b"--XX\r\n\xff\xfe:\r\n\r\nx\r\n--XX--".to_vec(),
            400,
            "boundary",
        ),
        ("many heads", FORM, headers(40, 1), 400, "boundary"),
        (
            "a long head",
            FORM,
            headers(1, 1 << 20),
            413,
            "before the recording",
        ),
        (
            "a long preamble",
            FORM,
            [vec![b'-'; 1 << 20], sound.clone()].concat(),
            413,
            "before the recording",
        ),
        (
            "a long field before",
            FORM,
            form(&[beside, part("; name=file", NOISE)]),
            413,
            "before the recording",
        ),
        (
            "an end in the middle",
            FORM,
            sound[..sound.len() - 12].to_vec(),
            400,
            "to its end",
        ),
        ("an empty file", FORM, named(b""), 422, "empty"),
        (
            "a letter",
            FORM,
            named(b"Dear Sir or Madam"),
            415,
            "a text file, not a recording; accepted are mp3",
        ),
        (
            "a picture",
            FORM,
            named(b"\x89PNG\r\n\x1a\n...."),
            415,
            "image/png",
        ),
    ] {
        for target in [STREAM, SPEECH] {
            let answer = request(address, "POST", target, &[header], Some(&body));
            let answer = answer.unwrap().expect(status, what).json();
            let detail = answer["detail"].as_str().unwrap();
            assert!(detail.contains(told), "{what}: {detail}");
            assert_eq!(answer["error"]["message"], detail, "{what}");
            assert!(answer["error"]["code"].is_string(), "{what}");
        }
    }
    for target in [STREAM, SPEECH] {
        let answer = get(address, target).expect(405, target);
        assert_eq!(answer.header("allow"), Some("POST"));
    }
    assert_nothing_left(&daemon);
}

#[test]
fn wishes_that_make_no_sense_are_refused_before_the_recording_is_wanted() {
    let daemon = Daemon::start_unready(
        Daemon::folder_with("[transcribe]\nunknown_model = 'reject'"),
        &[],
    );
    let address = daemon.address();
    let body = file(NOISE);
    for (query, status, told) in [
        ("language=klingon", 422, "klingon"),
        ("model=large-v9", 422, "large-v9"),
        (
            "task=summarize",
            422,
            "task must be transcribe or translate",
        ),
        ("beam_size=0", 422, "beam_size must be a number from 1 to 8"),
        (
            "temperatures=hot",
            422,
            "temperatures must be a number from 0 to 1",
        ),
        ("no_speech_threshold=1.1", 422, "no_speech_threshold"),
        ("suppress_tokens=a", 422, "suppress_tokens"),
        ("initial_prompt=%00", 422, "initial_prompt"),
        ("vad_onset=-1", 422, "vad_onset"),
        (
            "callback_url=http%3A%2F%2Fexample",
            400,
            "callbacks.allow is empty",
        ),
    ] {
        let mut connection = Connection::open(address).unwrap();
        let headers = [FORM, ("Expect", "100-continue")];
        let target = format!("{SPEECH}?{query}");
        connection
            .send_head("POST", &target, &headers, Some(body.len()))
            .unwrap();
        let answer = connection.receive_any("POST").unwrap();
        let detail = answer.expect(status, query).json()["detail"].clone();
        assert!(detail.as_str().unwrap().contains(told), "{query}: {detail}");
    }
    assert_nothing_left(&daemon);

    let mut connection = Connection::open(address).unwrap();
    let headers = [FORM, ("Expect", "100-continue")];
    let target = format!("{SPEECH}?model=demo&language=auto&threads=many&x=1");
    connection
        .send_head("POST", &target, &headers, Some(body.len()))
        .unwrap();
    let wanted = connection.receive_any("POST").unwrap();
    assert_eq!(wanted.status, 100);
    connection.send(&body).unwrap();
    connection
        .receive("POST")
        .unwrap()
        .expect(200, "a sound one");
}

#[test]
fn a_file_of_a_wrong_kind_is_refused_before_its_end_was_sent() {
    let daemon = Daemon::start();
    let mut connection = Connection::open(daemon.address()).unwrap();
    connection
        .send_head("POST", SPEECH, &[FORM], Some(1 << 30))
        .unwrap();
    let begun = part("; name=\"file\"; filename=\"a.mp3\"", &[b'x'; 16 << 10]);
    connection.send(&begun).unwrap();
    let answer = connection.receive("POST").unwrap();
    answer.expect(415, "the first bytes of a letter");
    assert_nothing_left(&daemon);
}

#[test]
fn a_recording_that_is_too_large_or_one_too_many_is_refused() {
    let configuration = "[upload]\nmax_size = '1MiB'\nmax_unfinished = 1";
    let daemon = Daemon::start_unready(Daemon::folder_with(configuration), &[]);
    let address = daemon.address();
    let of = |bytes: usize| file(&NOISE.repeat(bytes / NOISE.len() + 1)[..bytes]);
    post(address, STREAM, &of((1 << 20) + 1)).expect(413, "more than max_size");
    let mut connection = Connection::open(address).unwrap();
    connection
        .send_head("POST", STREAM, &[FORM], Some(2 << 20))
        .unwrap();
    let early = connection.receive("POST").unwrap();
    early.expect(413, "by its Content-Length");
    let chunked = [FORM, ("Transfer-Encoding", "chunked")];
    let mut connection = Connection::open(address).unwrap();
    connection
        .send_head("POST", STREAM, &chunked, None)
        .unwrap();
    let body = of(3 << 20);
    // It may say no before all of it is there.
    let _ = connection.send(format!("{:x}\r\n", body.len()).as_bytes());
    let _ = connection.send(&body);
    connection
        .receive("POST")
        .unwrap()
        .expect(413, "by what came");
    assert_nothing_left(&daemon);

    let unfinished = Upload::create(address, 10, &[]);
    let refused = post(address, STREAM, &of(100)).expect(503, "one too many");
    assert!(refused.number("retry-after").is_some());
    assert_eq!(folders(&daemon.state_dir()), 1);
    unfinished.terminate().expect(204, "DELETE");
    post(address, STREAM, &of(1 << 20)).expect(200, "as much as max_size");

    let full = Daemon::folder_with("[upload]\nreserve_free = '1000TiB'");
    let daemon = Daemon::start_unready(full, &[]);
    let mut connection = Connection::open(daemon.address()).unwrap();
    connection
        .send_head("POST", STREAM, &[FORM], Some(1000))
        .unwrap();
    let early = connection.receive("POST").unwrap();
    early.expect(507, "by its Content-Length");
    assert_nothing_left(&daemon);
}

/// Announces a large recording and sends some of it.
fn begun(daemon: &Daemon) -> Connection {
    let mut connection = Connection::open(daemon.address()).unwrap();
    let announced = Some(300 << 20);
    connection
        .send_head("POST", SPEECH, &[FORM], announced)
        .unwrap();
    let content = NOISE.repeat(400_000);
    let body = part("; name=\"file\"; filename=\"a.mp3\"", &content);
    connection.send(&body).unwrap();
    connection
}

fn being_taken_in(daemon: &Daemon) -> Connection {
    let connection = begun(daemon);
    until("it is being taken in", || {
        (folders(&daemon.state_dir()) == 1).then_some(())
    });
    connection
}

#[test]
fn nothing_is_left_of_a_recording_that_does_not_come_to_its_end() {
    let mut daemon = Daemon::start();
    for how in [Cut::Close, Cut::Reset] {
        being_taken_in(&daemon).cut(how);
        assert_nothing_left(&daemon);
    }
    let running = being_taken_in(&daemon);
    assert!(daemon.terminate().success());
    daemon.start_again();
    drop(running);
    assert_nothing_left(&daemon);
    let running = being_taken_in(&daemon);
    daemon.kill9();
    assert_eq!(folders(&daemon.state_dir()), 1);
    daemon.start_again();
    drop(running);
    assert_nothing_left(&daemon);
    // Nor does it count as unfinished.
    post(daemon.address(), STREAM, &file(NOISE)).expect(200, "the next one");
}

#[test]
fn a_recording_that_stops_coming_is_answered_and_nothing_is_left() {
    let daemon = Daemon::start_unready(Daemon::folder_with("[http]\nidle_timeout = '2s'"), &[]);
    let answer = begun(&daemon).receive("POST").unwrap();
    answer.expect(400, "a body that stops coming");
    assert_nothing_left(&daemon);
    // Before there is anything to look at.
    let mut connection = Connection::open(daemon.address()).unwrap();
    connection
        .send_head("POST", SPEECH, &[FORM], Some(1000))
        .unwrap();
    connection.send(b"--XX\r\n").unwrap();
    connection
        .receive("POST")
        .unwrap()
        .expect(408, "a form that does not begin");
    assert_nothing_left(&daemon);
}

#[test]
fn a_large_recording_takes_no_memory() {
    const PIECES: usize = 200;
    let daemon = Daemon::start();
    let head = b"--XX\r\nContent-Disposition: form-data; name=file\r\n\r\n";
    let tail = b"\r\n--XX--\r\n";
    let piece = NOISE.repeat((1 << 20) / NOISE.len());
    let mut connection = Connection::open(daemon.address()).unwrap();
    let length = head.len() + PIECES * piece.len() + tail.len();
    connection
        .send_head("POST", STREAM, &[FORM], Some(length))
        .unwrap();
    connection.send(head).unwrap();
    for _ in 0..PIECES {
        connection.send(&piece).unwrap();
    }
    connection.send(tail).unwrap();
    let told = connection
        .receive("POST")
        .unwrap()
        .expect(200, "200 MiB")
        .json();
    assert_eq!(told["size_bytes"], PIECES * piece.len());
    let peak_kib = peak_kib(&daemon);
    assert!(peak_kib < MEMORY_MAX_KIB, "{peak_kib} KiB");
    let id = told["upload_id"].as_str().unwrap();
    let folder = daemon.state_dir().join("uploads").join(id);
    let kept = fs::read(folder.join("data")).unwrap();
    assert!(
        kept.chunks(piece.len()).all(|kept| kept == piece),
        "other bytes"
    );
}

#[test]
fn a_recording_in_a_form_cannot_be_gone_on_with_but_is_an_upload_like_any_other() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let wanted = "0aa4c0bc-7a25-4c1e-9c53-28ac0b2b5f57";
    let target = format!("{SPEECH}?taskId={wanted}");
    let told = post(address, &target, &file(NOISE))
        .expect(200, "POST")
        .json();
    assert_eq!(told["identifier"], wanted);
    let path = format!("/uploads/files/{wanted}");
    let head = request(address, "HEAD", &path, &[RESUMABLE], None).unwrap();
    assert_eq!(
        head.expect(200, "HEAD").number("upload-offset"),
        Some(NOISE.len() as u64)
    );
    task::ended(address, wanted);
    crate::http::delete(address, &format!("/task/{wanted}")).expect(200, "DELETE");
    assert_nothing_left(&daemon);
}
