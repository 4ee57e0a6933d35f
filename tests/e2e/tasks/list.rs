//! Tasks over HTTP: their list, their transcripts, their end.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::json;

use crate::fixtures::encodings::{self, encode};
use crate::support::daemon::Daemon;
use crate::support::http::{self, Response, get};
use crate::support::speech::{self, Script, VOICES};
use crate::support::task;
use crate::support::tus::{self, Upload};
use crate::support::waiting::until;

const UNKNOWN: &str = "11111111-1111-4111-8111-111111111111";

/// A small recording, transcribed; the id of its task.
fn transcribed(address: SocketAddr, name: &str) -> String {
    let spoken = speech::speak(Script::short(VOICES[0], 1));
    let upload = tus::upload(address, name, &spoken.bytes());
    task::transcript(address, upload.id());
    upload.id().to_owned()
}

/// A file that is no recording; the id of its failed task.
fn failed(address: SocketAddr, name: &str) -> String {
    let upload = tus::upload(address, name, b"this is no recording at all");
    task::failure(address, upload.id());
    upload.id().to_owned()
}

#[test]
fn the_list_can_be_searched_and_paged() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let done = transcribed(address, "Monday morning.wav");
    let ids = [failed(address, "monday.txt"), failed(address, "other.txt")];
    let list = |query: &str| get(address, &format!("/task/all{query}"));

    for (query, total, shown) in [
        ("", 3, 3),
        ("?q=MONDAY", 2, 2),
        ("?q=monday%20morning", 1, 1),
        ("?q=monday+morning", 1, 1),
        ("?q=nothing", 0, 0),
        ("?status=completed", 1, 1),
        ("?status=failed", 2, 2),
        ("?status=queued", 0, 0),
        ("?q=monday&status=failed", 1, 1),
        ("?page_size=2", 3, 2),
        ("?page_size=2&page=2", 3, 1),
        ("?page_size=2&page=3", 3, 0),
        ("?page_size=200&unknown=1", 3, 3),
        ("?q=&status=", 3, 3),
    ] {
        let found = list(query).expect(200, query).json();
        assert_eq!(found["total"], total, "{query}: {found}");
        assert_eq!(
            found["tasks"].as_array().unwrap().len(),
            shown,
            "{query}: {found}"
        );
    }
    let all = list("").json();
    assert_eq!((&all["page"], &all["page_size"]), (&json!(1), &json!(50)));
    let of = |id: &str| {
        let tasks = all["tasks"].as_array().unwrap();
        tasks
            .iter()
            .find(|task| task["identifier"] == id)
            .unwrap()
            .clone()
    };
    let entry = of(&done);
    assert_eq!(entry["status"], "completed", "{entry}");
    assert_eq!(entry["file_name"], "Monday morning.wav", "{entry}");
    assert_eq!(entry["task_type"], "full_process", "{entry}");
    for member in "url audio_duration language error duration start_time end_time".split(' ') {
        assert!(entry.get(member).is_some(), "{member} in {entry}");
    }
    assert!(!task::text_of(&of(&ids[0]), "error").is_empty());

    for query in [
        "?page_size=0",
        "?page_size=201",
        "?page_size=x",
        "?page=0",
        "?page=x",
    ] {
        assert_error(&list(query).expect(422, query));
    }
}

#[test]
fn transcripts_come_in_five_formats() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let id = transcribed(address, "a.wav");
    let fetch = |format: &str| get(address, &format!("/task/{id}/transcript?format={format}"));
    let segments = task::segments(&task::look(address, &id)["result"]);
    let word = segments[0].text.split_whitespace().next().unwrap();

    for (format, content_type, begins) in [
        ("txt", "text/plain", word),
        ("srt", "application/x-subrip", "1\n00:00:0"),
        ("vtt", "text/vtt", "WEBVTT\n\n00:0"),
        ("json", "application/json", "{"),
        ("tsv", "text/tab-separated-values", "start\tend\ttext\n"),
    ] {
        let response = fetch(format).expect(200, format);
        let header = response.header("content-type").unwrap();
        assert!(header.starts_with(content_type), "{format}: {header}");
        let text = response.text();
        assert!(text.starts_with(begins), "{format}: {text}");
        for segment in &segments {
            assert!(
                text.contains(segment.text.trim()),
                "{format}: {segment:?} in {text}"
            );
        }
    }
    assert_eq!(task::segments(&fetch("json").json()), segments);
    assert_eq!(fetch("srt").text().matches(" --> ").count(), segments.len());
    assert_eq!(fetch("vtt").text().matches(" --> ").count(), segments.len());
    assert_eq!(fetch("tsv").text().lines().count(), 1 + segments.len());

    assert_error(&fetch("pdf").expect(422, "an unknown format"));
    let path = |id: &str| format!("/task/{id}/transcript?format=txt");
    assert_error(&get(address, &path(UNKNOWN)).expect(404, "an unknown task"));
    let failed = failed(address, "b.txt");
    assert_error(&get(address, &path(&failed)).expect(409, "a task without a transcript"));
}

