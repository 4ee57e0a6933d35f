//! TUS 1.0.0, request by request: what is allowed, what is refused, and how.

use std::net::SocketAddr;

use jiff::fmt::rfc2822;

use crate::support::daemon::Daemon;
use crate::support::http::ask;
use crate::support::task;
use crate::support::tus::{self, CONTENT, FILES, RESUMABLE, Upload};
use crate::support::waiting::until;

/// What every request about an existing upload is tried on: 10 bytes long, 4 there.
fn four_of_ten(address: SocketAddr) -> Upload {
    let upload = Upload::create(address, 10, &[("filename", "a.wav")]);
    upload.patch(0, b"RIFF").unwrap().expect(204, "PATCH");
    upload
}

#[test]
fn creation() {
    let daemon = Daemon::start();
    let length = ("Upload-Length", "10");
    let metadata = |value| [RESUMABLE, length, ("Upload-Metadata", value)];
    for (status, headers) in [
        (201, &[RESUMABLE, length][..]),
        (201, &metadata("filename YS53YXY=,filetype YXVkaW8vd2F2")),
        (201, &metadata("filename YS53YXY=, language ZGU=")),
        (201, &metadata("is_confidential")),
        (201, &metadata("is_confidential,filename YS53YXY=")),
        (201, &metadata("filename w7bDpMO8LndhdiDinJM=")),
        (201, &metadata("filename Li4vLi4vZXRjL3Bhc3N3ZA==")),
        (400, &metadata("filename YS53YXY")),
        (400, &metadata("filename ????")),
        (400, &metadata("filename YS53 YXY=")),
        (400, &metadata("na\u{ef}ve YS53YXY=")),
        (400, &metadata("filename YS53YXY=,filename Yi53YXY=")),
        (400, &metadata("filename YS53YXY=,,language ZGU=")),
        (400, &[RESUMABLE]),
        (400, &[RESUMABLE, ("Upload-Length", "")]),
        (400, &[RESUMABLE, ("Upload-Length", "ten")]),
        (400, &[RESUMABLE, ("Upload-Length", "-1")]),
        (400, &[RESUMABLE, ("Upload-Length", "+1")]),
        (400, &[RESUMABLE, ("Upload-Length", "1.5")]),
        (413, &[RESUMABLE, ("Upload-Length", "5368709121")]),
        (413, &[RESUMABLE, ("Upload-Length", "18446744073709551615")]),
        (412, &[length]),
        (412, &[("Tus-Resumable", "0.2.2"), length]),
    ] {
        let response = ask(daemon.address(), "POST", FILES, headers, b"");
        assert_eq!(response.status, status, "{headers:?}: {}", response.text());
        assert_eq!(
            response.header("tus-resumable"),
            Some("1.0.0"),
            "{headers:?}"
        );
        match status {
            201 => {
                tus::location_path(&response);
                assert!(response.header("upload-expires").is_some(), "{headers:?}");
            }
            412 => assert_eq!(response.header("tus-version"), Some("1.0.0")),
            _ => assert!(!response.text().is_empty(), "{headers:?}: no reason given"),
        }
    }
}

#[test]
fn creation_with_upload() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let length = ("Upload-Length", "10");
    let create = |body: &[u8]| ask(address, "POST", FILES, &[RESUMABLE, length, CONTENT], body);

    let response = create(b"RIFF").expect(201, "a part");
    assert_eq!(response.number("upload-offset"), Some(4));
    let path = tus::location_path(&response);
    assert_eq!(Upload { address, path }.offset(), 4);

    let response = create(b"0123456789").expect(201, "the whole");
    assert_eq!(response.number("upload-offset"), Some(10));
    let path = tus::location_path(&response);
    task::failure(address, Upload { address, path }.id());

    create(b"0123456789a").expect(413, "more than announced");
    let headers = [RESUMABLE, length, ("Content-Type", "audio/wav")];
    ask(address, "POST", FILES, &headers, b"RIFF").expect(415, "another content type");
}

