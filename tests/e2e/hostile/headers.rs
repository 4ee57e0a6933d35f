//! Request lines and headers that no honest client sends: each has a clear answer
//! and no effect on the daemon or on other clients.

use super::support::{MEMORY_MAX_KIB, daemon, exchange};
use crate::fixtures::honest_client::Honest;
use crate::support::http::ask;
use crate::support::tus::{CONTENT, FILES, RESUMABLE, Upload};

#[test]
fn hostile_heads_are_refused_or_mean_nothing() {
    let mut daemon = daemon();
    let address = daemon.address();
    let honest = Honest::beside(&daemon);
    let many = |count| {
        (0..count)
            .map(|n| format!("X{n}: y\r\n"))
            .collect::<String>()
    };
    let long = |kib: usize| "a".repeat(kib << 10);
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n");
    let live = |fields: &str| format!("{}{fields}", get("/health/live"));
    let method = |method: &str| format!("{method} /health/live HTTP/1.1\r\nHost: localhost\r\n");
    let version = |version: &str| format!("GET /health/live {version}\r\nHost: localhost\r\n");
    for (head, status) in [
        (live(""), 200),
        (live(&many(98)), 200),
        (live(&many(99)), 431),
        (live(&many(10_000)), 431),
        (live(&format!("X: {}\r\n", long(8))), 200),
        (live(&format!("X: {}\r\n", long(2000))), 431),
        (live(&format!("{}: x\r\n", long(2000))), 431),
        (live("X: \u{e4}\u{7f}\r\n"), 400),
        (live("X: \u{e4}\r\n"), 200),
        (live("Host: y\r\n"), 400),
        (
            live("Authorization: Bearer x\r\nAuthorization: Bearer y\r\n"),
            400,
        ),
        (live("Upgrade: h2c\r\nConnection: Upgrade\r\n"), 200),
        ("GET /health/live HTTP/1.1\r\n".into(), 400),
        ("GET /health/live HTTP/1.1\nHost: x\n".into(), 200),
        ("GET /health/live HTTP/1.1\rHost: localhost\r".into(), 400),
        (
            "\r\n\r\nGET /health/live HTTP/1.1\r\nHost: localhost\r\n".into(),
            200,
        ),
        (get(&format!("/{}", long(7))), 404),
        (get(&format!("/{}", long(9))), 414),
        (get(&format!("/{}", long(100))), 431),
        (live(&format!("X: {}\r\n", long(17))), 431),
        (get(&format!("/{}", long(2000))), 431),
        (get("http://elsewhere.example/health/live"), 200),
        (get("http://elsewhere.example/uploads/files/../../x"), 421),
        (get("file:///etc/passwd"), 400),
        (get("health/live"), 400),
        (get("*"), 404),
        (get(""), 400),
        (get("/health/live x"), 400),
        (get("/health/\0"), 400),
        (get("/health/live%00"), 404),
        (get("/%68ealth/live"), 404),
        (get("//health/live"), 404),
        (get("/health/./live"), 404),
        (get("/uploads\\files\\x"), 404),
        (
            get("/task/all?page=18446744073709551615&page_size=200"),
            200,
        ),
        (get("/task/all?page=18446744073709551616"), 422),
        (get("/task/all?page=0"), 422),
        (get("/task/all?page=-1"), 422),
        (get("/task/all?page_size=201"), 422),
        (get("/task/all?status=%00"), 422),
        (get(&format!("/task/all?{}", "q=%ff&".repeat(1000))), 200),
        (method("get"), 405),
        (method("TRACE"), 405),
        (method("PUT"), 405),
        (method(&long(2)), 405),
        (method(""), 400),
        (method("G T"), 400),
        (method("G\0T"), 400),
        (method("G(T"), 400),
        (method("G\u{e4}T"), 400),
        ("CONNECT x:80 HTTP/1.1\r\nHost: localhost\r\n".into(), 421),
        (version("HTTP/1.0"), 200),
        (version("HTTP/1.2"), 400),
        (version("HTTP/2.0"), 400),
        (version("http/1.1"), 400),
        (version("ICY"), 400),
        (version(""), 400),
        ("\x16\x03\x01\x02\0\x01\0\x01\u{fc}\x03\x03".into(), 400),
    ] {
        let sent = match head.contains("\r\n") {
            true => format!("{head}Connection: close\r\n\r\n"),
            false => format!("{head}Connection: close\n\n"),
        };
        let statuses = exchange(address, sent.as_bytes());
        let what: String = head.chars().take(80).collect();
        assert_eq!(statuses, [status], "{what:?} ({} bytes)", head.len());
    }
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    assert_eq!(exchange(address, preface), [0; 0], "HTTP/2");
    honest.unharmed(&mut daemon, MEMORY_MAX_KIB);
}

