//! `Upload-Length` (draft-ietf-httpbis-resumable-upload): late, unknown, and
//! exceeded.

use super::support::{CHUNK, Client, PROBLEMS, VERSIONS, data, limits};
use crate::support::daemon::Daemon;
use crate::support::http::{Connection, get};
use crate::support::random::{Random, letters, seed};
use crate::support::tus::{FILES, location_path};

#[test]
fn lengths_that_come_late_or_not_at_all() {
    let daemon = Daemon::start();
    let client = Client::newest(daemon.address());
    let chunked = |method: &str, path: &str, more: &[(&str, &str)], body: &[u8]| {
        let headers = [&[client.draft(), ("Transfer-Encoding", "chunked")], more].concat();
        let mut connection = Connection::open(client.address).unwrap();
        connection.send_head(method, path, &headers, None).unwrap();
        let head = format!("{:x}\r\n", body.len());
        for bytes in [head.as_bytes(), body, b"\r\n0\r\n\r\n"] {
            connection.send(bytes).unwrap();
        }
        connection.receive(method).unwrap()
    };
    let content = letters(9 << 20, &mut Random::new(seed()));
    let whole = client.complete(true);
    // The length is unknown before the last byte.
    let created = chunked("POST", FILES, &[whole], &content).expect(201, "chunked");
    assert_eq!(client.is_complete(&created), Some(true));
    assert!(data(&daemon, &location_path(&created)) == content);

    let path = location_path(&client.create(false, &content[..1000]));
    let offset = ("Upload-Offset", "1000");
    let last = chunked("PATCH", &path, &[whole, CHUNK, offset], &content[1000..]);
    last.expect(200, "the last chunk");
    assert!(data(&daemon, &path) == content);
    // Announced with the first bytes, or in the middle.
    let length = ("Upload-Length", "2000");
    let more = [client.complete(false), length];
    let created = client.ask("POST", FILES, &more, Some(&content[..1000]));
    let path = location_path(&created.expect(201, "with its length"));
    let head = client.head(&path);
    assert_eq!(head.number("upload-length"), Some(2000));
    assert!(
        limits(&head)
            .iter()
            .any(|limit| limit.starts_with("max-age="))
    );
    let last = chunked(
        "PATCH",
        &path,
        &[whole, CHUNK, offset],
        &content[1000..1999],
    );
    let short = last.expect(400, "one byte is missing");
    assert_eq!(
        short.json()["type"],
        format!("{PROBLEMS}inconsistent-upload-length")
    );
    assert_eq!(client.head(&path).number("upload-offset"), Some(1999));
    let last = client.append(&path, 1999, true, &content[1999..2000]);
    last.expect(200, "the last byte");
    // Nothing at all is a recording too, and one can end with nothing.
    client.create(true, b"").expect(201, "an empty one");
    let path = location_path(&client.create(false, b"text"));
    client.append(&path, 4, true, b"").expect(200, "no more");
    assert_eq!(client.is_complete(&client.head(&path)), Some(true));
    let again = client.append(&path, 4, true, b"").expect(200, "once more");
    assert_eq!(client.is_complete(&again), Some(true));
}

#[test]
fn appending_nothing_to_a_complete_upload_is_refused_where_the_draft_says_so() {
    let daemon = Daemon::start();
    for version in VERSIONS {
        let client = Client {
            address: daemon.address(),
            version,
        };
        let path = location_path(&client.create(true, b"0123").expect(201, version));
        let again = client.append(&path, 4, true, b"");
        assert_eq!(client.is_complete(&again), Some(true), "{version}");
        assert_eq!(again.number("upload-offset"), Some(4), "{version}");
        if version == "6" {
            let refused = again.expect(400, version).json();
            assert_eq!(refused["type"], format!("{PROBLEMS}completed-upload"));
        } else {
            again.expect(200, version);
        }
        let more = client.append(&path, 4, true, b"4").expect(400, version);
        assert_eq!(client.is_complete(&more), Some(true), "{version}");
        assert_eq!(get(client.address, &path).body, b"0123", "{version}");
    }
}

#[test]
fn an_upload_that_runs_past_its_length_is_taken_away() {
    let daemon = Daemon::start();
    let client = Client::newest(daemon.address());
    let more = [client.complete(false), ("Upload-Length", "6")];
    let create = || {
        let created = client.ask("POST", FILES, &more, Some(b"0123"));
        location_path(&created.expect(201, "creation"))
    };
    let path = create();
    let refused = client
        .append(&path, 4, false, b"456")
        .expect(400, "too many");
    assert_eq!(
        refused.json()["type"],
        format!("{PROBLEMS}inconsistent-upload-length")
    );
    client.head(&path).expect(404, "it is gone");
    // One that is complete stays as it is.
    let path = create();
    client.append(&path, 4, true, b"45").expect(200, "the rest");
    client.append(&path, 6, true, b"6").expect(400, "one more");
    assert_eq!(client.is_complete(&client.head(&path)), Some(true));
    assert_eq!(get(client.address, &path).body, b"012345");
}
