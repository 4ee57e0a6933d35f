//! The requests of the front end of the system before this one, as it sends
//! them: a large file over TUS with the socket open before it, a small one in
//! a form, looking, searching, deleting, and what it does when something fails.

use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixtures::listener::Listener;
use crate::fixtures::transcription::{freeze_engine_in, long_recording};
use crate::support::daemon::Daemon;
use crate::support::http::{self, Connection, Response, get, request};
use crate::support::speech::{self, Script, Spoken, VOICES};
use crate::support::task;
use crate::support::tus::{self, CONTENT, FILES, RESUMABLE, Upload, encode_metadata};
use crate::support::waiting::until;

/// Bytes of one PATCH.
const PIECE: usize = 50 << 20;

/// From this size on files go over TUS.
const LARGE: u64 = 80 << 20;

/// Half a minute of speech in the coarsest of formats: eight channels of
/// 192,000 numbers of 32 bits a second.
fn large_recording() -> (Spoken, u64) {
    let script = Script {
        phrases: 14,
        ..Script::short(VOICES[2], 200)
    };
    let spoken = speech::speak(script);
    let file = speech::cached(&("200 MB", script), "wav", |path| {
        speech::run(
            Command::new("ffmpeg")
                .args(["-nostdin", "-v", "error", "-y", "-i"])
                .arg(&spoken.file)
                .args("-ar 192000 -ac 8 -c:a pcm_f32le".split(' '))
                .arg(path),
        );
    });
    let bytes = file.metadata().expect("a fixture").len();
    assert!(bytes > 200_000_000, "{bytes} bytes");
    (Spoken { file, ..spoken }, bytes)
}

/// Its metadata of a file.
fn metadata<'a>(name: &'a str, id: &'a str) -> [(&'a str, &'a str); 5] {
    [
        ("filename", name),
        ("filetype", "audio/wav"),
        ("language", "auto"),
        ("model", "large-v3"),
        ("taskId", id),
    ]
}

/// A file that was picked, uploaded as its page does.
struct Picked {
    file: File,
    bytes: u64,
    path: String,
    offset: u64,
    origin: String,
}

impl Picked {
    /// Creation; `Location` has the id that the page chose.
    fn create(address: SocketAddr, spoken: &Spoken, bytes: u64, id: &str) -> Picked {
        let length = bytes.to_string();
        let metadata = encode_metadata(&metadata("Council.wav", id));
        let origin = format!("http://{address}");
        let headers = [
            RESUMABLE,
            ("Origin", &*origin),
            ("Upload-Length", &*length),
            ("Upload-Metadata", &*metadata),
        ];
        let created = request(address, "POST", FILES, &headers, Some(b""))
            .unwrap()
            .expect(201, "creation");
        let path = tus::location_path(&created);
        assert!(path.ends_with(id), "{path} is not {id}");
        Picked {
            file: File::open(&spoken.file).unwrap(),
            bytes,
            path,
            offset: 0,
            origin,
        }
    }

    /// The next piece, over the connection that is kept.
    fn send(&mut self, connection: &mut Connection) {
        let mut piece = Vec::new();
        let mut rest = (&self.file).take(PIECE as u64);
        rest.read_to_end(&mut piece).unwrap();
        let offset = self.offset.to_string();
        let headers = [
            RESUMABLE,
            CONTENT,
            ("Origin", &*self.origin),
            ("Upload-Offset", &*offset),
        ];
        connection
            .send_head("PATCH", &self.path, &headers, Some(piece.len()))
            .unwrap();
        connection.send(&piece).unwrap();
        let answer = connection.receive("PATCH").unwrap().expect(204, "PATCH");
        self.offset += piece.len() as u64;
        assert_eq!(answer.number("upload-offset"), Some(self.offset));
        assert!(answer.header("upload-expires").is_some() || self.is_done());
    }

    fn is_done(&self) -> bool {
        self.offset == self.bytes
    }
}

fn find(address: SocketAddr, query: &str) -> Vec<Value> {
    let path = format!("/task/all?{query}");
    let list = get(address, &path).expect(200, &path).json();
    list["tasks"].as_array().unwrap().clone()
}

/// The stages in the order of their messages, each once.
fn stages(messages: &[Value]) -> Vec<&str> {
    let mut stages: Vec<&str> = messages
        .iter()
        .filter_map(|message| message["stage"].as_str())
        .collect();
    stages.dedup();
    stages
}