#[test]
fn headers_that_are_there_twice_are_refused() {
    let mut daemon = daemon();
    let address = daemon.address();
    let honest = Honest::beside(&daemon);
    let length = ("Upload-Length", "10");
    let offset = ("Upload-Offset", "4");
    let create = &[RESUMABLE, length][..];
    let append = &[RESUMABLE, CONTENT, offset][..];
    for (method, headers, twice) in [
        ("POST", create, RESUMABLE),
        ("POST", create, ("Tus-Resumable", "0.2.2")),
        ("POST", create, length),
        ("POST", create, ("Upload-Length", "11")),
        (
            "POST",
            &[RESUMABLE, ("Upload-Defer-Length", "1")],
            ("Upload-Defer-Length", "1"),
        ),
        (
            "POST",
            &[RESUMABLE, length, ("Upload-Metadata", "a YQ==")],
            ("Upload-Metadata", "b YQ=="),
        ),
        ("PATCH", append, offset),
        ("PATCH", append, ("Upload-Offset", "5")),
        ("PATCH", append, CONTENT),
        ("PATCH", append, ("Content-Type", "audio/wav")),
        ("PATCH", &[RESUMABLE, CONTENT, offset, length], length),
        (
            "PATCH",
            &[
                RESUMABLE,
                CONTENT,
                offset,
                ("Upload-Checksum", "crc32 AAAAAA=="),
            ],
            ("Upload-Checksum", "md5 AAAA"),
        ),
        ("HEAD", &[RESUMABLE], RESUMABLE),
        ("DELETE", &[RESUMABLE], RESUMABLE),
        ("GET", &[("Range", "bytes=0-")], ("Range", "bytes=1-")),
        (
            "POST",
            &[("X-HTTP-Method-Override", "HEAD")],
            ("X-HTTP-Method-Override", "DELETE"),
        ),
    ] {
        let upload = Upload::create(address, 10, &[]);
        upload.patch(0, b"RIFF").unwrap().expect(204, "PATCH");
        let target = if headers.contains(&length) && method == "POST" {
            FILES
        } else {
            &upload.path
        };
        let count = Upload::create(address, 10, &[]);
        count.terminate();
        for headers in [[headers, &[twice]].concat(), [&[twice], headers].concat()] {
            let what = format!("{method} {headers:?}");
            let answer = ask(address, method, target, &headers, b"12").expect(400, &what);
            let reply = answer.text();
            assert!(
                method == "HEAD" || reply.contains("more than once"),
                "{what}: {reply}"
            );
        }
        assert_eq!(upload.offset(), 4, "{method} {headers:?}");
        upload.terminate();
    }
    honest.unharmed(&mut daemon, MEMORY_MAX_KIB);
}

#[test]
fn hostile_method_overrides_do_what_the_method_would() {
    let mut daemon = daemon();
    let address = daemon.address();
    let honest = Honest::beside(&daemon);
    let upload = Upload::create(address, 10, &[]);
    upload.patch(0, b"RIFF").unwrap().expect(204, "PATCH");
    for (wire, method, status) in [
        ("POST", "", 400),
        ("POST", "DELETE, HEAD", 400),
        ("POST", "DELETE\u{e4}", 400),
        ("POST", "/uploads/files/", 400),
        ("POST", "delete", 405),
        ("POST", "CONNECT", 405),
        ("POST", "TRACE", 405),
        ("POST", "POST", 405),
        ("POST", "PUT", 405),
        ("DELETE", "OPTIONS", 204),
        ("DELETE", "HEAD", 200),
        ("DELETE", "PATCH", 415),
        ("PUT", "GET", 409),
        ("BREW", "HEAD", 200),
    ] {
        let headers = [RESUMABLE, ("X-HTTP-Method-Override", method)];
        let answer = ask(address, wire, &upload.path, &headers, b"12");
        assert_eq!(
            answer.status,
            status,
            "{wire} as {method:?}: {}",
            answer.text()
        );
        assert_eq!(upload.offset(), 4, "{wire} as {method:?}");
    }
    for place in ["/health/live", "/task/all"] {
        let headers = [("X-HTTP-Method-Override", "DELETE")];
        ask(address, "GET", place, &headers, b"").expect(200, place);
    }
    honest.unharmed(&mut daemon, MEMORY_MAX_KIB);
}
