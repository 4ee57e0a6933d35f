//! What browsers may do where no token is needed: the host that a request is for,
//! the page that makes it, and proxies.

use std::net::SocketAddr;

use uuid::Uuid;

use crate::fixtures::listener::Listener;
use crate::fixtures::tokens;
use crate::support::daemon::Daemon;
use crate::support::http::{Connection, Response, get};
use crate::support::tus::{FILES, RESUMABLE, Upload};

const OPEN: &str = "[auth]\nmode = 'open'\nnetworks = ['127.0.0.0/8']\n";
const FOREIGN: &str = "https://evil.example";

fn daemon(config: &str) -> Daemon {
    let daemon = Daemon::start_unready(Daemon::folder_with(config), &[]);
    daemon.wait_until_ready();
    daemon
}

/// Asks for what this `Host` names.
#[track_caller]
fn ask(address: SocketAddr, request_line: &str, host: &str, headers: &[(&str, &str)]) -> Response {
    let mut head = format!("{request_line}\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if request_line.starts_with("POST") || request_line.starts_with("PATCH") {
        head += "Content-Length: 0\r\n";
    }
    let mut connection = Connection::open(address).unwrap();
    connection.send(format!("{head}\r\n").as_bytes()).unwrap();
    let method = request_line.split(' ').next().unwrap();
    connection.receive(method).expect(request_line)
}

const LIST: &str = "GET /task/all HTTP/1.1";

#[test]
fn a_name_that_is_not_known_gets_nothing_without_a_token() {
    let base = "[http]\nbase_url = 'https://notes.example/scribed'\n";
    let [closed, open] = [daemon(base), daemon(&format!("{base}{OPEN}"))];
    let address = closed.address().to_string();
    for (host, of_closed, of_open) in [
        (&*address, 200, 200),
        ("localhost:8000", 200, 200),
        ("scribed.localhost", 200, 200),
        ("[::1]:8000", 200, 200),
        // What a proxy on this machine passes on, which adds no header.
        ("192.168.1.20:8000", 403, 200),
        ("notes.example", 403, 200),
        ("evil.example", 421, 421),
        ("evil.example:8000", 421, 421),
        ("127.0.0.1.evil.example", 421, 421),
        ("scribed", 421, 421),
    ] {
        for (daemon, status) in [(&closed, of_closed), (&open, of_open)] {
            let answer = ask(daemon.address(), LIST, host, &[]).expect(status, host);
            let text = answer.text();
            match status {
                421 => assert!(text.contains("http.base_url"), "{text}"),
                403 => assert!(text.contains("tokens add"), "{text}"),
                _ => {}
            }
        }
    }
    for method in ["POST", "HEAD", "PATCH", "DELETE", "OPTIONS"] {
        let id = Uuid::new_v4();
        let line = format!("{method} {FILES}{id} HTTP/1.1");
        let refused = ask(open.address(), &line, "evil.example", &[RESUMABLE]);
        refused.expect(421, method);
    }
    // What needs no token shows nothing.
    for path in ["/", "/health", "/health/live", "/health/ready"] {
        let line = format!("GET {path} HTTP/1.1");
        let page = ask(closed.address(), &line, "evil.example", &[]);
        assert!([200, 503].contains(&page.status), "{path}: {page:?}");
        assert_eq!(page.header("access-control-allow-origin"), None);
    }
    // Only its holder sends a token.
    let daemon = tokens::daemon("");
    let token = format!("Bearer {}", tokens::add(&daemon, &["phone"]));
    tokens::reload(&daemon);
    let token = [("Authorization", &*token)];
    ask(daemon.address(), LIST, "scribed", &token).expect(200, "any name");
}

