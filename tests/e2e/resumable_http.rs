//! Resumable Uploads for HTTP (draft-ietf-httpbis-resumable-upload), in every
//! state of the draft that clients speak.

use std::fs;
use std::net::SocketAddr;

use crate::daemon::Daemon;
use crate::http::{Connection, Cut, Response, get, request};
use crate::random::{Random, letters, seed};
use crate::task;
use crate::tus::{FILES, location_path};
use crate::waiting::until;

const VERSIONS: [&str; 5] = ["3", "4", "5", "6", "8"];
const PROBLEMS: &str = "https://iana.org/assignments/http-problem-types#";
const CHUNK: (&str, &str) = ("Content-Type", "application/partial-upload");

/// A client that speaks one state of the draft.
#[derive(Clone, Copy)]
struct Client {
    address: SocketAddr,
    version: &'static str,
}

impl Client {
    fn newest(address: SocketAddr) -> Client {
        Client {
            address,
            version: "8",
        }
    }

    /// The header that says whether these are the last bytes.
    fn complete(self, is_last: bool) -> (&'static str, &'static str) {
        match (self.version, is_last) {
            ("3", true) => ("Upload-Incomplete", "?0"),
            ("3", false) => ("Upload-Incomplete", "?1"),
            (_, true) => ("Upload-Complete", "?1"),
            (_, false) => ("Upload-Complete", "?0"),
        }
    }

    /// Whether an answer says that the upload is complete.
    fn is_complete(self, response: &Response) -> Option<bool> {
        let (name, yes) = self.complete(true);
        let told = response.header(&name.to_lowercase())?;
        Some(told == yes)
    }

    fn draft(self) -> (&'static str, &'static str) {
        ("Upload-Draft-Interop-Version", self.version)
    }

    fn ask(self, method: &str, path: &str, more: &[(&str, &str)], body: Option<&[u8]>) -> Response {
        let headers = [&[self.draft()], more].concat();
        request(self.address, method, path, &headers, body)
            .unwrap_or_else(|error| panic!("{method} {path} {headers:?}: {error}"))
    }

    fn create(self, is_last: bool, bytes: &[u8]) -> Response {
        self.ask("POST", FILES, &[self.complete(is_last)], Some(bytes))
    }

    fn append(self, path: &str, offset: usize, is_last: bool, bytes: &[u8]) -> Response {
        let offset = offset.to_string();
        let headers = [self.complete(is_last), CHUNK, ("Upload-Offset", &*offset)];
        self.ask("PATCH", path, &headers, Some(bytes))
    }

    fn head(self, path: &str) -> Response {
        self.ask("HEAD", path, &[], None)
    }
}

fn data(daemon: &Daemon, path: &str) -> Vec<u8> {
    let id = path.rsplit('/').next().unwrap();
    fs::read(daemon.state_dir().join("uploads").join(id).join("data")).unwrap()
}

fn limits(response: &Response) -> Vec<&str> {
    let limits = response.header("upload-limit").expect("Upload-Limit");
    limits.split(", ").collect()
}

#[test]
fn upload_creation_and_append_in_every_state_of_the_draft() {
    let daemon = Daemon::start();
    let content = letters(300_000, &mut Random::new(seed()));
    for version in VERSIONS {
        let client = Client {
            address: daemon.address(),
            version,
        };
        // In several requests.
        let created = client.create(false, &content[..100_000]);
        let created = created.expect(201, version);
        let path = location_path(&created);
        assert_eq!(client.is_complete(&created), Some(false), "{version}");
        assert!(limits(&created).contains(&"min-size=0"), "{version}");
        assert_eq!(
            created.header("upload-draft-interop-version"),
            Some(version)
        );
        let head = client.head(&path).expect(204, version);
        assert_eq!(head.number("upload-offset"), Some(100_000));
        assert_eq!(client.is_complete(&head), Some(false), "{version}");
        assert_eq!(head.header("cache-control"), Some("no-store"));
        assert_eq!(head.header("upload-length"), None, "nobody told it");
        let appended = client.append(&path, 100_000, false, &content[100_000..200_000]);
        let status = if version == "3" { 201 } else { 204 };
        let appended = appended.expect(status, version);
        assert_eq!(client.is_complete(&appended), Some(false), "{version}");
        assert_eq!(appended.number("upload-offset"), Some(200_000));
        let last = client.append(&path, 200_000, true, &content[200_000..]);
        let last = last.expect(200, version);
        assert_eq!(client.is_complete(&last), Some(true), "{version}");
        let id = path.rsplit('/').next().unwrap();
        assert_eq!(last.json()["identifier"], id);
        let head = client.head(&path).expect(204, version);
        assert_eq!(client.is_complete(&head), Some(true), "{version}");
        assert_eq!(head.number("upload-length"), Some(300_000));
        assert!(data(&daemon, &path) == content, "{version}");
        task::ended(daemon.address(), id);

        // In one.
        let created = client.create(true, &content).expect(201, version);
        assert_eq!(client.is_complete(&created), Some(true), "{version}");
        assert!(data(&daemon, &location_path(&created)) == content);
    }
    assert_eq!(task::count(daemon.address()), 2 * VERSIONS.len() as u64);
}

