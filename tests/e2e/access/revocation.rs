//! A removed token: whatever was begun with it ends, however it was begun, and
//! makes no task afterwards. Also where another token gets its name.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixtures::form::{FORM, part};
use crate::fixtures::listener::{Listener, WAYS};
use crate::fixtures::remote_server::RemoteServer;
use crate::fixtures::tokens;
use crate::support::daemon::Daemon;
use crate::support::http::{Connection, Response, request};
use crate::support::task;
use crate::support::tus::{CONTENT, FILES, RESUMABLE, encode_metadata, location_path};
use crate::support::waiting::until;

/// What ends at once ends within this time, however busy the machine is. Nothing
/// else ends a request so soon.
const SOON: Duration = Duration::from_secs(20);

/// Of a recording: more than all buffers between two programs hold.
const LONG_BYTES: usize = 24 << 20;

/// So many of a request are sent after the revocation.
const LAST_BYTES: usize = 12;

const BYTES: &[u8] = b"RIFF\x24\x00\x00\x00WAVEfmt data and more";

/// How the token of the test is removed.
#[derive(Debug, Clone, Copy)]
enum Removal {
    /// It is gone.
    Alone,
    /// Another one has its name.
    Replaced,
}

/// A daemon with a token of the test, and one of an administrator.
struct Scene {
    daemon: Daemon,
    phone: String,
    admin: String,
}

impl Scene {
    fn new(more: &str) -> Scene {
        let daemon = tokens::daemon(more);
        let phone = tokens::add(&daemon, &["phone"]);
        let admin = tokens::add(&daemon, &["admin", "--admin"]);
        tokens::reload(&daemon);
        let [phone, admin] = [phone, admin].map(|token| format!("Bearer {token}"));
        Scene {
            daemon,
            phone,
            admin,
        }
    }

    fn address(&self) -> SocketAddr {
        self.daemon.address()
    }

    fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        let headers = [headers, &[("Authorization", &*self.phone)]].concat();
        let body = matches!(method, "POST" | "PATCH").then_some(body);
        request(self.address(), method, target, &headers, body).unwrap()
    }

    /// An upload of the token, as these headers say; its path.
    fn create(&self, headers: &[(&str, &str)]) -> String {
        let headers = [headers, &[RESUMABLE]].concat();
        location_path(
            &self
                .ask("POST", FILES, &headers, b"")
                .expect(201, "creation"),
        )
    }

    /// A request whose body is announced and sent without its last bytes.
    fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Connection {
        let mut connection = Connection::open(self.address()).unwrap();
        let headers = [headers, &[("Authorization", &*self.phone)]].concat();
        connection
            .send_head(method, target, &headers, Some(body.len()))
            .unwrap();
        connection.send(&body[..body.len() - LAST_BYTES]).unwrap();
        connection
    }

    fn admin(&self, target: &str) -> Value {
        let headers = [("Authorization", &*self.admin)];
        let answer = request(self.address(), "GET", target, &headers, None).unwrap();
        answer.expect(200, target).json()
    }

    fn tasks(&self) -> Vec<String> {
        let all = self.admin("/task/all?page_size=100");
        let tasks = all["tasks"].as_array().unwrap().iter();
        let mut ids: Vec<_> = tasks
            .map(|task| task::text_of(task, "identifier").to_owned())
            .collect();
        ids.sort_unstable();
        ids
    }

    /// How far an upload is; `None`: it is gone.
    fn offset(&self, path: &str) -> Option<u64> {
        let headers = [RESUMABLE, ("Authorization", &*self.admin)];
        until("HEAD has an answer", || {
            let answer = request(self.address(), "HEAD", path, &headers, None).unwrap();
            match answer.status {
                423 => None,
                404 => Some(None),
                _ => Some(answer.number("upload-offset")),
            }
        })
    }

    /// Removes the token, and waits until it is not accepted any more.
    fn revoke(&self, how: Removal) {
        let (removed, _, stderr) = tokens::run(&self.daemon, &["remove", "phone"]);
        assert!(removed, "{stderr}");
        if let Removal::Replaced = how {
            tokens::add(&self.daemon, &["phone"]);
        }
        kill(self.daemon.pid(), Signal::SIGHUP).unwrap();
        until("the token is removed", || {
            let status = self.ask("GET", "/task/all", &[], b"").status;
            (status == 401).then_some(())
        });
    }

    /// Removes the token while something runs; `ended` returns once that has
    /// ended. No task is made.
    fn expect_end<T>(&self, how: Removal, what: &str, ended: impl FnOnce() -> T) -> T {
        let tasks = self.tasks();
        self.revoke(how);
        let begun = Instant::now();
        let value = ended();
        let took = begun.elapsed();
        eprintln!("{what} ended {} ms after {how:?}", took.as_millis());
        assert!(took < SOON, "{what}: {took:?}");
        assert_eq!(self.tasks(), tasks, "{what}: a task was made");
        value
    }
}

