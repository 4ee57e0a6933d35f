//! Recordings that scribed fetches: `POST /speech-to-text-url`.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::fixtures::itself::{ITSELF, names_of_itself};
use crate::fixtures::leftovers::assert_nothing_left;
use crate::fixtures::remote_server::{ReceivedRequest, RemoteServer, hang, respond};
use crate::support::daemon::Daemon;
use crate::support::http::{Connection, Response, get, request};
use crate::support::speech::{self, Script, Spoken, VOICES};
use crate::support::task;
use crate::support::waiting::until;

const BY_URL: &str = "/speech-to-text-url";
const URLENCODED: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

/// Begins like a recording, and is none.
const NOISE: &[u8] = b"\xff\xfb\x90\x00 noise";

fn spoken(seed: u64) -> Spoken {
    speech::speak(Script::short(VOICES[2], seed))
}

fn encoded(url: &str) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("url", url).finish()
}

fn fetch(address: SocketAddr, query: &str, url: &str) -> Response {
    let target = format!("{BY_URL}{query}");
    let body = encoded(url);
    request(
        address,
        "POST",
        &target,
        &[URLENCODED],
        Some(body.as_bytes()),
    )
    .unwrap()
}

fn id_of(reply: &Response) -> String {
    let reply = reply.json();
    assert_eq!(reply["message"], "Task queued", "{reply}");
    reply["identifier"].as_str().expect("an id").to_owned()
}

fn heard(address: SocketAddr, id: &str) -> String {
    task::text(&task::transcript(address, id))
}

fn daemon(callbacks: &str, rest: &str) -> Daemon {
    let config = format!("{rest}\n[callbacks]\n{callbacks}");
    let daemon = Daemon::start_unready(Daemon::folder_with(&config), &[]);
    daemon.wait_until_ready();
    daemon
}

#[test]
fn a_recording_is_fetched_and_transcribed() {
    let spoken = spoken(51);
    let bytes = spoken.bytes();
    let remote = RemoteServer::start(move |asked, to| match &*asked.target {
        "/moved/a%20b.wav?key=hush" => respond(to, "302 Found", "Location: ../x?y\r\n", b""),
        "/x?y" => respond(to, "200 OK", "Content-Type: audio/x-wav\r\n", &bytes),
        "/named" => {
            let name = "Content-Disposition: attachment; filename=\"Gr\u{fc}\u{df}e.wav\"\r\n";
            let head = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{name}\r\n");
            to.write_all(head.as_bytes())?;
            for piece in bytes.chunks(10_000) {
                write!(to, "{:x}\r\n", piece.len())?;
                to.write_all(piece)?;
                to.write_all(b"\r\n")?;
            }
            to.write_all(b"0\r\n\r\n")
        }
        other => panic!("{other}"),
    });
    let daemon = daemon("allow = ['127.0.0.1:*']", "");
    let address = daemon.address();

    let url = remote.url("/moved/a b.wav?key=hush#x");
    let reply = fetch(address, "?language=en&beam_size=2", &url).expect(200, "a url");
    let id = id_of(&reply);
    assert_eq!(heard(address, &id), spoken.text());
    let task = task::look(address, &id);
    let written = remote.url("/moved/a%20b.wav?key=hush");
    assert_eq!(task["metadata"]["url"], *written, "{task}");
    assert_eq!(task["metadata"]["file_name"], "a b.wav", "{task}");
    assert_eq!(task["metadata"]["task_params"]["beam_size"], 2, "{task}");
    let list = get(address, "/task/all").json();
    assert_eq!(list["tasks"][0]["url"], *written, "{list}");
    assert!(!daemon.stderr().contains("hush"), "{}", daemon.stderr());

    // The other kind of form.
    let field = format!("url={}", remote.url("/named"));
    let output = std::process::Command::new("curl")
        .args(["-sS", "-F", &field, &format!("http://{address}{BY_URL}")])
        .output()
        .expect("curl is installed");
    let reply: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let id = reply["identifier"].as_str().expect("an id");
    assert_eq!(heard(address, id), spoken.text());
    let kept = get(address, &format!("/uploads/files/{id}"));
    assert!(kept.body == spoken.bytes(), "other bytes");
    let task = task::look(address, id);
    assert_eq!(
        task["metadata"]["file_name"], "Gr\u{fc}\u{df}e.wav",
        "{task}"
    );

    let asked = remote.asked();
    let first = &asked[0];
    assert_eq!(first.header("host"), remote.address.to_string());
    assert!(first.header("user-agent").starts_with("scribed/"));
    assert_eq!(asked.len(), 3, "{asked:?}");
}