/// What URLSession does: everything in one request, and the rest in another
/// one when that breaks. The interim answer tells where.
#[test]
fn a_creation_that_is_cut_can_be_resumed() {
    let daemon = Daemon::start();
    let content = letters(500_000, &mut Random::new(seed()));
    for version in VERSIONS {
        for cut in [Cut::Close, Cut::Reset] {
            let client = Client {
                address: daemon.address(),
                version,
            };
            let mut connection = Connection::open(client.address).unwrap();
            let headers = [client.draft(), client.complete(true)];
            let length = Some(content.len());
            connection
                .send_head("POST", FILES, &headers, length)
                .unwrap();
            let interim = connection.receive_any("POST").unwrap();
            assert_eq!(interim.status, 104, "{version}");
            assert_eq!(
                interim.header("upload-draft-interop-version"),
                Some(version)
            );
            let path = location_path(&interim);
            assert!(limits(&interim).contains(&"min-size=0"), "{version}");
            connection.send(&content[..200_000]).unwrap();
            connection.cut(cut);
            let offset = until("HEAD tells the offset", || {
                let head = client.head(&path).expect(204, version);
                assert_eq!(client.is_complete(&head), Some(false), "{version}");
                assert_eq!(head.number("upload-length"), Some(500_000));
                head.number("upload-offset")
            }) as usize;
            assert!(matches!(cut, Cut::Reset) || offset == 200_000, "{offset}");
            let rest = client.append(&path, offset, true, &content[offset..]);
            rest.expect(200, version);
            assert!(data(&daemon, &path) == content);
        }
    }
}

#[test]
fn interim_answers_come_between_others_and_only_to_who_knows_them() {
    let config = "[auth]\nmode = 'open'\nnetworks = ['127.0.0.0/8']\n";
    let daemon = Daemon::start_unready(Daemon::folder_with(config), &[]);
    let client = Client::newest(daemon.address());
    let mut connection = Connection::open(client.address).unwrap();
    let complete = client.complete(true);
    let draft = client.draft();
    for round in 0..3 {
        for (headers, statuses) in [
            (&[complete, draft][..], &[104, 201][..]),
            (&[complete], &[201]),
            (&[complete, draft, ("Via", "1.1 proxy")], &[201]),
            (
                &[complete, draft, ("Expect", "100-continue")],
                &[104, 100, 201],
            ),
        ] {
            connection
                .send_head("POST", FILES, headers, Some(4))
                .unwrap();
            for (at, status) in statuses.iter().enumerate() {
                if at + 1 == statuses.len() {
                    connection.send(b"text").unwrap();
                }
                let answer = connection.receive_any("POST").unwrap();
                assert_eq!(answer.status, *status, "{round} {headers:?}");
            }
        }
    }
    // Requests sent without waiting for answers: each gets its own.
    let mut connection = Connection::open(client.address).unwrap();
    let mut requests = Vec::new();
    for _ in 0..20 {
        let head = format!(
            "POST {FILES} HTTP/1.1\r\nHost: box\r\nUpload-Complete: ?1\r\n\
             Upload-Draft-Interop-Version: 8\r\nContent-Length: 4\r\n\r\ntext"
        );
        requests.extend_from_slice(head.as_bytes());
    }
    connection.send(&requests).unwrap();
    for _ in 0..20 {
        let answer = connection.receive("POST").unwrap();
        answer.expect(201, "one of many");
    }
    // While the bytes come: how many of them are durable.
    let path = location_path(&client.create(false, b""));
    let headers = [draft, client.complete(false), CHUNK, ("Upload-Offset", "0")];
    let mut connection = Connection::open(client.address).unwrap();
    connection
        .send_head("PATCH", &path, &headers, Some(1000))
        .unwrap();
    connection.send(&[b'a'; 700]).unwrap();
    until("HEAD tells what has come", || {
        let head = client.head(&path).expect(204, "HEAD");
        (head.number("upload-offset") == Some(700)).then_some(())
    });
    let interim = until("all of it was told", || {
        let interim = connection.receive_any("PATCH").unwrap();
        assert_eq!(interim.status, 104);
        (interim.number("upload-offset") == Some(700)).then_some(interim)
    });
    assert_eq!(interim.header("location"), None);
    connection.send(&[b'a'; 300]).unwrap();
    let appended = connection.receive("PATCH").unwrap().expect(204, "PATCH");
    assert_eq!(appended.number("upload-offset"), Some(1000));
}