#[test]
fn creation_defer_length() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let deferred = ("Upload-Defer-Length", "1");
    for headers in [
        &[RESUMABLE, deferred, ("Upload-Length", "10")][..],
        &[RESUMABLE, ("Upload-Defer-Length", "0")],
        &[RESUMABLE, ("Upload-Defer-Length", "")],
    ] {
        ask(address, "POST", FILES, headers, b"").expect(400, "creation");
    }
    let create = |body: &[u8]| {
        let created = ask(
            address,
            "POST",
            FILES,
            &[RESUMABLE, deferred, CONTENT],
            body,
        );
        let path = tus::location_path(&created.expect(201, "creation"));
        Upload { address, path }
    };
    let patch = |upload: &Upload, offset: &str, length: &str, body: &[u8]| {
        let offset = ("Upload-Offset", offset);
        let headers = [RESUMABLE, CONTENT, offset, ("Upload-Length", length)];
        ask(address, "PATCH", &upload.path, &headers, body)
    };

    let upload = create(b"RIFF");
    let head = upload.head().expect(200, "HEAD");
    assert_eq!(head.header("upload-defer-length"), Some("1"));
    assert_eq!(head.header("upload-length"), None);
    assert_eq!(head.number("upload-offset"), Some(4));
    upload
        .patch(4, b"12")
        .unwrap()
        .expect(204, "still without a length");
    for (status, offset, length, body) in [
        (413, "6", "5", &b""[..]),
        (413, "6", "8", b"123"),
        (413, "6", "5368709121", b"3"),
        (409, "4", "10", b"3"),
        (400, "6", "ten", b"3"),
    ] {
        patch(&upload, offset, length, body).expect(status, length);
        assert_eq!(upload.head().header("upload-defer-length"), Some("1"));
    }
    patch(&upload, "6", "10", b"34").expect(204, "with the length");
    let head = upload.head().expect(200, "HEAD");
    assert_eq!(head.header("upload-defer-length"), None);
    assert_eq!(head.number("upload-length"), Some(10));
    patch(&upload, "8", "11", b"56").expect(400, "another length");
    patch(&upload, "8", "10", b"56").expect(204, "the same length again");
    task::failure(address, upload.id());

    let known_at_the_end = create(b"RIFF");
    patch(&known_at_the_end, "4", "4", b"").expect(204, "that was all");
    task::failure(address, known_at_the_end.id());
}

#[test]
fn an_upload_whose_length_comes_last_is_whole() {
    let daemon = Daemon::start();
    let address = daemon.address();
    // More than the step in which disk space is reserved.
    let file: Vec<u8> = (0..9 << 20).map(|at: u32| (at ^ at >> 9) as u8).collect();
    let headers = [RESUMABLE, ("Upload-Defer-Length", "1"), CONTENT];
    let created = ask(address, "POST", FILES, &headers, &file[..1001]);
    let path = tus::location_path(&created.expect(201, "creation"));
    let upload = Upload { address, path };
    let rest = &file[upload.offset()..];
    upload.patch(1001, rest).unwrap().expect(204, "the rest");
    let data = daemon
        .state_dir()
        .join("uploads")
        .join(upload.id())
        .join("data");
    let length = file.len().to_string();
    let offset = ("Upload-Offset", &*length);
    let end = [RESUMABLE, CONTENT, offset, ("Upload-Length", &*length)];
    ask(address, "PATCH", &upload.path, &end, b"").expect(204, "the length");
    assert!(std::fs::read(data).unwrap() == file, "other bytes");
}

#[test]
fn core_patch() {
    let daemon = Daemon::start();
    let offset = ("Upload-Offset", "4");
    let of_type = |content_type| [RESUMABLE, ("Content-Type", content_type), offset];
    for (status, headers, body) in [
        (204, &[RESUMABLE, CONTENT, offset][..], &b"12"[..]),
        (
            204,
            &of_type("application/offset+octet-stream; charset=utf-8"),
            b"12",
        ),
        (204, &of_type("Application/Offset+Octet-Stream;a=b"), b"12"),
        (415, &of_type("application/offset+octet-streams"), b"12"),
        (
            415,
            &of_type("text/plain; application/offset+octet-stream"),
            b"12",
        ),
        (204, &[RESUMABLE, CONTENT, offset], b""),
        (409, &[RESUMABLE, CONTENT, ("Upload-Offset", "3")], b"12"),
        (409, &[RESUMABLE, CONTENT, ("Upload-Offset", "5")], b"12"),
        (409, &[RESUMABLE, CONTENT, ("Upload-Offset", "11")], b"12"),
        (400, &[RESUMABLE, CONTENT, ("Upload-Offset", "four")], b"12"),
        (400, &[RESUMABLE, CONTENT, ("Upload-Offset", "-4")], b"12"),
        (400, &[RESUMABLE, CONTENT], b"12"),
        (
            415,
            &[RESUMABLE, ("Content-Type", "audio/wav"), offset],
            b"12",
        ),
        (415, &[RESUMABLE, offset], b"12"),
        (413, &[RESUMABLE, CONTENT, offset], b"1234567"),
        (412, &[CONTENT, offset], b"12"),
        (412, &[("Tus-Resumable", "2.0.0"), CONTENT, offset], b"12"),
    ] {
        let upload = four_of_ten(daemon.address());
        let response = ask(daemon.address(), "PATCH", &upload.path, headers, body);
        assert_eq!(response.status, status, "{headers:?}: {}", response.text());
        assert_eq!(
            response.header("tus-resumable"),
            Some("1.0.0"),
            "{headers:?}"
        );
        let written = if status == 204 { body.len() } else { 0 };
        assert_eq!(
            upload.offset(),
            4 + written,
            "{headers:?}: what was written"
        );
        if status == 204 {
            let reported = response.number("upload-offset");
            assert_eq!(reported, Some(4 + written as u64), "{headers:?}");
            assert!(response.header("upload-expires").is_some(), "{headers:?}");
        }
    }
}