#[test]
fn a_large_file_is_followed_from_its_first_byte_to_its_text() {
    let mut daemon = Daemon::start();
    let address = daemon.address();
    let (spoken, bytes) = large_recording();
    // Another task comes first, so that this one waits for sure.
    let other = tus::upload(address, "long.wav", &long_recording().bytes());
    let engine = freeze_engine_in(&mut daemon, other.id());

    let id = Uuid::new_v4().to_string();
    let mut socket = Listener::socket(address, &id, &[]);
    let mut picked = Picked::create(address, &spoken, bytes, &id);
    let mut connection = Connection::open(address).unwrap();
    let mut messages = Vec::new();
    while !picked.is_done() {
        picked.send(&mut connection);
        if picked.is_done() {
            break;
        }
        // Every piece is in a message of the socket, and in the progress.
        let percentage = picked.offset as f64 * 100.0 / bytes as f64;
        let is_there = |message: &Value| {
            let reported = message["percentage"].as_f64();
            reported.is_some_and(|reported| (reported - percentage).abs() < 0.1)
        };
        while !messages.last().is_some_and(is_there) {
            messages.push(socket.news());
        }
        let progress = task::progress(address, &id);
        assert_eq!(progress["stage"], "uploading", "{progress}");
        assert!(is_there(&progress), "{progress}");
    }
    messages.extend(socket.up_to("queued"));
    let queued = find(address, "q=council&status=queued&page=1&page_size=50");
    assert_eq!(queued[0]["identifier"], json!(id), "{queued:?}");
    assert_eq!(task::progress(address, &id)["stage"], "queued");

    engine.signal(Signal::SIGCONT);
    http::delete(address, &format!("/task/{}/delete", other.id())).expect(200, "DELETE");
    messages.extend(socket.up_to("complete"));
    let order = ["uploading", "queued", "transcribing", "complete"];
    assert_eq!(stages(&messages), order, "{messages:#?}");
    for stage in order {
        let of_stage = messages
            .iter()
            .filter(|message| message["stage"] == stage)
            .map(|message| message["percentage"].as_f64().unwrap());
        assert!(of_stage.is_sorted(), "{stage}: {messages:#?}");
    }
    let last = messages.last().unwrap();
    assert_eq!(last["percentage"].as_f64(), Some(100.0), "{last}");

    let found = find(address, "q=COUNCIL&status=completed&page=1&page_size=50");
    let [row] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(row["identifier"], json!(id));
    assert_eq!(row["file_name"], "Council.wav");
    let details = task::look(address, &id);
    let segments = task::segments(&details["result"]);
    assert_eq!(task::text(&segments), spoken.text());
    // It always asks for this model; it gets the one that is there, by its name.
    let metadata = &details["metadata"];
    assert_eq!(metadata["task_params"]["model"], "large-v3", "{metadata}");
    let used = metadata["model"].as_str().unwrap();
    assert!(used.starts_with("demo"), "{metadata}");
    assert_eq!(metadata["language"], "en", "{metadata}");

    let answer = http::delete(address, &format!("/task/{id}/delete"));
    let reply = answer.expect(200, "DELETE").json();
    assert_eq!(reply, json!({"identifier": id, "message": "Task deleted"}));
    assert!(find(address, "q=council").is_empty());
    get(address, &format!("/task/{id}")).expect(404, "the deleted task");
    assert_eq!(socket.up_to("error")[0]["error_code"], "TASK_DELETED");
}

#[test]
fn a_front_end_that_is_refused_its_socket_asks_for_the_progress() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let id = Uuid::new_v4().to_string();
    let refused = format!("{id}?ticket=of-yesterday");
    assert_eq!(Listener::socket(address, &refused, &[]).close_code(), 1008);
    let spoken = speech::speak(Script::short(VOICES[0], 1));
    let bytes = spoken.file.metadata().unwrap().len();
    let mut picked = Picked::create(address, &spoken, bytes, &id);
    let look = || {
        let progress = task::progress(address, &id);
        let percentage = progress["percentage"].as_f64().expect("a percentage");
        (
            progress["stage"].as_str().expect("a stage").to_owned(),
            percentage,
        )
    };
    assert_eq!(look(), ("uploading".into(), 0.0));
    picked.send(&mut Connection::open(address).unwrap());
    let mut seen = Vec::new();
    until("it is complete", || {
        let (stage, percentage) = look();
        let is_complete = (stage == "complete").then_some(());
        if seen.last() != Some(&stage) {
            seen.push(stage);
        }
        assert!(is_complete.is_none() || percentage == 100.0, "{percentage}");
        is_complete
    });
    let order = ["queued", "transcribing", "complete"];
    let places = seen.iter().map(|stage| {
        let place = order.iter().position(|known| known == stage);
        place.unwrap_or_else(|| panic!("{stage} in {seen:?}"))
    });
    assert!(places.is_sorted(), "{seen:?}");
}

#[test]
fn an_upload_that_is_cancelled_is_gone_and_may_be_cancelled_again() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let (spoken, bytes) = large_recording();
    let id = Uuid::new_v4().to_string();
    let mut socket = Listener::socket(address, &id, &[]);
    let mut picked = Picked::create(address, &spoken, bytes, &id);
    picked.send(&mut Connection::open(address).unwrap());
    let cancel = || request(address, "DELETE", &picked.path, &[RESUMABLE], None).unwrap();
    cancel().expect(204, "cancelled");
    // It takes this for a success, too.
    cancel().expect(404, "cancelled again");
    let end = socket.up_to("error").pop().unwrap();
    assert_eq!(end["error_code"], "TASK_DELETED", "{end}");
    get(address, &format!("/tasks/{id}/progress")).expect(404, "nothing is left");
    assert!(find(address, "").is_empty());
}

