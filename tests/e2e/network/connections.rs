//! HTTP/1.1 as a connection sees it (RFC 9110, RFC 9112): what is refused, how
//! soon, and what is possible afterwards.

use std::io::ErrorKind;
use std::net::SocketAddr;

use crate::fixtures::tokens;
use crate::support::daemon::Daemon;
use crate::support::http::{Connection, Response, request};
use crate::support::random::{Random, letters, seed};
use crate::support::task;
use crate::support::tus::{self, CONTENT, FILES, RESUMABLE, Upload};
use crate::support::waiting::until;

const CONTINUE: (&str, &str) = ("Expect", "100-continue");

fn daemon(http: &str) -> Daemon {
    Daemon::start_unready(Daemon::folder_with(&format!("[http]\n{http}")), &[])
}

/// The answer to these bytes; the daemon may close before it has read them all.
fn answer_to(address: SocketAddr, sent: &[u8]) -> Response {
    let mut connection = Connection::open(address).unwrap();
    let _ = connection.send(sent);
    connection.receive("GET").unwrap()
}

#[track_caller]
fn assert_ended(mut connection: Connection) {
    let error = connection.receive("GET").unwrap_err();
    assert!(
        [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset].contains(&error.kind()),
        "{error}"
    );
}

#[track_caller]
fn assert_goes_on(connection: &mut Connection) {
    connection
        .send_head("GET", "/health/live", &[], None)
        .unwrap();
    let answer = connection.receive("GET").unwrap();
    answer.expect(200, "over the same connection");
}

#[test]
fn a_head_that_trickles_is_cut_and_delays_no_other_client() {
    // Were it one timer for both, this test would wait for an hour.
    let daemon = daemon("header_timeout = '3s'\nidle_timeout = '1h'");
    let address = daemon.address();
    let beginnings = [
        "G",
        "GET /health/live HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nA: ",
    ];
    for is_first in [true, false] {
        let slow: Vec<Connection> = beginnings
            .map(|beginning| {
                let mut connection = Connection::open(address).unwrap();
                if !is_first {
                    assert_goes_on(&mut connection);
                }
                connection.send(beginning.as_bytes()).unwrap();
                connection
            })
            .into();
        request(address, "GET", "/health/live", &[], None)
            .unwrap()
            .expect(200, "another client");
        for mut connection in slow {
            let answer = connection.receive("GET").unwrap().expect(408, "the reason");
            assert_eq!(answer.header("connection"), Some("close"));
            assert!(answer.header("date").is_some());
            assert!(answer.text().contains("header_timeout"), "{answer:?}");
            assert_ended(connection);
        }
    }
    let mut trickling = Connection::open(address).unwrap();
    until("the trickle is cut", || {
        trickling.send(b"A").is_err().then_some(())
    });
    // A client that sends nothing gets no answer.
    assert_ended(Connection::open(address).unwrap());
}

#[test]
fn a_connection_may_rest_longer_than_a_head_may_take() {
    let daemon = daemon("header_timeout = '3s'\nidle_timeout = '1h'");
    let mut resting = Connection::open(daemon.address()).unwrap();
    assert_goes_on(&mut resting);
    // Opened later, cut before: then the other one has rested for longer.
    for _ in 0..2 {
        assert_ended(Connection::open(daemon.address()).unwrap());
    }
    assert_goes_on(&mut resting);
}

#[test]
fn a_long_body_and_a_long_answer_have_nothing_to_do_with_the_head() {
    let daemon = daemon("header_timeout = '3s'\nidle_timeout = '1h'");
    let address = daemon.address();
    let upload = Upload::create(address, 10, &[]);
    let mut stalled = upload.patch_in_part(0, 10, b"RIFF").unwrap();
    for _ in 0..2 {
        assert_ended(Connection::open(address).unwrap());
    }
    stalled.send(b"456789").unwrap();
    stalled.receive("PATCH").unwrap().expect(204, "the rest");

    // More than the sockets hold, with the next request behind it already.
    let content = letters(32 << 20, &mut Random::new(seed()));
    let upload = tus::upload(address, "a.txt", &content);
    task::failure(address, upload.id());
    let mut slow = Connection::open(address).unwrap();
    slow.send_head("GET", &upload.path, &[], None).unwrap();
    slow.send(b"GET /health/live HTTP/1.1\r\n").unwrap();
    for _ in 0..2 {
        assert_ended(Connection::open(address).unwrap());
    }
    let answer = slow.receive("GET").unwrap().expect(200, "the recording");
    assert!(answer.body == content);
    slow.send(b"Host: localhost\r\n\r\n").unwrap();
    slow.receive("GET").unwrap().expect(200, "the next answer");
}