#[test]
fn a_finished_upload_takes_no_more_bytes() {
    let daemon = Daemon::start();
    let upload = tus::upload(daemon.address(), "a.wav", b"0123456789");
    let status = upload.patch(10, b"x").unwrap().status;
    assert!([403, 409, 410, 413].contains(&status), "{status}");
    upload.patch(4, b"x").unwrap().expect(409, "an old offset");
}

#[test]
fn core_head() {
    let daemon = Daemon::start();
    let upload = Upload::create(daemon.address(), 10, &[("filename", "a.wav")]);
    for (offset, piece) in [(0, &b"RIFF"[..]), (4, b"12"), (6, b"")] {
        let response = upload.head().expect(200, "HEAD");
        assert_eq!(response.number("upload-offset"), Some(offset as u64));
        assert_eq!(response.number("upload-length"), Some(10));
        assert_eq!(response.header("cache-control"), Some("no-store"));
        assert_eq!(response.header("tus-resumable"), Some("1.0.0"));
        assert_eq!(
            response.header("upload-metadata"),
            Some("filename YS53YXY=")
        );
        upload.patch(offset, piece).unwrap().expect(204, "PATCH");
    }
    let response = ask(daemon.address(), "HEAD", &upload.path, &[], b"");
    assert_eq!(response.status, 412, "without a version");
    assert_eq!(response.header("tus-version"), Some("1.0.0"));
}

#[test]
fn termination() {
    let daemon = Daemon::start();
    let upload = four_of_ten(daemon.address());
    ask(daemon.address(), "DELETE", &upload.path, &[], b"").expect(412, "without a version");
    assert_eq!(upload.offset(), 4, "a refused DELETE removes nothing");
    let response = upload.terminate().expect(204, "DELETE");
    assert_eq!(response.header("tus-resumable"), Some("1.0.0"));
    for status in [
        upload.head().status,
        upload.patch(4, b"12").unwrap().status,
        upload.terminate().status,
    ] {
        assert!([404, 410].contains(&status), "{status} after DELETE");
    }
    assert_eq!(task::count(daemon.address()), 0);
}

#[test]
fn expiration() {
    let config = "[upload]\nidle_expiry = '2s'";
    let daemon = Daemon::start_unready(Daemon::folder_with(config), &[]);
    let address = daemon.address();
    let headers = [RESUMABLE, CONTENT, ("Upload-Length", "10")];
    let created = ask(address, "POST", FILES, &headers, b"RIFF").expect(201, "creation");
    let upload = Upload {
        address,
        path: tus::location_path(&created),
    };
    let patched = upload.patch(4, b"12").unwrap().expect(204, "PATCH");
    for answer in [&created, &patched, &upload.head()] {
        let expires = answer.header("upload-expires").expect("Upload-Expires");
        let expires = rfc2822::parse(expires).expect("an HTTP date").timestamp();
        let left = expires.duration_since(jiff::Timestamp::now());
        assert!(left <= jiff::SignedDuration::from_secs(2), "{left}");
    }
    let finished = tus::upload(address, "a.wav", b"0123456789");
    until("it has expired", || {
        (upload.head().status == 410).then_some(())
    });
    upload.patch(6, b"3").unwrap().expect(410, "PATCH");
    let swept = daemon.sweep_command().output().unwrap();
    assert!(swept.status.success(), "{swept:?}");
    upload.head().expect(404, "HEAD after the sweep");
    upload
        .patch(6, b"3")
        .unwrap()
        .expect(404, "PATCH after the sweep");
    let head = finished.head().expect(200, "HEAD of a finished one");
    assert_eq!(head.header("upload-expires"), None);
}

