//! Callbacks when a task has ended: `callback_url`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::signal::Signal;
use serde_json::Value;
use uuid::Uuid;

use crate::fixtures::documents;
use crate::fixtures::itself::{ITSELF, names_of_itself};
use crate::fixtures::remote_server::{RemoteServer, hang, respond};
use crate::support::daemon::Daemon;
use crate::support::http::{delete, request};
use crate::support::speech::{self, Script, VOICES};
use crate::support::task;
use crate::support::tus::{self, FILES, RESUMABLE, Upload};
use crate::support::waiting::until;

const CONFIG: &str = "[callbacks]\nallow = ['127.0.0.1:*']";

fn daemon(config: &str) -> Daemon {
    Daemon::start_unready(Daemon::folder_with(config), &[])
}

/// Uploads what is no recording: its task fails soon. Its id.
fn fail(address: SocketAddr, callback_url: &str) -> String {
    let metadata = [("filename", "a.txt"), ("callback_url", callback_url)];
    let content = b"this is no recording at all";
    let upload = Upload::create(address, content.len(), &metadata);
    upload.finish(content, content.len());
    upload.id().to_owned()
}

/// The callback of a task once it is so.
fn callback(address: SocketAddr, id: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    until("the callback is so far", || {
        let callback = task::look(address, id)["metadata"]["callback"].clone();
        is_so(&callback).then_some(callback)
    })
}

fn has_status(status: &str) -> impl Fn(&Value) -> bool {
    move |callback| callback["status"] == *status
}

fn was_tried(callback: &Value) -> bool {
    callback["attempts"].as_u64() >= Some(1)
}

fn outbox(daemon: &Daemon) -> usize {
    let entries = fs::read_dir(daemon.state_dir().join("callbacks"));
    entries.expect("the outbox").count()
}

struct Receiver(Child);

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program of scribed-callbacks(7), at a port of its own, and what it prints.
fn receiver(secret: &str) -> (Receiver, u16, impl Iterator<Item = String>) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("callback-secret"), secret).unwrap();
    let program = documents::block("packaging/man/scribed-callbacks.7", "webhook");
    assert!(program.contains("9000), Receiver)"), "{program}");
    let program = program.replace("9000), Receiver)", "0), Receiver)");
    let program = program.replace(
        "server.serve_forever",
        "print(server.server_port, flush=True); server.serve_forever",
    );
    let mut child = Command::new("python3")
        .args(["-c", &program])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("python3 is installed");
    let said = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = said.map_while(Result::ok);
    let port = said.next().expect("its port").parse().expect("a number");
    (Receiver(child), port, said)
}

#[test]
fn the_receiver_of_the_manual_knows_whose_callback_it_is() {
    let daemon = daemon(CONFIG);
    let address = daemon.address();
    let secret = fs::read_to_string(daemon.state_dir().join("callback-secret")).unwrap();
    let (_running, port, mut said) = receiver(&secret);
    let spoken = speech::speak(Script::short(VOICES[3], 61));
    let boundary = ("Content-Type", "multipart/form-data; boundary=XX");
    let mut form = b"--XX\r\nContent-Disposition: form-data; name=file\r\n\r\n".to_vec();
    form.extend(spoken.bytes());
    form.extend(b"\r\n--XX--\r\n");
    let url = format!("http://127.0.0.1:{port}/done?x=y");
    for (route, id) in [
        ("/speech-to-text", "identifier"),
        ("/upload/stream", "upload_id"),
    ] {
        let target = format!("{route}?callback_url=http%3A%2F%2F127.0.0.1%3A{port}%2Fdone%3Fx%3Dy");
        let reply = request(address, "POST", &target, &[boundary], Some(&form)).unwrap();
        let reply = reply.expect(200, route).json();
        let id = reply[id].as_str().unwrap();
        let line = said.next().expect("a line");
        assert!(
            line.starts_with("msg_") && line.ends_with(" completed"),
            "{line}"
        );
        let callback = callback(address, id, has_status("delivered"));
        assert_eq!(callback["attempts"], 1, "{callback}");
        assert!(callback["error"].is_null(), "{callback}");
        assert_eq!(task::look(address, id)["metadata"]["callback_url"], *url);
    }
    assert_eq!(outbox(&daemon), 0);

    let other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let (_running, port, _) = receiver(other);
    let id = fail(address, &format!("http://127.0.0.1:{port}/"));
    let callback = callback(address, &id, was_tried);
    assert_eq!(callback["error"], "answers 401 Unauthorized", "{callback}");
    assert_eq!(callback["status"], "pending", "{callback}");
}