#[test]
fn heads_that_are_too_much_are_refused_with_a_status_that_says_so() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let get = |target: &str, fields: &str| {
        let head = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
        answer_to(address, head.as_bytes())
    };
    let fields =
        |count: usize| -> String { (0..count).map(|at| format!("A{at}: b\r\n")).collect() };
    let long = |length| format!("A: {}\r\n", "a".repeat(length));
    get("/health", &fields(99)).expect(200, "100 fields");
    get("/health", &fields(100)).expect(431, "101 fields");
    get("/health", &long(16_000)).expect(200, "a long field");
    get("/health", &long(16_384)).expect(431, "too long a field");
    // More than the sockets hold: the client is still sending when it is refused.
    get("/health", &long(20_000_000)).expect(431, "a field without an end");
    let target = |length| format!("/health?{}", "a".repeat(length - "/health?".len()));
    get(&target(8192), "").expect(200, "a long address");
    let refused = get(&target(8193), "").expect(414, "too long an address");
    assert!(refused.text().contains("8192"), "{}", refused.text());
    get(&target(100_000), "").expect(431, "an address without an end");

    for (sent, status) in [
        ("GET /health HTTP/1.1\r\n\r\n", 400),
        (
            "GET /health HTTP/1.1\r\nHost: localhost\r\nHost: y\r\n\r\n",
            400,
        ),
        ("GET /health HTTP/1.0\r\n\r\n", 200),
        ("\u{16}\u{3}\u{1}\u{2}\r\n\r\n", 400),
        ("GET /health\r\n\r\n", 400),
    ] {
        assert_eq!(
            answer_to(address, sent.as_bytes()).status,
            status,
            "{sent:?}"
        );
    }
}

/// A request up to its body.
type Head<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

/// Asks for consent to send a body of this length, which must be refused.
fn refused_before_the_body(address: SocketAddr, status: u16, head: Head<'_>, length: usize) {
    let (method, target, headers) = head;
    let what = format!("{method} {target} {headers:?}");
    // The client keeps its body, or sends it all the same.
    for body in [&b""[..], b"0123456789a"] {
        let mut connection = Connection::open(address).unwrap();
        connection
            .send_head(method, target, headers, Some(length))
            .unwrap();
        let answer = connection.receive_any(method).unwrap();
        let answer = answer.expect(status, &what);
        assert_eq!(answer.header("connection"), Some("close"), "{what}");
        let _ = connection.send(&body[..body.len().min(length)]);
        assert_ended(connection);
    }
}

/// Sends more than the sockets hold, and nothing the daemon wants; the refusal
/// must be read all the same.
fn refused_in_the_middle(address: SocketAddr, status: u16, (method, target, headers): Head<'_>) {
    let body = letters(20 << 20, &mut Random::new(seed()));
    let mut connection = Connection::open(address).unwrap();
    connection
        .send_head(method, target, headers, Some(body.len()))
        .unwrap();
    connection.send(&body).unwrap();
    let answer = connection.receive(method).unwrap();
    answer.expect(status, &format!("{method} {target}"));
}

#[test]
fn a_wrong_token_is_refused_as_gently() {
    let daemon = tokens::daemon("");
    let address = daemon.address();
    tokens::add(&daemon, &["phone"]);
    tokens::reload(&daemon);
    let token = ("Authorization", "Bearer x");
    let asking = [RESUMABLE, CONTENT, CONTINUE, token];
    let headers = [RESUMABLE, CONTENT, token];
    let upload = format!("{FILES}11111111-1111-4111-8111-111111111111");
    for (method, target) in [("POST", FILES), ("PATCH", &upload)] {
        refused_before_the_body(address, 401, (method, target, &asking), 10);
        refused_in_the_middle(address, 401, (method, target, &headers));
    }
    let mut connection = Connection::open(address).unwrap();
    for status in [401, 401] {
        connection
            .send_head("POST", FILES, &headers, Some(4))
            .unwrap();
        let answer = connection.receive("POST").unwrap();
        let answer = answer.expect(status, "a wrong token");
        assert_eq!(answer.header("connection"), None, "it goes on");
        connection.send(b"RIFF").unwrap();
    }
}