/// `POST /api/ws/ticket`.
fn ticket(address: SocketAddr, id: &str) -> Response {
    let body = json!({ "task_id": id }).to_string();
    let header = [("Content-Type", "application/json")];
    request(
        address,
        "POST",
        "/api/ws/ticket",
        &header,
        Some(body.as_bytes()),
    )
    .unwrap()
}

#[test]
fn a_small_file_goes_in_a_form_and_old_and_new_front_ends_follow_it() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let spoken = speech::speak(Script::short(VOICES[3], 9));
    assert!(spoken.file.metadata().unwrap().len() < LARGE);
    let boundary = "----WebKitFormBoundary7MA4YWxkTrZu0gW";
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"Note.wav\"\r\n\
         Content-Type: audio/wav\r\n\r\n"
    );
    let tail = format!("\r\n--{boundary}--\r\n");
    let body = [head.as_bytes(), &spoken.bytes(), tail.as_bytes()].concat();
    let kind = format!("multipart/form-data; boundary={boundary}");
    let origin = format!("http://{address}");
    let reply = request(
        address,
        "POST",
        "/speech-to-text?language=auto&model=large-v3",
        &[("Content-Type", &kind), ("Origin", &origin)],
        Some(&body),
    );
    let reply = reply.unwrap().expect(200, "POST").json();
    let id = reply["identifier"].as_str().unwrap();
    assert_eq!(reply, json!({"identifier": id, "message": "Task queued"}));

    ticket(address, &Uuid::new_v4().to_string()).expect(404, "no such task");
    let with = ticket(address, id).expect(201, "a ticket").json();
    let with = format!("{id}?ticket={}", with["ticket"].as_str().unwrap());
    for address_of in [&with, id] {
        let mut socket = Listener::socket(address, address_of, &[]);
        let last = socket.up_to("complete").pop().unwrap();
        assert_eq!(last["percentage"].as_f64(), Some(100.0), "{last}");
    }
    assert_eq!(Listener::socket(address, &with, &[]).close_code(), 1008);
    let details = task::look(address, id);
    let segments = task::segments(&details["result"]);
    assert_eq!(task::text(&segments), spoken.text());
    assert_eq!(details["metadata"]["file_name"], "Note.wav", "{details}");
}

/// What it takes for final, and what it tries again after 1, 2 and 4 seconds.
const FINAL: [u16; 4] = [403, 410, 413, 415];
const TRIED_AGAIN: [u16; 5] = [408, 409, 423, 429, 503];

#[test]
fn what_can_be_mended_is_tried_again_and_what_cannot_is_not() {
    let configuration = "[upload]\nmax_size = '1MiB'\nmax_unfinished = 3\n\
         [http]\nidle_timeout = '1s'";
    let daemon = Daemon::start_unready(Daemon::folder_with(configuration), &[]);
    let address = daemon.address();
    let create = |length: &str| {
        let headers = [RESUMABLE, ("Upload-Length", length)];
        request(address, "POST", FILES, &headers, Some(b"")).unwrap()
    };
    let whole = Upload::create(address, 4, &[]);
    whole.finish(b"RIFF", 4);
    // Another offset than it has: asked for with HEAD, then gone on.
    let upload = Upload::create(address, 10, &[]);
    let wrong_place = upload.patch(5, b"12345").unwrap();
    // A network that stands still.
    let mut stalled = upload.patch_in_part(0, 10, b"123").unwrap();
    let stalled = stalled.receive("PATCH").unwrap();
    let wrong_type = {
        let headers = [RESUMABLE, ("Upload-Offset", "0"), ("Content-Type", "x/y")];
        request(address, "PATCH", &upload.path, &headers, Some(b"1")).unwrap()
    };
    let past_the_end = whole.patch(4, b"!").unwrap();
    let too_large = create("1048577");
    let too_many = {
        let _two = [1, 2].map(|_| create("10"));
        create("10")
    };
    let hasty = Daemon::folder_with("[upload]\nidle_expiry = '1s'");
    let hasty = Daemon::start_unready(hasty, &[]);
    let upload = Upload::create(hasty.address(), 10, &[]);
    let expired = until("it expires", || {
        let head = upload.head();
        (head.status != 200).then_some(head)
    });
    for (response, status) in [
        (wrong_place, 409),
        (stalled, 408),
        (too_many, 429),
        (wrong_type, 415),
        (past_the_end, 413),
        (too_large, 413),
        (expired, 410),
    ] {
        let response = response.expect(status, "as described");
        let is_final = FINAL.contains(&status);
        assert!(is_final != TRIED_AGAIN.contains(&status), "{response:?}");
    }
}
