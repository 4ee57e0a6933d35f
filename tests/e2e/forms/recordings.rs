//! Recordings that come whole, in a form: `/upload/stream` and `/speech-to-text`.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use serde_json::{Value, json};

use super::support::{SPEECH, STREAM, file, post};
use crate::fixtures::form::{FORM, NOISE, form, part};
use crate::fixtures::leftovers::assert_nothing_left;
use crate::fixtures::proc_status::peak_kib;
use crate::support::daemon::Daemon;
use crate::support::http::{Connection, delete, get, request};
use crate::support::speech::{self, Script, VOICES};
use crate::support::task;
use crate::support::tus::RESUMABLE;

/// Most memory for a recording of any length.
const MEMORY_MAX_KIB: u64 = 40 << 10;

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

    let reply = curl(&["-F", &field, &url(STREAM)]);
    assert_eq!(reply["filename"], "Gr\u{fc}\u{df}e.wav", "{reply}");
    assert_eq!(reply["size_bytes"], spoken.bytes().len(), "{reply}");
    assert_eq!(reply["detected_type"], "audio/x-wav", "{reply}");
    let id = reply["upload_id"].as_str().unwrap();
    assert_eq!(task::text(&task::transcript(address, id)), spoken.text());
    assert!(kept(address, id) == spoken.bytes(), "other bytes");

    let options = "?language=en&model=large-v3&task=transcribe&beam_size=2&best_of=2&patience=1\
         &length_penalty=1&temperatures=0&compression_ratio_threshold=2.4&log_prob_threshold=-1\
         &no_speech_threshold=0.6&initial_prompt=hello+world&suppress_tokens=-1\
         &suppress_numerals=false&vad_onset=0.5&vad_offset=0.363&device=cuda&batch_size=8\
         &min_speakers=1&max_speakers=2&something=else&callback_url=";
    let target = url(&format!("{SPEECH}{options}"));
    // Without Content-Length, as from a pipe.
    let chunked = ["-H", "Transfer-Encoding: chunked"];
    let reply = curl(&[&chunked[..], &["-F", &field, &target]].concat());
    assert_eq!(reply["message"], "Task queued", "{reply}");
    let id = reply["identifier"].as_str().unwrap();
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
        let reply = answer.expect(200, what).json();
        assert_eq!(reply["filename"], json!(name), "{what}");
        assert_eq!(reply["size_bytes"], NOISE.len(), "{what}");
        assert!(
            kept(address, reply["upload_id"].as_str().unwrap()) == NOISE,
            "{what}"
        );
    }
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
    let reply = connection
        .receive("POST")
        .unwrap()
        .expect(200, "200 MiB")
        .json();
    assert_eq!(reply["size_bytes"], PIECES * piece.len());
    let peak_kib = peak_kib(&daemon);
    assert!(peak_kib < MEMORY_MAX_KIB, "{peak_kib} KiB");
    let id = reply["upload_id"].as_str().unwrap();
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
    let reply = post(address, &target, &file(NOISE))
        .expect(200, "POST")
        .json();
    assert_eq!(reply["identifier"], wanted);
    let path = format!("/uploads/files/{wanted}");
    let head = request(address, "HEAD", &path, &[RESUMABLE], None).unwrap();
    assert_eq!(
        head.expect(200, "HEAD").number("upload-offset"),
        Some(NOISE.len() as u64)
    );
    task::ended(address, wanted);
    delete(address, &format!("/task/{wanted}")).expect(200, "DELETE");
    assert_nothing_left(&daemon);
}
