//! Requests that do not agree with the upload or the draft, and the problem
//! types (RFC 9457) that say so.

use super::support::{CHUNK, Client, PROBLEMS, VERSIONS, limits};
use crate::support::daemon::Daemon;
use crate::support::http::request;
use crate::support::tus::{FILES, location_path};

#[test]
fn what_does_not_agree_is_answered_with_a_problem() {
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
        let expected = (method == "PATCH").then_some(4);
        assert_eq!(answer.number("upload-offset"), expected, "{headers:?}");
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
fn the_type_of_an_append_may_have_parameters() {
    let daemon = Daemon::start();
    let client = Client::newest(daemon.address());
    let path = location_path(&client.create(false, b""));
    for (offset, content_type) in [
        ("0", "application/partial-upload; charset=utf-8"),
        ("2", "Application/Partial-Upload ;x=\"y;z\""),
    ] {
        let headers = [
            client.complete(false),
            ("Upload-Offset", offset),
            ("Content-Type", content_type),
        ];
        let appended = client.ask("PATCH", &path, &headers, Some(b"01"));
        appended.expect(204, content_type);
    }
}
