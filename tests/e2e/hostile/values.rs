//! Hostile numbers, ids and metadata: refused, or kept as they are.

use super::support::{MEMORY_MAX_KIB, daemon};
use crate::fixtures::honest_client::Honest;
use crate::support::http::{ask, request};
use crate::support::tus::{self, CONTENT, FILES, RESUMABLE, Upload};

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