#[test]
fn lengths_that_come_late_or_not_at_all() {
    let daemon = Daemon::start();
    let client = Client::newest(daemon.address());
    let chunked = |method: &str, path: &str, more: &[(&str, &str)], body: &[u8]| {
        let headers = [&[client.draft(), ("Transfer-Encoding", "chunked")], more].concat();
        let mut connection = Connection::open(client.address).unwrap();
        connection.send_head(method, path, &headers, None).unwrap();
        let head = format!("{:x}\r\n", body.len());
        for bytes in [head.as_bytes(), body, b"\r\n0\r\n\r\n"] {
            connection.send(bytes).unwrap();
        }
        connection.receive(method).unwrap()
    };
    let content = letters(9 << 20, &mut Random::new(seed()));
    let whole = client.complete(true);
    // Nobody knows the length before the last byte.
    let created = chunked("POST", FILES, &[whole], &content).expect(201, "chunked");
    assert_eq!(client.is_complete(&created), Some(true));
    assert!(data(&daemon, &location_path(&created)) == content);

    let path = location_path(&client.create(false, &content[..1000]));
    let offset = ("Upload-Offset", "1000");
    let last = chunked("PATCH", &path, &[whole, CHUNK, offset], &content[1000..]);
    last.expect(200, "the last chunk");
    assert!(data(&daemon, &path) == content);
    // Told beside the first bytes, or in the middle.
    let length = ("Upload-Length", "2000");
    let more = [client.complete(false), length];
    let created = client.ask("POST", FILES, &more, Some(&content[..1000]));
    let path = location_path(&created.expect(201, "with its length"));
    let head = client.head(&path);
    assert_eq!(head.number("upload-length"), Some(2000));
    assert!(
        limits(&head)
            .iter()
            .any(|limit| limit.starts_with("max-age="))
    );
    let last = chunked(
        "PATCH",
        &path,
        &[whole, CHUNK, offset],
        &content[1000..1999],
    );
    let short = last.expect(400, "one byte is missing");
    assert_eq!(
        short.json()["type"],
        format!("{PROBLEMS}inconsistent-upload-length")
    );
    assert_eq!(client.head(&path).number("upload-offset"), Some(1999));
    let last = client.append(&path, 1999, true, &content[1999..2000]);
    last.expect(200, "the last byte");
    // Nothing at all is a recording too, and one can end with nothing.
    client.create(true, b"").expect(201, "an empty one");
    let path = location_path(&client.create(false, b"text"));
    client.append(&path, 4, true, b"").expect(200, "no more");
    assert_eq!(client.is_complete(&client.head(&path)), Some(true));
    let again = client.append(&path, 4, true, b"").expect(200, "once more");
    assert_eq!(client.is_complete(&again), Some(true));
}