#[test]
fn the_message_is_that_of_the_task() {
    let remote = RemoteServer::start(|_, to| respond(to, "204 No Content", "", b""));
    let daemon = daemon(CONFIG);
    let address = daemon.address();
    let spoken = speech::speak(Script::short(VOICES[4], 62));
    let metadata = [("filename", "a.wav"), ("callback_url", &remote.url("/"))];
    let upload = Upload::create(address, spoken.bytes().len(), &metadata);
    upload.finish(&spoken.bytes(), 1 << 20);
    let asked = remote.wait_for(1).remove(0);
    assert_eq!((&*asked.method, &*asked.target), ("POST", "/"));
    assert_eq!(asked.header("content-type"), "application/json");
    assert!(asked.header("user-agent").starts_with("scribed/"));
    let mut message: Value = serde_json::from_slice(&asked.body).unwrap();
    let heard = task::text(&task::segments(&message["result"]));
    assert_eq!(heard, spoken.text(), "{message}");
    callback(address, upload.id(), has_status("delivered"));
    let mut known = task::look(address, upload.id());
    for one in [&mut message, &mut known] {
        one["metadata"]["callback"].take();
    }
    assert_eq!(message, known);

    // Once more at the end of another transcription: another message.
    let target = format!("/task/{}/retry", upload.id());
    request(address, "POST", &target, &[], Some(b""))
        .unwrap()
        .expect(202, "a retry");
    let asked = remote.wait_for(2);
    assert_ne!(asked[0].header("webhook-id"), asked[1].header("webhook-id"));
}

#[test]
fn a_callback_survives_crashes_until_it_is_delivered() {
    let remote = RemoteServer::start(|_, to| respond(to, "200 OK", "", b""));
    let port = remote.address.port();
    let url = remote.url("/done");
    drop(remote);
    let mut daemon = daemon(CONFIG);
    let id = fail(daemon.address(), &url);
    let failed = callback(daemon.address(), &id, was_tried);
    let why = failed["error"].as_str().unwrap();
    assert!(why.contains("cannot be reached"), "{failed}");
    assert_eq!(outbox(&daemon), 1);
    daemon.kill9();
    daemon.start_again();
    callback(daemon.address(), &id, |callback| {
        callback["attempts"].as_u64() >= Some(2)
    });
    // The task ended, and nothing was sent yet.
    daemon.kill9();
    let remote = RemoteServer::start_at(port, |_, to| respond(to, "200 OK", "", b""));
    daemon.start_again();
    let asked = remote.wait_for(1);
    let message: Value = serde_json::from_slice(&asked[0].body).unwrap();
    assert_eq!(message["status"], "failed", "{message}");
    callback(daemon.address(), &id, has_status("delivered"));
    assert_eq!(outbox(&daemon), 0);
    daemon.kill9();
    daemon.start_again();
    let delivered = callback(daemon.address(), &id, has_status("delivered"));
    assert!(delivered["attempts"].as_u64() >= Some(3), "{delivered}");
    let second = fail(daemon.address(), &url);
    callback(daemon.address(), &second, has_status("delivered"));
    assert_eq!(remote.asked().len(), 2, "each once");
}

#[test]
fn no_callback_is_sent_before_its_task_has_ended() {
    let remote = RemoteServer::start(|_, to| respond(to, "200 OK", "", b""));
    let mut daemon = daemon(CONFIG);
    daemon.wait_until_ready();
    daemon.engine().signal(Signal::SIGSTOP);
    let spoken = speech::speak(Script::short(VOICES[5], 63));
    let metadata = [("filename", "a.wav"), ("callback_url", &remote.url("/"))];
    let upload = Upload::create(daemon.address(), spoken.bytes().len(), &metadata);
    upload.finish(&spoken.bytes(), 1 << 20);
    // As a crash leaves it between the outbox and the task's record.
    daemon.kill9();
    let early = format!(
        r#"{{"message_id":"{}","url":"{}","since":{{"wall_ms":1,"since_boot_ms":1}},"status":"pending","attempts":0}}"#,
        "11111111-1111-4111-8111-111111111111",
        remote.url("/"),
    );
    let place = daemon.state_dir().join("callbacks").join(upload.id());
    fs::write(place, early).unwrap();
    daemon.start_again();
    let message = &remote.wait_for(1)[0];
    let message: Value = serde_json::from_slice(&message.body).unwrap();
    assert_eq!(message["status"], "completed", "{message}");
    callback(daemon.address(), upload.id(), has_status("delivered"));
    assert_eq!(remote.asked().len(), 1);
}

