//! Transcripts of days of speech: they are sent as fast as each reader takes
//! them, in little memory, and never a part as if it were the whole.

use std::fs;
use std::io::{BufWriter, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::fixtures::proc_status::peak_kib;
use crate::fixtures::remote_server::{RemoteServer, respond};
use crate::support::daemon::Daemon;
use crate::support::http::{Connection, delete, get};
use crate::support::speech::{self, Script, VOICES};
use crate::support::task;
use crate::support::tus;
use crate::support::waiting::until;

/// As the daemon may need at most for all readers together, and for a callback.
const MORE_MAX_KIB: u64 = 32 << 10;

/// Within which the daemon answers others meanwhile.
const HEALTH_MAX: Duration = Duration::from_millis(50);

const READERS: usize = 16;

/// 37 hours of speech, 34 MiB.
const LONG: usize = 19_000;
/// Enough for several pieces in every format.
const SHORT: usize = 4_000;

const FORMATS: [&str; 5] = ["txt", "srt", "vtt", "json", "tsv"];

/// A segment of seven seconds, as the daemon stores it.
fn segment(number: usize) -> Value {
    let start = 7.0 * number as f64;
    let word = |at: usize| {
        let start = start + 0.25 * at as f64;
        json!({ "word": format!("w\u{f6}rd{number}"), "start": start, "end": start + 0.125, "score": 0.875 })
    };
    let words: Vec<Value> = (0..28).map(word).collect();
    let text = format!("It is \"{number}\" <now> \\ & then\t--> {number}.");
    json!({ "start": start, "end": start + 6.5, "text": text, "words": words, "tokens": [1, 2] })
}

/// A daemon with one task, whose transcript was replaced by one of so many
/// segments; its id.
fn daemon_with(config: &str, segments: usize) -> (Daemon, String) {
    let mut daemon = Daemon::start_unready(Daemon::folder_with(config), &[]);
    let spoken = speech::speak(Script::short(VOICES[0], 71));
    let upload = tus::upload(daemon.address(), "a.wav", &spoken.bytes());
    task::transcript(daemon.address(), upload.id());
    daemon.kill9();
    let file = fs::File::create(transcript_of(&daemon, upload.id())).unwrap();
    let mut file = BufWriter::new(file);
    for number in 0..segments {
        writeln!(file, "{}", segment(number)).unwrap();
    }
    file.into_inner().unwrap();
    daemon.start_again();
    let id = upload.id().to_owned();
    (daemon, id)
}

fn transcript_of(daemon: &Daemon, id: &str) -> PathBuf {
    let folder = daemon.state_dir().join("uploads").join(id);
    folder.join("transcript.jsonl")
}

/// The whole transcript in a format, made otherwise than the daemon makes it.
fn rendered(format: &str, language: &Value, segments: usize) -> String {
    let clock = |seconds: &Value, separator: char| {
        let ms = (seconds.as_f64().unwrap() * 1000.0).round() as u64;
        let (h, m, s, ms) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000);
        format!("{h:02}:{m:02}:{s:02}{separator}{ms:03}")
    };
    let all = (0..segments).map(|number| (number, segment(number)));
    let lines = all.map(|(number, segment)| {
        let (start, end) = (&segment["start"], &segment["end"]);
        let text = segment["text"].as_str().unwrap();
        let [cue, escaped] = [text, &text.replace('&', "&amp;").replace('<', "&lt;")]
            .map(|text| text.replace("-->", "->"));
        let times =
            |separator| format!("{} --> {}", clock(start, separator), clock(end, separator));
        match format {
            "txt" => format!("{text}\n"),
            "srt" => format!("{}\n{}\n{cue}\n\n", number + 1, times(',')),
            "vtt" => format!("{}\n{escaped}\n\n", times('.')),
            "tsv" => {
                let [start, end] = [start, end].map(|time| time.as_f64().unwrap() * 1000.0);
                format!("{start}\t{end}\t{}\n", text.replace('\t', " "))
            }
            _ => {
                let words = &segment["words"];
                let members = json!({ "start": start, "end": end, "text": text, "words": words });
                let separator = if number == 0 { "" } else { "," };
                format!("{separator}{members}")
            }
        }
    });
    let lines = lines.collect::<String>();
    match format {
        "vtt" => format!("WEBVTT\n\n{lines}"),
        "tsv" => format!("start\tend\ttext\n{lines}"),
        "json" => format!("{{\"language\":{language},\"segments\":[{lines}]}}"),
        _ => lines,
    }
}

/// Paths of the task's document and of its transcript in every format.
fn paths(id: &str) -> Vec<String> {
    let of_format = |format| format!("/task/{id}/transcript?format={format}");
    let mut paths: Vec<String> = FORMATS.into_iter().map(of_format).collect();
    paths.push(format!("/task/{id}"));
    paths
}