#[test]
fn a_deleted_task_leaves_nothing_behind() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let uploads = daemon.state_dir().join("uploads");
    let before = files_below(&uploads);
    for suffix in ["", "/delete"] {
        for (make, name) in [
            (transcribed as fn(_, &str) -> String, "a.wav"),
            (failed, "b.txt"),
        ] {
            let id = make(address, name);
            assert!(
                files_below(&uploads) > before,
                "an upload is in {uploads:?}"
            );
            let response = http::delete(address, &format!("/task/{id}{suffix}"));
            let answer = response.expect(200, "DELETE").json();
            let expected = json!({"identifier": id, "message": "Task deleted"});
            assert_eq!(answer, expected);

            assert_eq!(
                files_below(&uploads),
                before,
                "after DELETE /task/{{id}}{suffix}"
            );
            assert_eq!(task::count(address), 0);
            for path in ["", "/transcript?format=txt"] {
                assert_not_found(&get(address, &format!("/task/{id}{path}")));
            }
            let again = http::delete(address, &format!("/task/{id}{suffix}"));
            assert_not_found(&again);
        }
    }
}

#[test]
fn a_file_of_the_wrong_kind_fails_with_a_reason_and_can_be_deleted() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let uploads = daemon.state_dir().join("uploads");
    let before = files_below(&uploads);

    let mp4 = encodings::named("mp4 with picture");
    let mp4 = encode(&speech::speak(Script::short(VOICES[0], 1)), mp4).bytes();
    let zip = zip();
    for (name, file, names_one_of, names_accepted) in [
        (
            "talk.mp3",
            &b"Minutes of the meeting\n".repeat(100)[..],
            &["text"][..],
            true,
        ),
        ("talk.wav", &zip, &["zip"], true),
        (
            "talk.mp4",
            &mp4[..mp4.len() / 2],
            &[
                "incomplete",
                "truncated",
                "cut off",
                "damaged",
                "missing",
                "index",
            ],
            false,
        ),
    ] {
        let upload = tus::upload(address, name, file);
        let error = task::failure(address, upload.id()).to_lowercase();
        println!("{name}: {error}");
        assert!(
            names_one_of.iter().any(|part| error.contains(part)),
            "{name}: {error}"
        );
        if names_accepted {
            for accepted in ["wav", "mp3", "flac", "ogg", "mp4"] {
                assert!(error.contains(accepted), "{name}: {accepted} in {error}");
            }
        }
        http::delete(address, &format!("/task/{}", upload.id())).expect(200, "DELETE");
        assert_eq!(files_below(&uploads), before, "{name}: left on disk");
    }
}

/// A zip file that holds one empty file, "a".
fn zip() -> Vec<u8> {
    const EMPTY_STORED: [u8; 26] = {
        let mut fields = [0; 26];
        fields[0] = 10; // version needed
        fields[22] = 1; // length of the name
        fields
    };
    let local = [b"PK\x03\x04", &EMPTY_STORED[..], b"a"].concat();
    let central = [b"PK\x01\x02\x0a\x00", &EMPTY_STORED[..], &[0; 14], b"a"].concat();
    let mut file = [
        &local[..],
        &central,
        b"PK\x05\x06",
        &[0, 0, 0, 0, 1, 0, 1, 0],
    ]
    .concat();
    file.extend((central.len() as u32).to_le_bytes());
    file.extend((local.len() as u32).to_le_bytes());
    file.extend([0, 0]); // no comment
    file
}

/// How many files lie in a folder and below; 0 if there is none.
fn files_below(folder: &Path) -> usize {
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    entries
        .map(|entry| entry.unwrap().path())
        .map(|path| if path.is_dir() { files_below(&path) } else { 1 })
        .sum()
}

/// While a task is deleted, its files are gone before it is forgotten: a
/// transcription that is about to begin must not take that for a failing disk.
#[test]
fn deleting_an_upload_right_after_its_last_byte_is_no_failure() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let recording = speech::speak(Script::short(VOICES[0], 1)).bytes();
    for round in 0..60 {
        let upload = Upload::create(address, recording.len(), &[("filename", "a.wav")]);
        let task = format!("/task/{}", upload.id());
        let mut patch = upload
            .patch_in_part(0, recording.len(), &recording)
            .expect("a PATCH");
        // Also before it was answered.
        if round % 3 > 0 {
            patch.receive("PATCH").unwrap().expect(204, "the last byte");
        }
        until("it is deleted", || {
            let status = match round % 2 {
                0 => upload.terminate().status,
                _ if round % 3 == 0 => upload.terminate().status,
                _ => http::delete(address, &task).status,
            };
            assert!([200, 204, 423, 503].contains(&status), "{status}");
            (status < 300).then_some(())
        });
    }
    transcribed(address, "the last one.wav");
    assert_eq!(task::count(address), 1);
    let said = daemon.stderr();
    assert!(!said.contains("storage failed"), "{said}");
    assert!(!said.contains("ERROR"), "{said}");
    assert!(!said.contains("task failed"), "{said}");
}

#[track_caller]
fn assert_error(response: &Response) {
    let body = response.json();
    let error = &body["error"];
    assert!(error["message"].is_string(), "{body}");
    assert!(error["code"].is_string(), "{body}");
    assert!(!task::text_of(error, "correlation_id").is_empty(), "{body}");
    assert_eq!(error["message"], body["detail"], "{body}");
}

#[track_caller]
fn assert_not_found(response: &Response) {
    assert_eq!(response.status, 404, "{}", response.text());
    assert_error(response);
    assert_eq!(response.json()["error"]["code"], "TASK_NOT_FOUND");
}