#[test]
fn a_page_of_another_origin_gets_nothing_without_a_token() {
    for config in ["", OPEN] {
        let daemon = daemon(config);
        let address = daemon.address();
        let (host, own) = (address.to_string(), format!("http://{address}"));
        let upload = Upload::create(address, 9, &[]);
        let other_port = format!("http://127.0.0.1:{}", address.port() ^ 1);
        let other_scheme = format!("https://{address}");
        let requests = [
            LIST.to_owned(),
            format!("POST {FILES} HTTP/1.1"),
            format!("HEAD {} HTTP/1.1", upload.path),
            format!("GET {} HTTP/1.1", upload.path),
            format!("PATCH {} HTTP/1.1", upload.path),
            format!("OPTIONS {FILES} HTTP/1.1"),
            "POST /speech-to-text HTTP/1.1".into(),
            "POST /speech-to-text-url HTTP/1.1".into(),
            "POST /upload/stream HTTP/1.1".into(),
            "POST /api/ws/ticket HTTP/1.1".into(),
            "POST /v1/audio/transcriptions HTTP/1.1".into(),
            format!("POST /task/{}/retry HTTP/1.1", upload.id()),
            format!("GET /task/{}/events HTTP/1.1", upload.id()),
            format!("DELETE /task/{} HTTP/1.1", upload.id()),
            format!("DELETE {} HTTP/1.1", upload.path),
        ];
        for line in &requests {
            for origin in [FOREIGN, "null", &*other_port, &other_scheme] {
                let headers = [RESUMABLE, ("Origin", origin)];
                let refused = ask(address, line, &host, &headers).expect(403, line);
                if !line.starts_with("HEAD") {
                    assert!(refused.text().contains("http.cors_origins"), "{line}");
                }
                assert_eq!(refused.header("access-control-allow-origin"), None);
            }
        }
        // Nothing was changed, and the own page may.
        let headers = [RESUMABLE, ("Origin", &*own)];
        ask(address, &requests[2], &host, &headers).expect(200, "the own page");
        // Images and scripts, for which no Origin is sent; and links.
        for (mode, status) in [("no-cors", 403), ("navigate", 200)] {
            let headers = [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", mode)];
            ask(address, LIST, &host, &headers).expect(status, mode);
        }
        for (origin, is_own) in [(FOREIGN, false), ("null", false), (&own, true)] {
            let id = upload.id();
            let mut socket = Listener::socket(address, id, &[("Origin", origin)]);
            match is_own {
                true => assert_eq!(socket.news()["type"], "progress"),
                false => assert_eq!(socket.close_code(), 1008, "{origin}"),
            }
        }
        upload.head().expect(200, "still there");
    }
}

#[test]
fn what_came_through_a_proxy_is_not_from_this_machine() {
    let closed = daemon("");
    let address = closed.address();
    let host = address.to_string();
    ask(address, LIST, &host, &[]).expect(200, "from here");
    for name in [
        "Forwarded",
        "Via",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X-Forwarded-Proto",
        "X-Forwarded-Server",
        "X-Real-IP",
        "X-Client-IP",
        "X-Cluster-Client-IP",
        "X-Envoy-External-Address",
        "X-Azure-ClientIP",
        "X-Original-Forwarded-For",
        "CF-Connecting-IP",
        "CF-Ray",
        "CDN-Loop",
        "True-Client-IP",
        "Fastly-Client-IP",
        "Fly-Client-IP",
    ] {
        let refused = ask(address, LIST, &host, &[(name, "127.0.0.1")]).expect(403, name);
        assert!(refused.text().contains("no proxy"), "{}", refused.text());
    }
    // As nginx asks without any configuration.
    ask(address, "GET /task/all HTTP/1.0", &host, &[]).expect(403, "HTTP/1.0");
}

#[test]
fn every_response_forbids_to_guess_its_type() {
    let daemon = daemon("");
    let address = daemon.address();
    let id = Uuid::new_v4();
    for path in [
        "/",
        "/health/live",
        "/task/all",
        "/nothing",
        &format!("/task/{id}"),
        &format!("/task/{id}/transcript"),
        &format!("{FILES}{id}"),
        "/v1/models",
        "/v1/nothing",
        &format!("/{}", "a".repeat(9000)),
    ] {
        let answer = get(address, path);
        let found = answer.header("x-content-type-options");
        assert_eq!(found, Some("nosniff"), "{path}: {answer:?}");
    }
}
