//! Requests that no honest client sends. Each has a clear answer, and harms
//! neither the daemon nor anybody beside.

use std::net::SocketAddr;

use crate::daemon::Daemon;
use crate::honest::Honest;
use crate::http::{Connection, request};
use crate::tus::{self, CONTENT, FILES, RESUMABLE, Upload};
use crate::tus_rules::ask;

/// Most memory for all of this; without any of it the daemon has a third.
const MEMORY_MAX_KIB: u64 = 40 << 10;

/// What the head of every request to upload has.
const TUS: &str = "Host: x\r\nTus-Resumable: 1.0.0\r\n";

/// A daemon that does not wait long for the rest of what is not sound.
fn daemon() -> Daemon {
    Daemon::start_unready(Daemon::folder_with("[http]\nidle_timeout = '2s'"), &[])
}

/// Sends bytes as they are; the statuses of all that is answered until the
/// daemon ends the connection.
fn exchange(address: SocketAddr, sent: &[u8]) -> Vec<u16> {
    let mut connection = Connection::open(address).unwrap();
    // The daemon may have said no, and closed, before the end of it.
    let _ = connection.send(sent);
    let answers = std::iter::from_fn(|| connection.receive("GET").ok());
    answers.map(|answer| answer.status).collect()
}

#[test]
fn hostile_framing_smuggles_no_request_in() {
    let mut daemon = daemon();
    let address = daemon.address();
    let honest = Honest::beside(&daemon);
    let long_extension = format!("3;{}\r\nabc\r\n0\r\n\r\n", "a".repeat(20_000));
    let chunked = "Transfer-Encoding: chunked";
    let sound = "3\r\nabc\r\n0\r\n\r\n";
    for (fields, body, statuses) in [
        // Sound ones: the request behind it, a DELETE, is one.
        ("Content-Length: 3", "abc", &[201, 204][..]),
        ("Content-Length: 003", "abc", &[201, 204]),
        ("Content-Length: 3\r\nContent-Length: 3", "abc", &[201, 204]),
        (chunked, sound, &[201, 204]),
        ("transfer-encoding:\tcHuNkEd ", sound, &[201, 204]),
        (chunked, "3;a=b;c=\"d\"\r\nabc\r\n0;e\r\n\r\n", &[201, 204]),
        (chunked, "0003\r\nabc\r\n000\r\n\r\n", &[201, 204]),
        (
            chunked,
            "3\r\nabc\r\n0\r\nUpload-Offset: 9\r\n\r\n",
            &[201, 204],
        ),
        ("X: 1\r\nX: 2\r\nContent-Length: 3", "abc", &[201, 204]),
        // Two lengths: the chunks count, and nothing behind them.
        (
            "Content-Length: 9\r\nTransfer-Encoding: chunked",
            sound,
            &[201],
        ),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 3",
            sound,
            &[201],
        ),
        ("Content-Length: 3\r\nContent-Length: 4", "abc", &[400]),
        ("Content-Length: 3, 3", "abc", &[400]),
        ("Content-Length: 3, 4", "abc", &[400]),
        // Lengths that are none.
        ("Content-Length:", "abc", &[400]),
        ("Content-Length: -3", "abc", &[400]),
        ("Content-Length: +3", "abc", &[400]),
        ("Content-Length: 3e0", "abc", &[400]),
        ("Content-Length: 0x3", "abc", &[400]),
        ("Content-Length: 3 0", "abc", &[400]),
        ("Content-Length: 9223372036854775808", "abc", &[413]),
        ("Content-Length: 18446744073709551615", "abc", &[431]),
        ("Content-Length: 18446744073709551616", "abc", &[400]),
        (
            "Content-Length: 1000000000000000000000000000000",
            "abc",
            &[400],
        ),
        // Codings that somebody else may not see, or see otherwise.
        ("Transfer-Encoding: gzip, chunked", sound, &[501]),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            sound,
            &[400],
        ),
        ("Transfer-Encoding: identity", sound, &[400]),
        ("Transfer-Encoding: xchunked", sound, &[400]),
        ("Transfer-Encoding: chunked, identity", sound, &[400]),
        ("Transfer-Encoding: \"chunked\"", sound, &[400]),
        ("Transfer-Encoding: \x0bchunked", sound, &[400]),
        ("Transfer-Encoding : chunked", sound, &[400]),
        ("Transfer-Encoding:\r\n chunked", sound, &[400]),
        ("X: y\r\n Transfer-Encoding: chunked", sound, &[400]),
        ("X: y\rTransfer-Encoding: chunked", sound, &[400]),
        ("X: \0\r\nContent-Length: 3", "abc", &[400]),
        ("X\0: y\r\nContent-Length: 3", "abc", &[400]),
        (": y\r\nContent-Length: 3", "abc", &[400]),
        ("no colon\r\nContent-Length: 3", "abc", &[400]),
        ("Host: other\r\nContent-Length: 3", "abc", &[400]),
        // Chunks that are none: what came before is kept, nothing behind is read.
        (chunked, "-3\r\nabc\r\n0\r\n\r\n", &[201]),
        (chunked, "+3\r\nabc\r\n0\r\n\r\n", &[201]),
        (chunked, "0x3\r\nabc\r\n0\r\n\r\n", &[201]),
        (chunked, "\r\nabc\r\n0\r\n\r\n", &[201]),
        (chunked, "zz\r\n", &[201]),
        (chunked, "3\nabc\n0\n\n", &[201]),
        (chunked, "3\r\nabc0\r\n\r\n", &[201]),
        (chunked, "3\r\nabcd\r\n0\r\n\r\n", &[201]),
        (chunked, "3;\nabc\r\n0\r\n\r\n", &[201]),
        (chunked, "fffffffffffffffff\r\nabc\r\n0\r\n\r\n", &[201]),
        (chunked, "ffffffffffffffff\r\nabc\r\n0\r\n\r\n", &[201]),
        (chunked, &long_extension, &[201]),
    ] {
        let victim = Upload::create(address, 10, &[]);
        let Upload { path, .. } = &victim;
        let sent = format!(
            "POST {FILES} HTTP/1.1\r\n{TUS}Upload-Length: 100\r\n\
             Content-Type: application/offset+octet-stream\r\n{fields}\r\n\r\n{body}\
             DELETE {path} HTTP/1.1\r\n{TUS}Connection: close\r\n\r\n"
        );
        let what = format!("{fields:?} {:?}", &body[..body.len().min(30)]);
        assert_eq!(exchange(address, sent.as_bytes()), statuses, "{what}");
        let expected = if statuses.len() > 1 { 404 } else { 200 };
        assert_eq!(victim.head().status, expected, "{what}: the one behind it");
        victim.terminate();
    }
    honest.unharmed(&mut daemon, MEMORY_MAX_KIB);
}

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
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: x\r\n");
    let live = |fields: &str| format!("{}{fields}", get("/health/live"));
    let method = |method: &str| format!("{method} /health/live HTTP/1.1\r\nHost: x\r\n");
    let version = |version: &str| format!("GET /health/live {version}\r\nHost: x\r\n");
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
        ("GET /health/live HTTP/1.1\rHost: x\r".into(), 400),
        (
            "\r\n\r\nGET /health/live HTTP/1.1\r\nHost: x\r\n".into(),
            200,
        ),
        (get(&format!("/{}", long(7))), 404),
        (get(&format!("/{}", long(9))), 414),
        (get(&format!("/{}", long(100))), 431),
        (live(&format!("X: {}\r\n", long(17))), 431),
        (get(&format!("/{}", long(2000))), 431),
        (get("http://elsewhere.example/health/live"), 200),
        (get("http://elsewhere.example/uploads/files/../../x"), 404),
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
        ("CONNECT x:80 HTTP/1.1\r\nHost: x\r\n".into(), 404),
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
fn hostile_numbers_are_refused_and_change_nothing() {
    let mut daemon = daemon();
    let address = daemon.address();
    let honest = Honest::beside(&daemon);
    let upload = Upload::create(address, 10, &[]);
    upload.patch(0, b"RIFF").unwrap().expect(204, "PATCH");
    let created = ask(
        address,
        "POST",
        FILES,
        &[RESUMABLE, ("Upload-Defer-Length", "1")],
        b"",
    );
    let unmeasured = Upload {
        address,
        path: tus::location_path(&created.expect(201, "creation")),
    };
    for (value, as_length, as_offset) in [
        ("9223372036854775807", 413, 409),
        ("9223372036854775808", 413, 409),
        ("18446744073709551615", 413, 409),
        ("18446744073709551616", 413, 409),
        ("1000000000000000000000000000000", 413, 409),
        ("-1", 400, 400),
        ("-0", 400, 400),
        ("+4", 400, 400),
        ("4e0", 400, 400),
        ("4.0", 400, 400),
        ("0x4", 400, 400),
        ("4,4", 400, 400),
        ("4, 4", 400, 400),
        ("4 4", 400, 400),
        ("4;a", 400, 400),
        ("\"4\"", 400, 400),
        ("", 400, 400),
        ("\u{664}", 400, 400),
        ("\u{ff14}", 400, 400),
        ("NaN", 400, 400),
    ] {
        let headers = [RESUMABLE, ("Upload-Length", value)];
        ask(address, "POST", FILES, &headers, b"").expect(as_length, value);
        let headers = [RESUMABLE, CONTENT, ("Upload-Offset", value)];
        ask(address, "PATCH", &upload.path, &headers, b"12").expect(as_offset, value);
        let headers = [
            RESUMABLE,
            CONTENT,
            ("Upload-Offset", "0"),
            ("Upload-Length", value),
        ];
        ask(address, "PATCH", &unmeasured.path, &headers, b"").expect(as_length, value);
        assert_eq!(upload.offset(), 4, "{value}");
        assert_eq!(
            unmeasured.head().header("upload-defer-length"),
            Some("1"),
            "{value}"
        );
    }
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
            let told = answer.text();
            assert!(
                method == "HEAD" || told.contains("more than once"),
                "{what}: {told}"
            );
        }
        assert_eq!(upload.offset(), 4, "{method} {headers:?}");
        upload.terminate();
    }
    honest.unharmed(&mut daemon, MEMORY_MAX_KIB);
}