#[test]
fn a_slow_receiver_delays_no_other() {
    let slow = RemoteServer::start(|_, to| hang(to));
    let fine = RemoteServer::start(|_, to| respond(to, "200 OK", "", b""));
    let daemon = daemon(CONFIG);
    let address = daemon.address();
    let waits = [1, 2].map(|_| fail(address, &slow.url("/")));
    slow.wait_for(1);
    let id = fail(address, &fine.url("/"));
    callback(address, &id, has_status("delivered"));
    for id in waits {
        let callback = &task::look(address, &id)["metadata"]["callback"];
        assert_eq!(callback["attempts"], 0, "{callback}");
    }
    assert_eq!(slow.asked().len(), 1, "one at a time");
    // A task that is deleted has no callback.
    let id = fail(address, &slow.url("/"));
    task::ended(address, &id);
    assert_eq!(outbox(&daemon), 3);
    delete(address, &format!("/task/{id}")).expect(200, "deletion");
    assert_eq!(outbox(&daemon), 2);
}

#[test]
fn what_fails_is_tried_again_unless_that_is_of_no_use() {
    let count = AtomicUsize::new(0);
    let remote = RemoteServer::start(move |asked, to| match &*asked.target {
        "/once" if count.fetch_add(1, Ordering::Relaxed) == 0 => {
            respond(to, "500 Internal Server Error", "", b"")
        }
        "/once" => respond(to, "201 Created", "", b""),
        "/gone" => respond(to, "410 Gone", "", b""),
        "/moved" => respond(to, "308 Permanent Redirect", "Location: /once\r\n", b""),
        other => panic!("{other}"),
    });
    let daemon = daemon(CONFIG);
    let address = daemon.address();
    let [once, gone, moved] = ["/once", "/gone", "/moved"].map(|to| fail(address, &remote.url(to)));
    let state = callback(address, &gone, has_status("failed"));
    assert_eq!(state["error"], "answers 410 Gone", "{state}");
    let state = callback(address, &moved, was_tried);
    let why = state["error"].as_str().unwrap();
    assert!(why.contains("308"), "{state}");
    assert_eq!(state["status"], "pending", "{state}");
    let state = callback(address, &once, has_status("delivered"));
    assert_eq!(state["attempts"], 2, "{state}");
    let asked = remote.asked();
    let of_once: Vec<_> = asked
        .iter()
        .filter(|asked| asked.target == "/once")
        .collect();
    assert_eq!(of_once.len(), 2, "redirects are not followed");
    assert_eq!(
        of_once[0].header("webhook-id"),
        of_once[1].header("webhook-id")
    );
    assert_ne!(
        of_once[0].header("webhook-timestamp"),
        of_once[1].header("webhook-timestamp")
    );
}

#[test]
fn it_is_given_up_in_time() {
    let remote = RemoteServer::start(|_, to| respond(to, "503 Service Unavailable", "", b""));
    let daemon = daemon(&format!("{CONFIG}\nretry_for = '1s'"));
    let id = fail(daemon.address(), &remote.url("/done?key=hush"));
    let state = callback(daemon.address(), &id, has_status("failed"));
    let why = state["error"].as_str().unwrap();
    assert!(why.contains("503"), "{state}");
    assert_eq!(outbox(&daemon), 0);
    let said = daemon.stderr();
    assert!(said.contains("callback given up"), "{said}");
    assert!(!said.contains("hush"), "{said}");
}