/// A reader that has read the first bytes of its answer, and now takes no more.
fn slow_reader(address: SocketAddr, path: &str, first_bytes: usize) -> TcpStream {
    let mut connection = Connection::open(address).unwrap();
    connection.send_head("GET", path, &[], None).unwrap();
    let mut stream = connection.into_stream();
    let mut first = vec![0; first_bytes];
    stream.read_exact(&mut first).unwrap();
    assert!(first.starts_with(b"HTTP/1.1 200 OK\r\n"), "{path}");
    stream
}

#[test]
fn every_format_is_the_same_however_long_it_is() {
    let (daemon, id) = daemon_with("", SHORT);
    let address = daemon.address();
    let document = get(address, &format!("/task/{id}")).expect(200, "the task");
    let language = document.json()["metadata"]["language"].clone();
    for format in FORMATS {
        let path = format!("/task/{id}/transcript?format={format}");
        let answer = get(address, &path).expect(200, format);
        assert!(answer.body.len() > 128 << 10, "{format}: of one piece");
        let expected = rendered(format, &language, SHORT);
        assert!(answer.text() == expected, "{format} differs");
        let head = crate::support::http::ask(address, "HEAD", &path, &[], b"");
        head.expect(200, "HEAD");
    }
    let text = document.text();
    let (before, after) = text.split_once("\"result\":").unwrap();
    let result = after.strip_suffix(",\"status\":\"completed\"}").unwrap();
    assert!(result == rendered("json", &language, SHORT), "result");
    let mut others: Value = serde_json::from_str(&format!("{before}\"result\":null}}")).unwrap();
    assert_eq!(others["metadata"]["file_name"], "a.wav");
    assert!(others["error"].take().is_null());

    // What is short has its length.
    fs::write(transcript_of(&daemon, &id), format!("{}\n", segment(0))).unwrap();
    for path in paths(&id) {
        let answer = get(address, &path).expect(200, &path);
        assert_eq!(
            answer.number("content-length"),
            Some(answer.body.len() as u64)
        );
    }
}

#[test]
fn many_readers_of_days_of_speech_take_little_memory_and_delay_nobody() {
    // Those that take nothing stay.
    let (daemon, id) = daemon_with("[http]\nidle_timeout = '10m'", LONG);
    let address = daemon.address();
    let length = fs::metadata(transcript_of(&daemon, &id)).unwrap().len();
    assert!(length > 34 << 20, "{length}");
    let paths = paths(&id);
    // One connection, as before.
    get(address, "/task/all").expect(200, "all tasks");
    let before_kib = peak_kib(&daemon);

    let is_over = AtomicBool::new(false);
    let delays = thread::scope(|scope| {
        let readers_end = End(&is_over);
        let health = scope.spawn(|| {
            let mut delays = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                let asked = Instant::now();
                get(address, "/health/live").expect(200, "live");
                delays.push(asked.elapsed());
                thread::sleep(Duration::from_millis(20));
            }
            delays
        });
        // More than write at a time, of what no socket can hold; they take nothing more.
        let half = READERS / 2;
        let slow = (0..half).map(|number| {
            let path = &paths[[3, 5][number % 2]];
            scope.spawn(move || slow_reader(address, path, 100_000))
        });
        let slow: Vec<_> = slow.collect::<Vec<_>>();
        let slow: Vec<TcpStream> = slow.into_iter().map(|one| one.join().unwrap()).collect();
        let fast = (half..READERS).map(|number| {
            let path = &paths[number % paths.len()];
            scope.spawn(move || {
                let answer = get(address, path).expect(200, path);
                let last = answer
                    .body
                    .windows(5)
                    .rev()
                    .position(|bytes| bytes == b"18999");
                assert!(last.is_some_and(|from_end| from_end < 200), "{path}");
            })
        });
        let fast: Vec<_> = fast.collect::<Vec<_>>();
        let ended = fast
            .into_iter()
            .map(|reader| reader.join())
            .collect::<Vec<_>>();
        drop((readers_end, slow));
        for ended in ended {
            ended.unwrap();
        }
        health.join().unwrap()
    });
    let more_kib = peak_kib(&daemon) - before_kib;
    println!("{more_kib} KiB more than {before_kib} KiB");
    assert!(more_kib < MORE_MAX_KIB, "{more_kib} KiB");
    let mut delays = delays;
    delays.sort();
    let median = delays[delays.len() / 2];
    println!(
        "{} answers, median {median:?}, last {:?}",
        delays.len(),
        delays.last()
    );
    assert!(delays.len() > 20 && median < HEALTH_MAX, "{median:?}");
}

#[test]
fn a_deleted_transcript_is_read_to_its_end() {
    let (daemon, id) = daemon_with("", LONG);
    let mut slow = slow_reader(daemon.address(), &paths(&id)[0], 100_000);
    delete(daemon.address(), &format!("/task/{id}")).expect(200, "deletion");
    get(daemon.address(), &format!("/task/{id}")).expect(404, "deleted");
    let mut rest = Vec::new();
    let mut buffer = vec![0; 1 << 20];
    while !rest.ends_with(b"\r\n0\r\n\r\n") {
        let count = slow.read(&mut buffer).unwrap();
        assert!(count > 0, "no end");
        rest.extend_from_slice(&buffer[..count]);
    }
    let rest = String::from_utf8_lossy(&rest);
    assert!(rest.contains("It is \"18999\""), "not all of it");
}