/// What goes wrong at the remote server.
fn misbehave(asked: &ReceivedRequest, to: &mut dyn Write) -> std::io::Result<()> {
    const OK: &str = "200 OK";
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n";
    match &*asked.target {
        "/missing" => respond(to, "404 Not Found", "", b"no"),
        "/broken" => respond(to, "500 Internal Server Error", "", b"no"),
        "/nothing" => respond(to, "204 No Content", "", b""),
        "/part" => respond(to, "206 Partial Content", "", NOISE),
        "/empty" => respond(to, OK, "", b""),
        "/text" => respond(to, OK, "Content-Type: audio/mpeg\r\n", b"<html>no</html>"),
        "/packed" => respond(to, OK, "Content-Encoding: gzip\r\n", NOISE),
        "/large" => respond(to, OK, "", &[b'x'; 60_000]),
        "/larger" => {
            to.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            loop {
                write!(to, "{:x}\r\n", NOISE.len())?;
                to.write_all(NOISE)?;
                to.write_all(b"\r\n")?;
            }
        }
        "/cut" => {
            to.write_all(whole.as_bytes())?;
            to.write_all(&NOISE.repeat(2000))
        }
        "/chunked/cut" => {
            to.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9c40\r\n")?;
            to.write_all(&NOISE.repeat(2000))
        }
        "/stalls" => {
            to.write_all(whole.as_bytes())?;
            to.write_all(&NOISE.repeat(2000))?;
            hang(to)
        }
        "/never" => {
            to.write_all(whole.as_bytes())?;
            hang(to)
        }
        "/slow" => {
            to.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            loop {
                to.write_all(&NOISE.repeat(100))?;
                to.flush()?;
                sleep(Duration::from_millis(200));
            }
        }
        "/trickle" => {
            to.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
            to.write_all(&NOISE.repeat(1000))?;
            loop {
                to.flush()?;
                sleep(Duration::from_millis(200));
                to.write_all(&NOISE.repeat(20))?;
            }
        }
        "/round" => respond(to, "307 Temporary Redirect", "Location: /round\r\n", b""),
        "/nowhere" => respond(to, "301 Moved Permanently", "", b""),
        "/away" => respond(to, "301 Moved", "Location: http://127.0.0.2:1/\r\n", b""),
        "/file" => respond(to, "301 Moved", "Location: file:///etc/passwd\r\n", b""),
        "/nonsense" => to.write_all(b"220 mail.example ESMTP\r\n"),
        "/head" => {
            to.write_all(b"HTTP/1.1 200 OK\r\nX: ")?;
            loop {
                to.write_all(b"xxxxxxxxxxxxxxxx")?;
            }
        }
        other => panic!("{other}"),
    }
}