#[test]
fn ids_that_are_not_ours_do_not_exist() {
    let daemon = Daemon::start();
    let long = "a".repeat(300);
    for id in [
        "11111111-1111-4111-8111-111111111111",
        "11111111111141118111111111111111",
        "x",
        &long,
        "..",
        "%2e%2e",
        "..%2f..%2f..%2fetc%2fpasswd",
        "%00",
        "%ff",
        "a/b",
        "11111111-1111-4111-8111-111111111111/data",
    ] {
        let target = format!("{FILES}{id}");
        for (method, headers) in [
            ("HEAD", &[RESUMABLE][..]),
            ("PATCH", &[RESUMABLE, CONTENT, ("Upload-Offset", "0")]),
            ("DELETE", &[RESUMABLE]),
        ] {
            let response = ask(daemon.address(), method, &target, headers, b"12");
            assert_eq!(
                response.status,
                404,
                "{method} {target}: {}",
                response.text()
            );
        }
    }
}

#[test]
fn core_options() {
    let daemon = Daemon::start();
    let upload = four_of_ten(daemon.address());
    for target in [FILES, &upload.path] {
        let response = ask(daemon.address(), "OPTIONS", target, &[], b"").expect(204, target);
        let header = |name| response.header(name).unwrap_or_default();
        assert_eq!(header("tus-version"), "1.0.0");
        assert_eq!(header("tus-max-size"), (5u64 << 30).to_string());
        let extensions: Vec<&str> = header("tus-extension").split(',').map(str::trim).collect();
        for extension in [
            "creation",
            "creation-defer-length",
            "creation-with-upload",
            "termination",
            "expiration",
        ] {
            assert!(
                extensions.contains(&extension),
                "{extension} in {extensions:?}"
            );
        }
    }
}

#[test]
fn a_405_lists_the_allowed_methods() {
    let daemon = Daemon::start();
    let upload = four_of_ten(daemon.address());
    for (target, allowed) in [
        (FILES, &["POST", "OPTIONS"][..]),
        (&upload.path, &["HEAD", "PATCH", "DELETE", "OPTIONS"]),
    ] {
        let response = ask(daemon.address(), "PUT", target, &[RESUMABLE], b"");
        assert_eq!(response.status, 405, "PUT {target}");
        let allow = response.header("allow").expect("Allow");
        let listed: Vec<&str> = allow.split(',').map(str::trim).collect();
        for method in allowed {
            assert!(listed.contains(method), "{method} in {listed:?}");
        }
    }
}

#[test]
fn an_empty_upload_is_a_failed_task_that_says_so() {
    let daemon = Daemon::start();
    let upload = Upload::create(daemon.address(), 0, &[("filename", "empty.wav")]);
    let error = task::failure(daemon.address(), upload.id());
    assert!(error.to_lowercase().contains("empty"), "{error}");
}

#[test]
fn the_task_id_that_the_client_made_is_honoured_once() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let wanted = uuid::Uuid::new_v4().to_string();
    let create = || {
        let metadata = [("filename", "a.wav"), ("taskId", &*wanted)];
        Upload::create(address, 10, &metadata)
    };
    let (first, second) = (create(), create());
    assert_ne!(first.path, second.path);
    assert_ne!(second.id(), wanted);
    for upload in [&first, &second] {
        upload.finish(b"0123456789", 10);
    }
    task::failure(address, &wanted);
    task::failure(address, second.id());
    assert_eq!(task::count(address), 2);

    let odd = Upload::create(address, 10, &[("taskId", "../../etc")]);
    odd.finish(b"0123456789", 10);
    task::failure(address, odd.id());
}

#[test]
fn core_x_http_method_override() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let upload = four_of_ten(address);
    let with = |method, more: &[(&str, &str)]| {
        let headers = [&[RESUMABLE, ("X-HTTP-Method-Override", method)], more].concat();
        ask(address, "POST", &upload.path, &headers, b"more!!")
    };
    assert_eq!(
        with("HEAD", &[])
            .expect(200, "HEAD")
            .number("upload-offset"),
        Some(4)
    );
    with("PATCH", &[CONTENT, ("Upload-Offset", "4")]).expect(204, "PATCH");
    with("TRACE", &[]).expect(405, "no method of an upload");
    with("not a method", &[]).expect(400, "no method at all");
    let gone = Upload::create(address, 10, &[]);
    let headers = [RESUMABLE, ("X-HTTP-Method-Override", "DELETE")];
    ask(address, "POST", &gone.path, &headers, b"").expect(204, "DELETE");
    gone.head().expect(404, "it is gone");
    // Tasks are not TUS: there the header means nothing.
    let headers = [("X-HTTP-Method-Override", "DELETE")];
    let target = format!("/task/{}", upload.id());
    ask(address, "GET", &target, &headers, b"").expect(200, "GET");
}