const REMOVALS: [Removal; 2] = [Removal::Alone, Removal::Replaced];

/// Sends the last bytes, if that is still possible, and expects no success.
fn finish(mut connection: Connection, body: &[u8], method: &str, what: &str) {
    // The connection may be closed already.
    let _ = connection.send(&body[body.len() - LAST_BYTES..]);
    match connection.receive(method) {
        Ok(answer) => {
            let status = answer.status;
            assert_eq!(status, 401, "{what}: {answer:?}");
        }
        Err(error) => assert_ne!(error.kind(), io::ErrorKind::WouldBlock, "{what}"),
    }
}

/// Everything that a listener still gets.
#[track_caller]
fn assert_over(mut listener: Listener, what: &str) {
    let error = listener.up_to("error").pop().unwrap();
    assert_eq!(error["error_code"], "ACCESS_REVOKED", "{what}: {error}");
    assert_eq!(listener.next(), None, "{what}");
}

#[test]
fn listeners_end_and_tickets_open_nothing() {
    for how in REMOVALS {
        let scene = Scene::new("");
        let address = scene.address();
        let path = scene.create(&[("Upload-Length", "10")]);
        let id = path.rsplit('/').next().unwrap();
        let header = [("Authorization", &*scene.phone)];
        let ticket = || {
            let body = json!({ "task_id": id }).to_string();
            let answer = scene.ask("POST", "/api/ws/ticket", &[], body.as_bytes());
            let ticket = answer.expect(201, "a ticket").json();
            format!("{id}?ticket={}", task::text_of(&ticket, "ticket"))
        };
        let nothing = Uuid::new_v4().to_string();
        let mut listeners = Vec::new();
        for listen in WAYS {
            listeners.push(listen(address, id, &header));
            listeners.push(listen(address, &ticket(), &[]));
            // Of an upload that may come.
            listeners.push(listen(address, &nothing, &header));
        }
        for listener in &mut listeners {
            listener.news();
        }
        let late = [ticket(), ticket()];
        scene.expect_end(how, "listeners", || {
            for (number, listener) in listeners.into_iter().enumerate() {
                assert_over(listener, &format!("listener {number}"));
            }
        });
        let mut socket = Listener::socket(address, &late[0], &[]);
        assert_eq!(socket.close_code(), 1008, "{how:?}");
        let (id, query) = late[1].split_once('?').unwrap();
        let events = format!("/task/{id}/events?{query}");
        request(address, "GET", &events, &[], None)
            .unwrap()
            .expect(401, "a ticket of a removed token");
    }
}