#[test]
fn every_failure_is_reported_and_leaves_nothing() {
    let remote = RemoteServer::start(misbehave);
    let refuses = TcpListener::bind("127.0.0.1:0").unwrap();
    let unreachable = format!("http://{}/a.mp3", refuses.local_addr().unwrap());
    drop(refuses);
    let callbacks = "allow = ['127.0.0.1:*', 'no.such.host.invalid']\ndownload_timeout = '6s'";
    let limits = "[http]\nidle_timeout = '3s'\n[upload]\nmax_size = '50kB'";
    let daemon = daemon(callbacks, limits);
    let address = daemon.address();
    let at = |path: &str| remote.url(path);
    for (url, status, part) in [
        (at("/missing"), 400, "answers 404 Not Found"),
        (at("/broken"), 502, "answers 500"),
        (at("/nothing"), 502, "answers 204"),
        (at("/part"), 502, "answers 206"),
        (at("/empty"), 422, "an empty file"),
        (at("/text"), 415, "not a recording"),
        (at("/packed"), 400, "gzip"),
        (at("/large"), 413, "50000 bytes"),
        (at("/larger"), 413, "50000 bytes"),
        (at("/cut"), 502, "lost the connection"),
        (at("/chunked/cut"), 502, "lost the connection"),
        (at("/stalls"), 504, "took too long to send more"),
        (at("/never"), 504, "took too long to begin"),
        (at("/slow"), 504, "callbacks.download_timeout"),
        (at("/trickle"), 504, "less than 2 KiB/s"),
        (at("/round"), 400, "more than 5 times"),
        (at("/nowhere"), 400, "not a valid URL"),
        (at("/away"), 400, "127.0.0.2:1"),
        (at("/file"), 400, "not a valid URL"),
        (at("/nonsense"), 502, "lost the connection"),
        (at("/head"), 502, "lost the connection"),
        (unreachable, 502, "cannot be reached"),
        (
            "http://no.such.host.invalid/".into(),
            502,
            "cannot be reached",
        ),
        ("http://127.0.0.2:1/".into(), 400, "may not reach"),
        ("http://localhost/".into(), 400, "may not reach"),
        ("http://me:hush@127.0.0.1/".into(), 422, "password"),
        ("file:///etc/passwd".into(), 422, "not a valid URL"),
        ("".into(), 422, "not a valid URL"),
        (
            format!("http://127.0.0.1/{}", "x".repeat(2000)),
            422,
            "longer",
        ),
    ] {
        let reply = fetch(address, "", &url).expect(status, &url).json();
        let detail = reply["detail"].as_str().unwrap();
        assert!(detail.contains(part), "{url}: {detail}");
        assert_eq!(reply["error"]["message"], detail);
    }
    let target = format!("{BY_URL}?task=nonsense");
    let send = |target: &str, headers: &[(&str, &str)], body: &str| {
        request(address, "POST", target, headers, Some(body.as_bytes())).unwrap()
    };
    let fine = encoded(&at("/missing"));
    send(&target, &[URLENCODED], &fine).expect(422, "a parameter");
    send(BY_URL, &[URLENCODED], "uri=x").expect(422, "no field");
    send(BY_URL, &[], &fine).expect(415, "no type");
    let json = ("Content-Type", "application/json");
    send(BY_URL, &[json], "{}").expect(415, "another type");
    let long = "x".repeat(20_000);
    send(BY_URL, &[URLENCODED], &long).expect(413, "a long form");
    get(address, BY_URL).expect(405, "GET");
    assert_nothing_left(&daemon);
    assert!(!daemon.stderr().contains("hush"), "{}", daemon.stderr());
}

#[test]
fn nothing_is_fetched_without_an_allowed_host() {
    let remote = RemoteServer::start(misbehave);
    let daemon = Daemon::start();
    let reply = fetch(daemon.address(), "", &remote.url("/missing"));
    let reply = reply.expect(400, "not allowed").json();
    assert_eq!(reply["error"]["code"], "URL_NOT_ALLOWED", "{reply}");
    let detail = reply["detail"].as_str().unwrap();
    assert!(detail.contains("callbacks.allow is empty"), "{detail}");
    assert!(remote.asked().is_empty());
    assert!(!daemon.state_dir().join("callback-secret").exists());
}

#[test]
fn nothing_is_fetched_from_the_daemon_itself() {
    let daemon = daemon(ITSELF, "[http]\nbase_url = 'https://notes.example/scribed'");
    let address = daemon.address();
    let own = format!("http://{address}");
    let remote = RemoteServer::start(move |asked, to| {
        let location = format!("Location: {own}{}\r\n", asked.target);
        respond(to, "302 Found", &location, b"")
    });
    let mut urls = names_of_itself(address.port()).to_vec();
    urls.extend([
        "https://notes.example/x".into(),
        "http://notes.example".into(),
    ]);
    urls.push(remote.url("/redirected"));
    for url in urls {
        let refused = fetch(address, "", &format!("{url}/health")).expect(400, &url);
        let text = refused.text();
        assert!(
            text.contains("leads to this server itself"),
            "{url}: {text}"
        );
    }
    assert_nothing_left(&daemon);
}