#[test]
fn hostile_ids_reach_no_file() {
    let mut daemon = daemon();
    let address = daemon.address();
    let honest = Honest::beside(&daemon);
    let upload = tus::upload(address, "a.wav", b"0123456789");
    let id = upload.id();
    let ids = [
        "..%2f..%2fscribed.toml".into(),
        "%2e%2e/scribed.toml".into(),
        "%2e%2e%2f%2e%2e%2fscribed.toml".into(),
        "%252e%252e%252fscribed.toml".into(),
        "..%5c..%5cscribed.toml".into(),
        "..%c0%afscribed.toml".into(),
        "../../scribed.toml".into(),
        "..;/scribed.toml".into(),
        "./lock".into(),
        "%00".into(),
        format!("{id}%00"),
        format!("{id}%2e"),
        format!("{id}."),
        format!("{id}/"),
        format!("{id}/data"),
        format!("{id}%2fdata"),
        format!("{id}/../{id}"),
        format!("../files/{id}"),
        format!("{{{id}}}"),
        format!("urn:uuid:{id}"),
        id.replace('-', ""),
        id.replace('-', "%2d"),
        id.replace('-', "_"),
        format!("%{:02x}{}", id.as_bytes()[0], &id[1..]),
        format!("{id}{id}"),
        id[..35].to_owned(),
        "00000000-0000-0000-0000-000000000000".into(),
        "ffffffff-ffff-ffff-ffff-ffffffffffff".into(),
        "-".repeat(36),
        "\u{ff10}".repeat(12),
        "a".repeat(8000),
    ];
    for id in &ids {
        for (method, place, headers) in [
            ("HEAD", "/uploads/files/", &[RESUMABLE][..]),
            ("GET", "/uploads/files/", &[]),
            (
                "PATCH",
                "/uploads/files/",
                &[RESUMABLE, CONTENT, ("Upload-Offset", "0")],
            ),
            ("DELETE", "/uploads/files/", &[RESUMABLE]),
            (
                "POST",
                "/uploads/files/",
                &[RESUMABLE, ("X-HTTP-Method-Override", "DELETE")],
            ),
            ("GET", "/task/", &[]),
            ("DELETE", "/task/", &[]),
        ] {
            let target = format!("{place}{id}");
            let answer = ask(address, method, &target, headers, b"12");
            assert_eq!(answer.status, 404, "{method} {target}: {}", answer.text());
        }
    }
    let whole = ask(address, "GET", &upload.path, &[], b"").expect(200, "GET");
    assert_eq!(whole.body, b"0123456789");
    honest.unharmed(&mut daemon, MEMORY_MAX_KIB);
}