#[test]
fn consent_to_send_is_given_or_refused_before_the_body() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let upload = Upload::create(address, 10, &[]);
    let gone = format!("{FILES}11111111-1111-4111-8111-111111111111");
    let first = [RESUMABLE, CONTENT, CONTINUE, ("Upload-Offset", "0")];
    let later = [RESUMABLE, CONTENT, CONTINUE, ("Upload-Offset", "4")];
    let untyped = [RESUMABLE, CONTINUE, ("Upload-Offset", "0")];
    let unversioned = [CONTENT, CONTINUE, ("Upload-Offset", "0")];
    let large = [
        RESUMABLE,
        CONTENT,
        CONTINUE,
        ("Upload-Length", "99999999999"),
    ];
    let unknown = [RESUMABLE, CONTENT, ("Expect", "200-ok")];
    for (status, method, target, headers, length) in [
        (409, "PATCH", &*upload.path, &later[..], 6),
        (413, "PATCH", &upload.path, &first, 11),
        (415, "PATCH", &upload.path, &untyped, 10),
        (412, "PATCH", &upload.path, &unversioned, 10),
        (404, "PATCH", &gone, &first, 10),
        (413, "POST", FILES, &large, 10),
        (417, "POST", FILES, &unknown, 10),
        (405, "POST", "/task/all", &[CONTINUE], 10),
        (404, "POST", "/nothing", &[CONTINUE], 10),
    ] {
        refused_before_the_body(address, status, (method, target, headers), length);
        assert_eq!(upload.offset(), 0, "{method} {target} {headers:?}");
    }

    let mut connection = Connection::open(address).unwrap();
    connection
        .send_head("PATCH", &upload.path, &first, Some(10))
        .unwrap();
    let consent = connection.receive_any("PATCH").unwrap();
    consent.expect(100, "consent");
    connection.send(b"0123456789").unwrap();
    let answer = connection.receive_any("PATCH").unwrap();
    answer.expect(204, "the upload");
    assert_goes_on(&mut connection);
}

#[test]
fn a_connection_goes_on_after_an_error() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let upload = Upload::create(address, 10, &[]);
    let wrong_offset = [RESUMABLE, CONTENT, ("Upload-Offset", "4")];
    let expecting = [("Expect", "200-ok")];
    let offset = [RESUMABLE, CONTENT, ("Upload-Offset", "0")];
    let mut connection = Connection::open(address).unwrap();
    for (status, method, target, headers, body) in [
        (404, "GET", "/nothing", &[][..], None),
        (405, "POST", "/task/all", &[], Some(&b"{}"[..])),
        (404, "PUT", "/nothing", &[], Some(b"RIFF")),
        (417, "PUT", "/nothing", &expecting, Some(b"")),
        (400, "POST", FILES, &[RESUMABLE], Some(b"")),
        (409, "PATCH", &upload.path, &wrong_offset, Some(b"456789")),
        (413, "PATCH", &upload.path, &offset, Some(b"0123456789a")),
        (204, "PATCH", &upload.path, &offset, Some(b"0123456789")),
    ] {
        let length = body.map(<[u8]>::len);
        connection
            .send_head(method, target, headers, length)
            .unwrap();
        let body = body.unwrap_or_default();
        let what = format!("{method} {target}");
        // A refusal may come before the body, which comes all the same.
        if status == 204 {
            connection.send(body).unwrap();
        }
        let answer = connection.receive(method).unwrap();
        let answer = answer.expect(status, &what);
        assert_eq!(answer.header("connection"), None, "{what}");
        if status != 204 {
            connection.send(body).unwrap();
        }
    }
    task::failure(address, upload.id());
}

#[test]
fn a_client_that_is_still_sending_when_it_is_refused_can_read_why() {
    let daemon = Daemon::start();
    refused_in_the_middle(daemon.address(), 405, ("POST", "/task/all", &[]));
    refused_in_the_middle(daemon.address(), 404, ("PUT", "/nothing", &[]));
}