#[test]
fn only_authorities_that_the_system_trusts_count() {
    let spoken = spoken(52);
    let bytes = spoken.bytes();
    let far_end_folder = tempfile::tempdir().unwrap();
    let remote = RemoteServer::start_tls(far_end_folder.path(), move |asked, to| {
        match &*asked.target {
            "/a.wav" => respond(to, "200 OK", "", &bytes),
            "/cut.wav" => {
                // Without an end of TLS, too: it could have been cut on its way.
                to.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
                to.write_all(&bytes[..20_000])
            }
            _ => respond(to, "302 Found", "Location: http://localhost:1/\r\n", b""),
        }
    });
    let url = |host: &str, path: &str| format!("https://{host}:{}{path}", remote.address.port());
    let config = "[callbacks]\nallow = ['localhost:*', '127.0.0.1:*']";
    let start = |authority: Option<std::path::PathBuf>| {
        let daemon = Daemon::start_changed(Daemon::folder_with(config), move |command| {
            match &authority {
                Some(file) => command.env("SSL_CERT_FILE", file),
                None => command.env_remove("SSL_CERT_FILE"),
            };
        });
        daemon.wait_until_ready();
        daemon
    };

    let trusting = start(Some(far_end_folder.path().join("ca.pem")));
    let address = trusting.address();
    let reply = fetch(address, "", &url("localhost", "/a.wav")).expect(200, "https");
    assert_eq!(heard(address, &id_of(&reply)), spoken.text());
    for (url, status, part) in [
        (url("127.0.0.1", "/a.wav"), 502, "cannot be trusted"),
        (url("localhost", "/cut.wav"), 502, "lost the connection"),
        (url("localhost", "/open"), 400, "from https to http"),
    ] {
        let reply = fetch(address, "", &url).expect(status, &url);
        assert!(reply.text().contains(part), "{url}: {}", reply.text());
    }
    assert_eq!(task::count(address), 1);

    let doubting = start(None);
    let reply = fetch(doubting.address(), "", &url("localhost", "/a.wav"));
    let reply = reply.expect(502, "an unknown authority").text();
    assert!(reply.contains("cannot be trusted"), "{reply}");
    assert_nothing_left(&doubting);
}

#[test]
fn fetches_from_a_host_are_limited_and_a_client_that_leaves_frees_one() {
    let remote = RemoteServer::start(|_, to| hang(to));
    let daemon = daemon("allow = ['127.0.0.1:*', 'localhost:*']", "");
    let address = daemon.address();
    let body = encoded(&remote.url("/a.mp3"));
    let ask = || {
        let mut connection = Connection::open(address).unwrap();
        let head = connection.send_head("POST", BY_URL, &[URLENCODED], Some(body.len()));
        head.and_then(|()| connection.send(body.as_bytes()))
            .unwrap();
        connection
    };
    let connections: Vec<_> = (0..8).map(|_| ask()).collect();
    remote.wait_for(8);
    let moved = format!("Location: {}\r\n", remote.url("/b.mp3"));
    let later = RemoteServer::start(move |asked, to| match &*asked.target {
        "/moved" => respond(to, "302 Found", &moved, b""),
        _ => respond(to, "404 Not Found", "", b""),
    });
    let other = |path: &str| format!("http://localhost:{}{path}", later.address.port());
    for url in [remote.url("/b.mp3"), other("/moved")] {
        let refused = fetch(address, "", &url).expect(503, "one too many");
        assert!(refused.text().contains("8 downloads"), "{}", refused.text());
        assert_eq!(refused.header("retry-after"), Some("1"));
    }
    fetch(address, "", &other("/")).expect(400, "another host has places");
    drop(connections);
    until("there is room again", || {
        (fetch(address, "", &later.url("/")).status == 400).then_some(())
    });
    assert_nothing_left(&daemon);
}

#[test]
fn what_has_begun_goes_on_without_its_client() {
    let spoken = spoken(53);
    let bytes = spoken.bytes();
    let (go_on, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let remote = RemoteServer::start(move |_, to| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len());
        to.write_all(head.as_bytes())?;
        to.write_all(&bytes[..20_000])?;
        to.flush()?;
        let _ = wait.lock().unwrap().recv();
        to.write_all(&bytes[20_000..])
    });
    let daemon = daemon("allow = ['127.0.0.1:*']", "");
    let address = daemon.address();
    let body = encoded(&remote.url("/a.wav"));
    let mut client = Connection::open(address).unwrap();
    let head = client.send_head("POST", BY_URL, &[URLENCODED], Some(body.len()));
    head.and_then(|()| client.send(body.as_bytes())).unwrap();
    until("it is being stored", || {
        let mut uploads = fs::read_dir(daemon.state_dir().join("uploads")).unwrap();
        uploads.next().map(drop)
    });
    drop(client);
    go_on.send(()).unwrap();
    let ids = until("it is a task", || {
        Some(task::all_ids(address)).filter(|ids| !ids.is_empty())
    });
    assert_eq!(heard(address, &ids[0]), spoken.text());
}
