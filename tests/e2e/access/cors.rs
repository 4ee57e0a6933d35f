//! Pages of other origins (Fetch standard, CORS protocol).

use crate::fixtures::tokens;
use crate::support::daemon::Daemon;
use crate::support::http::{Response, request};
use crate::support::tus::{CONTENT, FILES, RESUMABLE, Upload};

const PAGE: &str = "https://notes.example";
const OTHER_PAGE: &str = "http://192.168.1.5:3000";

/// Asks from a page of `origin`.
#[track_caller]
fn ask(
    daemon: &Daemon,
    method: &str,
    target: &str,
    origin: &str,
    headers: &[(&str, &str)],
) -> Response {
    let headers = [&[("Origin", origin)], headers].concat();
    let body = (method == "POST").then_some(&b""[..]);
    request(daemon.address(), method, target, &headers, body).unwrap()
}

#[track_caller]
fn expect_allowed(response: &Response, origin: &str) {
    let expected = [
        ("access-control-allow-origin", origin),
        ("access-control-allow-credentials", "true"),
        ("vary", "Origin"),
    ];
    for (name, value) in expected {
        assert_eq!(response.header(name), Some(value), "{name}");
    }
}

#[track_caller]
fn expect_ignored(response: &Response) {
    for (name, _) in &response.headers {
        assert!(!name.starts_with("access-control-"), "{name}");
    }
}

/// The configuration where these pages may come.
fn allowing(origin: &str) -> String {
    format!("[http]\ncors_origins = ['{origin}']\n")
}

fn daemon(config: &str) -> Daemon {
    let daemon = Daemon::start_unready(Daemon::folder_with(config), &[]);
    daemon.wait_until_ready();
    daemon
}

#[test]
fn a_preflight_needs_no_token_and_names_what_the_page_may_do() {
    let daemon = tokens::daemon(&allowing(PAGE));
    tokens::add(&daemon, &["recorder"]);
    tokens::reload(&daemon);
    let upload = format!("{FILES}0aa4c0bc-7a25-4c1e-9c53-28ac0b2b5f57");
    for (target, method) in [(FILES, "POST"), (&upload, "PATCH"), ("/task/all", "GET")] {
        let wanted = "authorization,tus-resumable,x-request-id";
        let headers = [
            ("Access-Control-Request-Method", method),
            ("Access-Control-Request-Headers", wanted),
            ("Access-Control-Request-Private-Network", "true"),
        ];
        let answer = ask(&daemon, "OPTIONS", target, PAGE, &headers).expect(204, target);
        expect_allowed(&answer, PAGE);
        let methods = answer.header("access-control-allow-methods").unwrap();
        assert!(methods.split(", ").any(|one| one == method), "{methods}");
        for (name, value) in [
            ("access-control-allow-headers", wanted),
            ("access-control-max-age", "86400"),
            ("access-control-allow-private-network", "true"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
        // The request itself does need a token; the page can read that.
        let refused = ask(&daemon, method, target, PAGE, &[RESUMABLE]).expect(401, target);
        expect_allowed(&refused, PAGE);
    }
}

#[test]
fn a_page_can_read_the_headers_of_an_upload() {
    let daemon = daemon(&allowing(PAGE));
    let headers = [RESUMABLE, ("Upload-Length", "4")];
    let created = ask(&daemon, "POST", FILES, PAGE, &headers).expect(201, "creation");
    expect_allowed(&created, PAGE);
    let exposed = created.header("access-control-expose-headers").unwrap();
    let exposed: Vec<&str> = exposed.split(", ").collect();
    for name in [
        "Location",
        "Upload-Offset",
        "Upload-Length",
        "Upload-Expires",
        "Upload-Metadata",
        "Upload-Concat",
        "Upload-Defer-Length",
        "Tus-Resumable",
        "Tus-Version",
        "Tus-Extension",
        "Tus-Max-Size",
        "Tus-Checksum-Algorithm",
    ] {
        assert!(exposed.contains(&name), "{name}: {exposed:?}");
    }
    let plain = Upload::create(daemon.address(), 4, &[]).head();
    assert_eq!(plain.header("vary"), None, "no page asked");
    assert_eq!(plain.header("access-control-allow-origin"), None);
}

#[test]
fn only_the_pages_that_are_named_may_come() {
    let daemon = daemon(&allowing(OTHER_PAGE));
    let preflight = [("Access-Control-Request-Method", "POST")];
    let create = [RESUMABLE, ("Upload-Length", "4")];
    expect_allowed(
        &ask(&daemon, "OPTIONS", FILES, OTHER_PAGE, &preflight),
        OTHER_PAGE,
    );
    expect_allowed(
        &ask(&daemon, "POST", FILES, OTHER_PAGE, &create),
        OTHER_PAGE,
    );
    for origin in [
        PAGE,
        "http://192.168.1.5",
        "http://192.168.1.5:3000.example",
        "null",
    ] {
        let refused = ask(&daemon, "OPTIONS", FILES, origin, &preflight).expect(403, origin);
        expect_ignored(&refused);
        let refused = ask(&daemon, "POST", FILES, origin, &create).expect(403, origin);
        expect_ignored(&refused);
    }
}

#[test]
fn a_token_in_a_page_of_another_origin_reads_nothing() {
    let daemon = tokens::daemon("");
    let token = format!("Bearer {}", tokens::add(&daemon, &["phone"]));
    tokens::reload(&daemon);
    for (target, method) in [("/task/all", "GET"), (FILES, "POST"), ("/nothing", "PUT")] {
        let headers = [
            ("Access-Control-Request-Method", method),
            ("Access-Control-Request-Headers", "authorization"),
        ];
        let refused = ask(&daemon, "OPTIONS", target, PAGE, &headers).expect(403, target);
        assert!(
            refused.text().contains("cors_origins"),
            "{}",
            refused.text()
        );
        expect_ignored(&refused);
    }
    // No browser sends this without a preflight, which is refused.
    let token = [("Authorization", &*token)];
    let answer = ask(&daemon, "GET", "/task/all", PAGE, &token).expect(200, "it has a token");
    expect_ignored(&answer);
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let refused = ask(&daemon, "POST", "/speech-to-text-url", PAGE, &form).expect(401, "a form");
    expect_ignored(&refused);
}

#[test]
fn a_star_allows_every_page_without_credentials() {
    let daemon = daemon(&allowing("*"));
    let preflight = [("Access-Control-Request-Method", "POST")];
    let create = [RESUMABLE, ("Upload-Length", "4")];
    for origin in [PAGE, "null"] {
        for (method, status, headers) in [("OPTIONS", 204, &preflight[..]), ("POST", 201, &create)]
        {
            let answer = ask(&daemon, method, FILES, origin, headers).expect(status, origin);
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
            assert_eq!(answer.header("access-control-allow-credentials"), None);
        }
    }
}

#[test]
fn an_upload_from_a_page_is_an_upload() {
    let daemon = daemon(&allowing(PAGE));
    let upload = Upload::create(daemon.address(), 4, &[("filename", "a.wav")]);
    let headers = [
        RESUMABLE,
        ("Origin", PAGE),
        ("Content-Type", CONTENT.1),
        ("Upload-Offset", "0"),
    ];
    let patched = request(
        daemon.address(),
        "PATCH",
        &upload.path,
        &headers,
        Some(b"RIFF"),
    );
    expect_allowed(&patched.unwrap().expect(204, "PATCH"), PAGE);
}