#[test]
fn what_does_not_agree_is_told_as_a_problem() {
    let daemon = Daemon::start();
    let client = Client::newest(daemon.address());
    let path = location_path(&client.create(false, b"0123"));
    let wrong = client.append(&path, 3, false, b"3").expect(409, "offset");
    assert_eq!(wrong.number("upload-offset"), Some(4));
    assert_eq!(client.is_complete(&wrong), Some(false));
    assert_eq!(
        wrong.header("content-type"),
        Some("application/problem+json")
    );
    let problem = wrong.json();
    assert_eq!(
        problem["type"],
        format!("{PROBLEMS}mismatching-upload-offset")
    );
    assert_eq!(problem["expected-offset"], 4);
    assert_eq!(problem["provided-offset"], 3);

    let draft = client.draft();
    let not_last = client.complete(false);
    let last = client.complete(true);
    let offset = ("Upload-Offset", "4");
    for (status, method, headers, body) in [
        // No number, no boolean: ignored, and then it is missing.
        (400, "PATCH", &[not_last, CHUNK][..], b"45" as &[u8]),
        (
            400,
            "PATCH",
            &[not_last, CHUNK, ("Upload-Offset", "four")],
            b"45",
        ),
        (
            400,
            "PATCH",
            &[not_last, CHUNK, ("Upload-Offset", "\"4\"")],
            b"45",
        ),
        (
            400,
            "PATCH",
            &[not_last, CHUNK, ("Upload-Offset", "-4")],
            b"45",
        ),
        (400, "PATCH", &[CHUNK, offset], b"45"),
        (
            400,
            "PATCH",
            &[CHUNK, offset, ("Upload-Complete", "true")],
            b"45",
        ),
        (415, "PATCH", &[not_last, offset], b"45"),
        (
            415,
            "PATCH",
            &[not_last, offset, ("Content-Type", "text/plain")],
            b"45",
        ),
        (
            400,
            "PATCH",
            &[last, CHUNK, offset, ("Upload-Length", "7")],
            b"45",
        ),
        (400, "POST", &[last, ("Upload-Length", "7")], b"45"),
        (400, "POST", &[not_last, ("Upload-Length", "1")], b"45"),
        (400, "POST", &[], b"45"),
        (
            413,
            "POST",
            &[not_last, ("Upload-Length", "999999999999999")],
            b"45",
        ),
    ] {
        let target = if method == "PATCH" { &path } else { FILES };
        let answer = client.ask(method, target, headers, Some(body));
        assert_eq!(answer.status, status, "{headers:?} {}", answer.text());
        assert_eq!(answer.json()["status"], status, "{headers:?}");
        let told = (method == "PATCH").then_some(4);
        assert_eq!(answer.number("upload-offset"), told, "{headers:?}");
        let is_complete = (method == "PATCH").then_some(false);
        assert_eq!(client.is_complete(&answer), is_complete, "{headers:?}");
        if status == 413 {
            assert!(limits(&answer).contains(&"max-size=5368709120"));
        }
        assert_eq!(client.head(&path).number("upload-offset"), Some(4));
    }
    let missing = client.head("/uploads/files/0aa4c0bc-7a25-4c1e-9c53-28ac0b2b5f57");
    missing.expect(404, "none of ours");
    let headers = [draft, last];
    let wrong = request(client.address, "PUT", &path, &headers, Some(b"")).unwrap();
    let wrong = wrong.expect(405, "PUT to an upload");
    assert!(wrong.header("allow").unwrap().contains("PATCH"));
}

#[test]
fn a_state_of_the_draft_that_is_not_spoken_makes_an_upload_without_interim_answers() {
    let daemon = Daemon::start();
    for version in ["2", "7", "9", "x"] {
        let client = Client {
            address: daemon.address(),
            version,
        };
        let mut connection = Connection::open(client.address).unwrap();
        let headers = [client.draft(), client.complete(true)];
        connection
            .send_head("POST", FILES, &headers, Some(4))
            .unwrap();
        connection.send(b"text").unwrap();
        // The first answer is the final one.
        let created = connection.receive_any("POST").unwrap();
        let created = created.expect(201, version);
        let path = location_path(&created);
        let id = path.rsplit('/').next().unwrap();
        assert_eq!(created.json()["identifier"], id, "{version}");
        assert!(data(&daemon, &path) == b"text");
        // One in parts can be told, too, by what the answer says.
        let path = location_path(&client.create(false, b"01").expect(201, version));
        client.append(&path, 2, true, b"23").expect(200, version);
        assert!(data(&daemon, &path) == b"0123");
        let nothing = client.ask("POST", FILES, &[], Some(b"text"));
        let missing = nothing.expect(400, "no Upload-Complete").text();
        assert!(missing.contains("upload-complete"), "{missing}");
    }
}