#[test]
fn only_hosts_that_are_named_are_called_also_later() {
    let remote = RemoteServer::start(|_, to| respond(to, "500 Internal Server Error", "", b""));
    let refusal = |address, url: &str, status: u16| {
        let metadata = tus::encode_metadata(&[("callback_url", url)]);
        let headers = [
            RESUMABLE,
            ("Upload-Length", "1"),
            ("Upload-Metadata", &*metadata),
        ];
        let reply = request(address, "POST", FILES, &headers, Some(b"")).unwrap();
        let tus = reply.expect(400, url).text();
        let query = form_urlencoded::byte_serialize(url.as_bytes()).collect::<String>();
        let target = format!("/speech-to-text?callback_url={query}");
        let reply = request(address, "POST", &target, &[], Some(b"")).unwrap();
        let reply = reply.expect(status, url).json();
        let detail = reply["detail"].as_str().unwrap().to_owned();
        assert_eq!(tus.trim(), detail);
        (reply["error"]["code"].as_str().unwrap().to_owned(), detail)
    };
    let allows_none = Daemon::start();
    let (code, detail) = refusal(allows_none.address(), &remote.url("/"), 400);
    assert_eq!(code, "CALLBACK_NOT_ALLOWED");
    assert!(detail.contains("callbacks.allow is empty"), "{detail}");

    let folder = Daemon::folder_with(CONFIG);
    let config = folder.path().join("scribed.toml");
    let mut daemon = Daemon::start_unready(folder, &[]);
    let (code, detail) = refusal(daemon.address(), "http://localhost/", 400);
    assert_eq!(code, "CALLBACK_NOT_ALLOWED");
    assert!(detail.contains("may not reach"), "{detail}");
    for wrong in ["ftp://127.0.0.1/", "http://a:b@127.0.0.1/", "nonsense"] {
        let (code, _) = refusal(daemon.address(), wrong, 422);
        assert_eq!(code, "VALIDATION_ERROR", "{wrong}");
    }
    assert!(remote.asked().is_empty());
    let id = fail(daemon.address(), &remote.url("/"));
    callback(daemon.address(), &id, was_tried);
    for allow in ["'other.example'", ""] {
        daemon.terminate();
        let asked = remote.asked().len();
        fs::write(&config, format!("[callbacks]\nallow = [{allow}]")).unwrap();
        daemon.start_again();
        let state = callback(daemon.address(), &id, |callback| {
            callback["error"]
                .as_str()
                .is_some_and(|why| why.contains("callbacks.allow"))
        });
        assert_eq!(state["status"], "pending", "{state}");
        assert_eq!(remote.asked().len(), asked, "{allow}");
    }
}

#[test]
fn the_daemon_never_calls_itself() {
    let config = format!("[http]\nbase_url = 'https://notes.example'\n[callbacks]\n{ITSELF}");
    let daemon = daemon(&config);
    let address = daemon.address();
    let names = names_of_itself(address.port());
    let [known @ .., unresolved] = &names;
    let notes = "https://notes.example".to_owned();
    for name in known.iter().chain([&notes]) {
        let url = format!("{name}/task/{}/retry", Uuid::new_v4());
        let metadata = tus::encode_metadata(&[("callback_url", &url)]);
        let headers = [
            RESUMABLE,
            ("Upload-Length", "9"),
            ("Upload-Metadata", &metadata),
        ];
        let refused = request(address, "POST", FILES, &headers, Some(b"")).unwrap();
        let text = refused.expect(400, name).text();
        assert!(
            text.contains("leads to this server itself"),
            "{name}: {text}"
        );
    }
    // One whose name is resolved when it is used: tried once, without a connection.
    let id = Uuid::new_v4().to_string();
    let url = format!("{unresolved}/task/{id}/retry");
    let metadata = [
        ("filename", "a.txt"),
        ("callback_url", &*url),
        ("taskId", &id),
    ];
    let content = b"this is no recording at all";
    let upload = Upload::create(address, content.len(), &metadata);
    upload.finish(content, content.len());
    let failed = callback(address, &id, has_status("failed"));
    assert_eq!(failed["attempts"], 1, "{failed}");
    let error = failed["error"].as_str().unwrap();
    assert!(error.contains("leads to this server itself"), "{error}");
    // Another port of this machine is another server.
    let receiver = RemoteServer::start(|_, to| respond(to, "200 OK", "", b""));
    let id = fail(address, &receiver.url("/done"));
    callback(address, &id, has_status("delivered"));
}