#[test]
fn a_transcript_that_cannot_be_read_is_never_a_whole_answer() {
    // Without a token, HTTP/1.0 is that of a proxy.
    let open = "[auth]\nmode = 'open'\nnetworks = ['127.0.0.0/8']";
    let (daemon, id) = daemon_with(open, SHORT);
    let transcript = transcript_of(&daemon, &id);
    let lines = fs::read(&transcript).unwrap();
    let damaged = |at: usize| [&lines[..at], b"{\n", &lines[at..]].concat();
    let late = lines.len() * 3 / 4;
    let late = late
        + lines[late..]
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap()
        + 1;
    fs::write(&transcript, damaged(late)).unwrap();
    for path in paths(&id) {
        // The end of such a connection is the end of a body without a length.
        for version in ["1.0", "1.1"] {
            let mut connection = Connection::open(daemon.address()).unwrap();
            let head = format!("GET {path} HTTP/{version}\r\nHost: localhost\r\n\r\n");
            connection.send(head.as_bytes()).unwrap();
            let answer = connection.receive("GET").map(|answer| answer.body.len());
            let error = answer.expect_err("a part of it looks whole");
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{path} {version}");
        }
    }
    let said = daemon.stderr();
    assert!(said.contains("cut off in its middle"), "{said}");
    // Before anything was sent.
    fs::write(&transcript, damaged(0)).unwrap();
    for path in paths(&id) {
        let answer = get(daemon.address(), &path).expect(500, &path).json();
        assert_eq!(answer["error"]["code"], "INTERNAL_ERROR");
    }
}

#[test]
fn a_long_callback_is_signed_and_takes_little_memory() {
    let remote = RemoteServer::start(|_, to| respond(to, "204 No Content", "", b""));
    let (mut daemon, id) = daemon_with("[callbacks]\nallow = ['127.0.0.1:*']", LONG);
    daemon.terminate();
    let record = daemon
        .state_dir()
        .join("uploads")
        .join(&id)
        .join("task.json");
    let mut task: Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    task["callback_url"] = json!(remote.url("/done"));
    fs::write(&record, task.to_string()).unwrap();
    put_callback(&daemon.state_dir(), &id, &remote.url("/done"));
    daemon.start_again();
    get(daemon.address(), "/task/all");
    let before_kib = peak_kib(&daemon);
    let asked = remote.wait_for(1).remove(0);
    until("it is delivered", || {
        let delivered = daemon
            .state_dir()
            .join("uploads")
            .join(&id)
            .join("callback.json");
        let outcome: Value = serde_json::from_slice(&fs::read(delivered).ok()?).ok()?;
        (outcome["status"] == "delivered").then_some(())
    });
    let more_kib = peak_kib(&daemon) - before_kib;
    println!("{more_kib} KiB more than {before_kib} KiB");
    assert!(more_kib < MORE_MAX_KIB, "{more_kib} KiB");

    assert!(asked.body.len() > 30 << 20, "{}", asked.body.len());
    let length = asked.body.len().to_string();
    assert_eq!(asked.header("content-length"), length);
    let secret = fs::read_to_string(daemon.state_dir().join("callback-secret")).unwrap();
    let key = STANDARD.decode(secret.trim().strip_prefix("whsec_").unwrap());
    let mut mac = Hmac::<Sha256>::new_from_slice(&key.unwrap()).unwrap();
    let [message_id, timestamp] =
        ["webhook-id", "webhook-timestamp"].map(|name| asked.header(name));
    mac.update(format!("{message_id}.{timestamp}.").as_bytes());
    mac.update(&asked.body);
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    assert_eq!(asked.header("webhook-signature"), format!("v1,{signature}"));
    let known = get(daemon.address(), &format!("/task/{id}")).expect(200, "the task");
    let result = |body: &[u8]| {
        let text = String::from_utf8(body.to_vec()).unwrap();
        text.split_once("\"result\":").unwrap().1.to_owned()
    };
    assert!(result(&known.body) == result(&asked.body), "another result");
}

/// Says at its end, also after a panic, that there is nothing more to watch.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// As the daemon stores it before the end of a task.
fn put_callback(state_dir: &Path, id: &str, url: &str) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let callback = json!({
        "message_id": "11111111-1111-4111-8111-111111111111",
        "url": url,
        "since": { "wall_ms": now.unwrap().as_millis() as u64, "since_boot_ms": 1 },
        "status": "pending",
        "attempts": 0,
    });
    fs::write(state_dir.join("callbacks").join(id), callback.to_string()).unwrap();
}