#[test]
fn head_and_delete_have_no_headers_of_an_append() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        let client = Client {
            address: daemon.address(),
            version,
        };
        let path = location_path(&client.create(false, b"0123").expect(201, version));
        for header in [("Upload-Offset", "4"), client.complete(true)] {
            for method in ["HEAD", "DELETE"] {
                // The newest drafts say nothing of it.
                if version == "8" && method == "DELETE" {
                    continue;
                }
                let status = if version == "8" { 204 } else { 400 };
                let answer = client.ask(method, &path, &[header], None);
                assert_eq!(answer.status, status, "{version} {method} {header:?}");
            }
        }
        let head = client.head(&path).expect(204, version);
        assert_eq!(head.number("upload-offset"), Some(4), "{version}");
        client.ask("DELETE", &path, &[], None).expect(204, version);
    }
}

#[test]
fn appending_nothing_to_a_complete_upload_is_refused_where_the_draft_says_so() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        let client = Client {
            address: daemon.address(),
            version,
        };
        let path = location_path(&client.create(true, b"0123").expect(201, version));
        let again = client.append(&path, 4, true, b"");
        assert_eq!(client.is_complete(&again), Some(true), "{version}");
        assert_eq!(again.number("upload-offset"), Some(4), "{version}");
        if version == "6" {
            let refused = again.expect(400, version).json();
            assert_eq!(refused["type"], format!("{PROBLEMS}completed-upload"));
        } else {
            again.expect(200, version);
        }
        let more = client.append(&path, 4, true, b"4").expect(400, version);
        assert_eq!(client.is_complete(&more), Some(true), "{version}");
        assert_eq!(get(client.address, &path).body, b"0123", "{version}");
    }
}

#[test]
fn the_type_of_an_append_may_have_parameters() {
    let daemon = Daemon::start();
    let client = Client::newest(daemon.address());
    let path = location_path(&client.create(false, b""));
    for (offset, told) in [
        ("0", "application/partial-upload; charset=utf-8"),
        ("2", "Application/Partial-Upload ;x=\"y;z\""),
    ] {
        let headers = [
            client.complete(false),
            ("Upload-Offset", offset),
            ("Content-Type", told),
        ];
        let appended = client.ask("PATCH", &path, &headers, Some(b"01"));
        appended.expect(204, told);
    }
}

#[test]
fn an_upload_that_runs_past_its_length_is_taken_away() {
    let daemon = Daemon::start();
    let client = Client::newest(daemon.address());
    let more = [client.complete(false), ("Upload-Length", "6")];
    let create = || {
        let created = client.ask("POST", FILES, &more, Some(b"0123"));
        location_path(&created.expect(201, "creation"))
    };
    let path = create();
    let refused = client
        .append(&path, 4, false, b"456")
        .expect(400, "too many");
    assert_eq!(
        refused.json()["type"],
        format!("{PROBLEMS}inconsistent-upload-length")
    );
    client.head(&path).expect(404, "it is gone");
    // One that is complete stays as it is.
    let path = create();
    client.append(&path, 4, true, b"45").expect(200, "the rest");
    client.append(&path, 6, true, b"6").expect(400, "one more");
    assert_eq!(client.is_complete(&client.head(&path)), Some(true));
    assert_eq!(get(client.address, &path).body, b"012345");
}

#[test]
fn cancellation_limits_and_wishes() {
    let daemon = Daemon::start();
    let client = Client::newest(daemon.address());
    let options = client
        .ask("OPTIONS", FILES, &[], None)
        .expect(204, "OPTIONS");
    let accepted = options.header("accept-patch").unwrap();
    assert!(accepted.contains("application/partial-upload"));
    assert_eq!(limits(&options), ["max-size=5368709120", "min-size=0"]);

    let path = location_path(&client.create(false, b"0123"));
    client.ask("DELETE", &path, &[], None).expect(204, "DELETE");
    client.head(&path).expect(404, "HEAD after DELETE");

    let id = "0aa4c0bc-7a25-4c1e-9c53-28ac0b2b5f57";
    let target = format!("{FILES}?language=de&model=demo&taskId={id}");
    let name = "inline; filename=\"x\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.txt";
    let headers = [
        client.complete(true),
        ("Content-Disposition", name),
        ("Content-Type", "text/plain"),
    ];
    let put = client.ask("PUT", &target, &headers, Some(b"text"));
    let put = put.expect(201, "PUT");
    assert_eq!(location_path(&put), format!("{FILES}{id}"));
    let task = task::ended(client.address, id);
    assert_eq!(task["metadata"]["file_name"], "größe.txt");
    assert_eq!(task["metadata"]["language"], "de");
}