#[test]
fn hostile_metadata_is_refused_or_kept_as_it_is() {
    let mut daemon = daemon();
    let address = daemon.address();
    let honest = Honest::beside(&daemon);
    let sized = |bytes: usize| format!("key {}", "A".repeat(bytes - 4));
    let keys: Vec<String> = (0..1500).map(|n| format!("k{n:x}")).collect();
    let twice: Vec<String> = (0..1500).map(|n| format!("k{:x}", n % 1499)).collect();
    for (status, value) in [
        (201, sized(8192)),
        (431, sized(8196)),
        (431, sized(12_000)),
        (431, ",".repeat(8193)),
        (201, keys.join(",")),
        (400, twice.join(",")),
        (400, ",".repeat(8192)),
        (201, " ".repeat(1000)),
        (400, "filename \u{e4}".into()),
        (400, "filename \"YQ==\"".into()),
        (400, "filename YQ==;x".into()),
        (400, "filename YQ==YQ==".into()),
        (400, "filename /w==".into()),
        (400, "filename _-8=".into()),
        (400, "language eHg=".into()),
        // A name is only shown, never a place.
        (
            201,
            tus::encode_metadata(&[("filename", "../../../etc/passwd\0")]),
        ),
        (
            201,
            tus::encode_metadata(&[("filename", &"ü".repeat(2000))]),
        ),
        (201, tus::encode_metadata(&[("taskId", "../../x")])),
        (
            201,
            tus::encode_metadata(&[("taskId", "00000000-0000-0000-0000-000000000000")]),
        ),
        (
            201,
            tus::encode_metadata(&[("model", "../../scribed.toml")]),
        ),
        (
            201,
            tus::encode_metadata(&[("filetype", "text/html\r\nSet-Cookie: a=b")]),
        ),
    ] {
        let headers = [
            RESUMABLE,
            ("Upload-Length", "2"),
            ("Upload-Metadata", &*value),
        ];
        let what: String = value.chars().take(60).collect();
        let answer = request(address, "POST", FILES, &headers, Some(b"")).unwrap();
        let answer = answer.expect(status, &format!("{what} ({} bytes)", value.len()));
        if status != 201 {
            assert!(
                answer.text().contains("Upload-Metadata"),
                "{what}: {}",
                answer.text()
            );
            continue;
        }
        let path = tus::location_path(&answer);
        let upload = Upload { address, path };
        let kept = upload.head().expect(200, "HEAD");
        assert_eq!(kept.header("upload-metadata"), Some(value.trim()), "{what}");
        upload.patch(0, b"ab").unwrap().expect(204, "PATCH");
        let whole = ask(address, "GET", &upload.path, &[], b"").expect(200, "GET");
        assert_eq!(whole.header("set-cookie"), None);
        assert_eq!(whole.body, b"ab");
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
