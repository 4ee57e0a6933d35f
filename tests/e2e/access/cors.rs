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
    assert_eq!(response.header("access-control-allow-origin"), None);
    assert_eq!(response.header("access-control-allow-credentials"), None);
    assert_eq!(response.header("vary"), Some("Origin"));
}

#[test]
fn a_preflight_needs_no_token_and_names_what_the_page_may_do() {
    let daemon = tokens::daemon("");
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
    let daemon = Daemon::start();
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
    let config = format!("[http]\ncors_origins = ['{OTHER_PAGE}']");
    let daemon = Daemon::start_unready(Daemon::folder_with(&config), &[]);
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
        let answer = ask(&daemon, "OPTIONS", FILES, origin, &preflight);
        expect_ignored(&answer);
        assert_eq!(answer.header("access-control-allow-methods"), None);
        expect_ignored(&ask(&daemon, "POST", FILES, origin, &create));
    }
}

#[test]
fn an_upload_from_a_page_is_an_upload() {
    let daemon = Daemon::start();
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