/// A body in chunks of that many bytes (RFC 9112, section 7.1).
fn chunked(body: &[u8], chunk_bytes: usize) -> Vec<u8> {
    let mut sent = Vec::new();
    let mut extension = ";ignored=1";
    for chunk in body.chunks(chunk_bytes) {
        let extension = std::mem::take(&mut extension);
        sent.extend(format!("{:x}{extension}\r\n", chunk.len()).into_bytes());
        sent.extend(chunk);
        sent.extend(b"\r\n");
    }
    sent.extend(b"0\r\nTrailer: ignored\r\n\r\n");
    sent
}

#[test]
fn bodies_may_come_in_chunks() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let content = letters(3_000_001, &mut Random::new(seed()));
    let length = content.len().to_string();
    let in_chunks = ("Transfer-Encoding", "chunked");
    for chunk_bytes in [1000, 70_000, 4 << 20] {
        let (first, second) = content.split_at(1_000_000);
        let mut connection = Connection::open(address).unwrap();
        let headers = [RESUMABLE, CONTENT, in_chunks, ("Upload-Length", &*length)];
        connection.send_head("POST", FILES, &headers, None).unwrap();
        connection.send(&chunked(first, chunk_bytes)).unwrap();
        let created = connection.receive("POST").unwrap().expect(201, "creation");
        assert_eq!(created.number("upload-offset"), Some(1_000_000));
        let path = tus::location_path(&created);
        let upload = Upload { address, path };

        let offset = ("Upload-Offset", "1000000");
        let headers = [RESUMABLE, CONTENT, in_chunks, offset];
        connection
            .send_head("PATCH", &upload.path, &headers, None)
            .unwrap();
        connection.send(&chunked(second, chunk_bytes)).unwrap();
        let patched = connection.receive("PATCH").unwrap().expect(204, "PATCH");
        assert_eq!(patched.number("upload-offset"), Some(content.len() as u64));
        assert_goes_on(&mut connection);
        let data = daemon.state_dir().join("uploads").join(upload.id());
        assert!(std::fs::read(data.join("data")).unwrap() == content);
    }
    let upload = Upload::create(address, 10, &[]);
    for (offset, sent, status, kept) in [
        ("0", &b"4\r\nRIFF\r\nxyz\r\n"[..], 400, 4),
        ("4", b"6\r\n456789\r\n1\r\na\r\n0\r\n\r\n", 413, 10),
    ] {
        let headers = [RESUMABLE, CONTENT, in_chunks, ("Upload-Offset", offset)];
        let mut connection = Connection::open(address).unwrap();
        connection
            .send_head("PATCH", &upload.path, &headers, None)
            .unwrap();
        connection.send(sent).unwrap();
        let answer = connection.receive("PATCH").unwrap();
        answer.expect(status, "no whole body, or one that is too long");
        assert_eq!(upload.offset(), kept);
    }
}

#[test]
fn requests_may_follow_each_other_without_waiting() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let upload = Upload::create(address, 10, &[]);
    let path = &upload.path;
    let start = "Host: localhost\r\nTus-Resumable: 1.0.0\r\n";
    let patch = |offset: usize, body: &str| {
        let length = body.len();
        format!(
            "PATCH {path} HTTP/1.1\r\n{start}Content-Type: {}\r\nUpload-Offset: {offset}\r\n\
             Content-Length: {length}\r\n\r\n{body}",
            CONTENT.1
        )
    };
    let head = format!("HEAD {path} HTTP/1.1\r\n{start}\r\n");
    let sent = [
        patch(0, "0123"),
        head.clone(),
        patch(9, "9"),
        patch(4, "456789"),
        head,
        "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n".into(),
    ];
    let mut connection = Connection::open(address).unwrap();
    connection.send(sent.concat().as_bytes()).unwrap();
    for (method, status, offset) in [
        ("PATCH", 204, Some(4)),
        ("HEAD", 200, Some(4)),
        ("PATCH", 409, Some(4)),
        ("PATCH", 204, Some(10)),
        ("HEAD", 200, Some(10)),
        ("GET", 404, None),
    ] {
        let answer = connection.receive(method).unwrap();
        assert_eq!(answer.number("upload-offset"), offset, "{method}");
        answer.expect(status, method);
    }
    assert_goes_on(&mut connection);
}
