//! Chunks with a checksum (checksum extension).

use std::io::Write;
use std::process::{Command, Stdio};

use crate::support::daemon::Daemon;
use crate::support::http::{Connection, Cut, ask};
use crate::support::random::{Random, letters, seed};
use crate::support::tus::{CONTENT, FILES, RESUMABLE, Upload};

/// `Upload-Checksum` of these bytes by another program's arithmetic.
fn checksum(algorithm: &str, bytes: &[u8]) -> String {
    let mut digest = Command::new("python3")
        .args([
            "-c",
            "import base64, hashlib, sys, zlib\n\
             name, data = sys.argv[1], sys.stdin.buffer.read()\n\
             value = zlib.crc32(data).to_bytes(4, 'big') if name == 'crc32' else hashlib.new(name, data).digest()\n\
             print(name, base64.b64encode(value).decode())",
            algorithm,
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    digest.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = digest.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn checksum_extension() {
    const ALGORITHMS: &str = "crc32,md5,sha1,sha256,sha512";
    const CHUNK: usize = 700_001;
    let daemon = Daemon::start();
    let address = daemon.address();
    let options = ask(address, "OPTIONS", FILES, &[], b"").expect(204, "OPTIONS");
    assert_eq!(options.header("tus-checksum-algorithm"), Some(ALGORITHMS));
    let extensions = options.header("tus-extension").unwrap();
    assert!(extensions.split(',').any(|one| one == "checksum"));

    let content = letters(6 * CHUNK, &mut Random::new(seed()));
    let upload = Upload::create(address, content.len(), &[("filename", "a.txt")]);
    let patch = |offset: usize, bytes: &[u8], checksum: &str| {
        let offset = offset.to_string();
        let headers = [
            RESUMABLE,
            CONTENT,
            ("Upload-Offset", &*offset),
            ("Upload-Checksum", checksum),
        ];
        ask(address, "PATCH", &upload.path, &headers, bytes)
    };
    let mut end = 0;
    for algorithm in ALGORITHMS.split(',') {
        let chunk = &content[end..end + CHUNK];
        let right = checksum(algorithm, chunk);
        let mut damaged = chunk.to_vec();
        damaged[CHUNK / 2] ^= 1;
        patch(end, &damaged, &right).expect(460, algorithm);
        assert_eq!(upload.offset(), end, "nothing of it is kept");
        patch(end, chunk, &right).expect(204, algorithm);
        end += CHUNK;
        assert_eq!(upload.offset(), end);
    }
    let rest = &content[end..];
    for (wrong, what) in [
        ("md4 2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "unknown algorithm"),
        ("sha1", "no checksum"),
        ("sha1 ???", "not Base64"),
        ("", "empty"),
    ] {
        patch(end, rest, wrong).expect(400, what);
        assert_eq!(upload.offset(), end, "{what}");
    }
    let long = checksum("sha256", rest).replace("sha256", "sha1");
    for (wrong, what) in [("sha1 YWJj", "too short"), (&long, "too long")] {
        patch(end, rest, wrong).expect(460, what);
        assert_eq!(upload.offset(), end, "{what}");
    }

    // A chunk that is cut has no checksum, so nothing of it is kept.
    let right = checksum("sha1", rest);
    let offset = end.to_string();
    let headers = [
        RESUMABLE,
        CONTENT,
        ("Upload-Offset", &*offset),
        ("Upload-Checksum", &*right),
    ];
    let mut cut = Connection::open(address).unwrap();
    cut.send_head("PATCH", &upload.path, &headers, Some(rest.len()))
        .unwrap();
    cut.send(&rest[..CHUNK / 2]).unwrap();
    cut.cut(Cut::Close);
    assert_eq!(upload.offset(), end, "after the cut");

    patch(end, rest, &right).expect(204, "the rest");
    let data = daemon.state_dir().join("uploads").join(upload.id());
    assert!(std::fs::read(data.join("data")).unwrap() == content);

    // With the creation: the upload is there, the wrong bytes are not.
    for (bytes, kept) in [(b"RIFF", 4), (b"RIFX", 0)] {
        let right = checksum("md5", b"RIFF");
        let headers = [
            RESUMABLE,
            CONTENT,
            ("Upload-Length", "10"),
            ("Upload-Checksum", &*right),
        ];
        let created = ask(address, "POST", FILES, &headers, bytes).expect(201, "creation");
        assert_eq!(created.number("upload-offset"), Some(kept));
    }
}

#[test]
fn checksum_trailer_extension() {
    let daemon = Daemon::start();
    let address = daemon.address();
    let content = letters(1_000_000, &mut Random::new(seed()));
    let upload = Upload::create(address, content.len(), &[("filename", "a.txt")]);
    let patch = |bytes: &[u8], trailer: &str| {
        let headers = [
            RESUMABLE,
            CONTENT,
            ("Upload-Offset", "0"),
            ("Transfer-Encoding", "chunked"),
            ("Trailer", "Upload-Checksum"),
        ];
        let mut connection = Connection::open(address).unwrap();
        connection
            .send_head("PATCH", &upload.path, &headers, None)
            .unwrap();
        for piece in bytes.chunks(77_777) {
            connection
                .send(format!("{:x}\r\n", piece.len()).as_bytes())
                .unwrap();
            connection.send(piece).unwrap();
            connection.send(b"\r\n").unwrap();
        }
        connection
            .send(format!("0\r\n{trailer}\r\n").as_bytes())
            .unwrap();
        connection.receive("PATCH").unwrap()
    };
    let mut damaged = content.clone();
    damaged[500_000] ^= 1;
    for algorithm in ["crc32", "md5", "sha1", "sha256", "sha512"] {
        let trailer = format!("Upload-Checksum: {}\r\n", checksum(algorithm, &content));
        patch(&damaged, &trailer).expect(460, algorithm);
        assert_eq!(upload.offset(), 0, "nothing of it is kept");
    }
    for (trailer, what) in [
        ("", "none, though it was announced"),
        ("Upload-Checksum: sha1 ???\r\n", "not Base64"),
        ("Upload-Checksum: md4 YWJj\r\n", "unknown algorithm"),
        ("Other: 1\r\n", "another one"),
    ] {
        patch(&content, trailer).expect(400, what);
        assert_eq!(upload.offset(), 0, "{what}");
    }
    let short = "Upload-Checksum: sha1 YWJj\r\n";
    patch(&content, short).expect(460, "too short");
    assert_eq!(upload.offset(), 0, "too short");
    let trailer = format!("upload-checksum: {}\r\n", checksum("sha512", &content));
    patch(&content, &trailer).expect(204, "the right one");
    let data = daemon.state_dir().join("uploads").join(upload.id());
    assert!(std::fs::read(data.join("data")).unwrap() == content);
}