#[test]
fn running_uploads_are_parked() {
    let length = BYTES.len().to_string();
    let complete = ("Upload-Complete", "?1");
    let draft = ("Upload-Draft-Interop-Version", "6");
    let chunk = ("Content-Type", "application/partial-upload");
    for how in REMOVALS {
        for version in ["TUS", "IETF"] {
            let scene = Scene::new("");
            let path = scene.create(&[("Upload-Length", &length)]);
            let headers = match version {
                "TUS" => vec![RESUMABLE, CONTENT, ("Upload-Offset", "0")],
                _ => vec![draft, complete, chunk, ("Upload-Offset", "0")],
            };
            let connection = scene.send("PATCH", &path, &headers, BYTES);
            scene.expect_end(how, version, || finish(connection, BYTES, "PATCH", version));
            let offset = scene.offset(&path).expect("the upload is kept");
            assert!(offset < BYTES.len() as u64, "{version}: {offset}");
        }
        let length = ("Upload-Length", &*length);
        for (what, headers) in [
            ("TUS, creation", vec![RESUMABLE, CONTENT, length]),
            ("IETF, creation", vec![draft, complete]),
        ] {
            let scene = Scene::new("");
            let connection = scene.send("POST", FILES, &headers, BYTES);
            scene.expect_end(how, what, || finish(connection, BYTES, "POST", what));
        }
    }
}

#[test]
fn recordings_in_one_request_are_refused() {
    let recording = [b"RIFF\x24\x00\x00\x00WAVE".as_slice(), &[0; 9000]].concat();
    let file = part("; name=\"file\"; filename=\"a.wav\"", &recording);
    let model = part("; name=\"model\"", b"whisper-1");
    for how in REMOVALS {
        for (target, parts) in [
            ("/speech-to-text", vec![file.clone()]),
            ("/upload/stream", vec![file.clone()]),
            (
                "/v1/audio/transcriptions",
                vec![model.clone(), file.clone()],
            ),
        ] {
            let scene = Scene::new("");
            let body = crate::fixtures::form::form(&parts);
            let connection = scene.send("POST", target, &[FORM], &body);
            scene.expect_end(how, target, || finish(connection, &body, "POST", target));
            let uploads = scene.daemon.state_dir().join("uploads");
            until("nothing is left of it", || {
                (std::fs::read_dir(&uploads).unwrap().count() == 0).then_some(())
            });
        }
    }
}

#[test]
fn what_is_being_fetched_is_given_up() {
    for how in REMOVALS {
        let go_on = Arc::new(AtomicBool::new(false));
        let waits = Arc::clone(&go_on);
        let remote = RemoteServer::start(move |_, to| {
            let start = [b"RIFF\x24\x00\x00\x00WAVE".as_slice(), &[0; 9000]].concat();
            let length = start.len() + 1;
            write!(to, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")?;
            to.write_all(&start)?;
            to.flush()?;
            while !waits.load(Ordering::Relaxed) {
                sleep(Duration::from_millis(10));
            }
            to.write_all(b"x")
        });
        let scene = Scene::new("[callbacks]\nallow = ['127.0.0.1:*']");
        let uploads = scene.daemon.state_dir().join("uploads");
        let count = || std::fs::read_dir(&uploads).unwrap().count();
        let mut connection = Connection::open(scene.address()).unwrap();
        let mut form = form_urlencoded::Serializer::new(String::new());
        let form = form.append_pair("url", &remote.url("/a.wav")).finish();
        let headers = [
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Authorization", &*scene.phone),
        ];
        connection
            .send_head("POST", "/speech-to-text-url", &headers, Some(form.len()))
            .unwrap();
        connection.send(form.as_bytes()).unwrap();
        remote.wait_for(1);
        until("it is being fetched", || (count() == 1).then_some(()));
        scene.expect_end(how, "a fetch", || {
            go_on.store(true, Ordering::Relaxed);
            let answer = connection.receive("POST").unwrap();
            answer.expect(401, "a fetch");
            until("nothing is left of it", || (count() == 0).then_some(()));
        });
    }
}

#[test]
fn a_download_ends_though_its_client_does_not_read() {
    for how in REMOVALS {
        let scene = Scene::new("");
        let length = LONG_BYTES.to_string();
        let path = scene.create(&[("Upload-Length", &length)]);
        let headers = [RESUMABLE, CONTENT, ("Upload-Offset", "0")];
        scene
            .ask("PATCH", &path, &headers, &vec![7; LONG_BYTES])
            .expect(204, "PATCH");
        let mut connection = Connection::open(scene.address()).unwrap();
        let header = [("Authorization", &*scene.phone)];
        connection.send_head("GET", &path, &header, None).unwrap();
        let mut stream = connection.into_stream();
        let client = stream.local_addr().unwrap();
        scene.expect_end(how, "a download", || {
            // Nothing was read of it so far.
            until("its connection is closed", || {
                (!is_established(scene.address(), client)).then_some(())
            });
        });
        let mut received = Vec::new();
        // A reset, or the end.
        let _ = stream.read_to_end(&mut received);
        assert!(received.len() < LONG_BYTES, "it is cut off");
    }
}

/// Whether the server still holds its connection with this client.
fn is_established(server: SocketAddr, client: SocketAddr) -> bool {
    const ESTABLISHED: &str = "01";
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let port = |address: SocketAddr| format!(":{:04X}", address.port());
    table.lines().skip(1).any(|row| {
        let fields: Vec<_> = row.split_whitespace().collect();
        let [local, remote] = [fields[1], fields[2]];
        local.ends_with(&port(server))
            && remote.ends_with(&port(client))
            && fields[3] == ESTABLISHED
    })
}

#[test]
fn parts_make_no_recording() {
    let length = BYTES.len().to_string();
    for how in REMOVALS {
        let scene = Scene::new("");
        let partial = [("Upload-Length", &*length), ("Upload-Concat", "partial")];
        let part = scene.create(&partial);
        let task = Uuid::new_v4().to_string();
        let concat = format!("final;{part}");
        let metadata = encode_metadata(&[("taskId", &task)]);
        scene.create(&[("Upload-Concat", &concat), ("Upload-Metadata", &metadata)]);
        let headers = [RESUMABLE, CONTENT, ("Upload-Offset", "0")];
        let connection = scene.send("PATCH", &part, &headers, BYTES);
        scene.expect_end(how, "a part", || {
            finish(connection, BYTES, "PATCH", "a part")
        });
        let offset = scene.offset(&part).expect("it is kept");
        assert!(offset < BYTES.len() as u64);
    }
}

#[test]
fn anonymous_clients_end_with_the_first_token() {
    let daemon = tokens::daemon("");
    let address = daemon.address();
    let nothing = Uuid::new_v4().to_string();
    let mut listeners = WAYS.map(|listen| listen(address, &nothing, &[]));
    for listener in &mut listeners {
        listener.news();
    }
    let length = BYTES.len().to_string();
    let headers = [RESUMABLE, ("Upload-Length", &*length)];
    let created = request(address, "POST", FILES, &headers, Some(b"")).unwrap();
    let path = location_path(&created.expect(201, "creation"));
    let mut patch = Connection::open(address).unwrap();
    let headers = [RESUMABLE, CONTENT, ("Upload-Offset", "0")];
    patch
        .send_head("PATCH", &path, &headers, Some(BYTES.len()))
        .unwrap();
    patch.send(&BYTES[..BYTES.len() - LAST_BYTES]).unwrap();
    let admin = tokens::add(&daemon, &["admin", "--admin"]);
    tokens::reload(&daemon);
    let begun = Instant::now();
    finish(patch, BYTES, "PATCH", "an anonymous upload");
    for listener in listeners {
        assert_over(listener, "an anonymous listener");
    }
    assert!(begun.elapsed() < SOON);
    let headers = [("Authorization", &*format!("Bearer {admin}"))];
    let all = request(address, "GET", "/task/all", &headers, None).unwrap();
    assert_eq!(all.expect(200, "all tasks").json()["total"], 0);
}
