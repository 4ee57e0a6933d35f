//! A TUS 1.0.0 client that keeps count of what was acknowledged.

use std::io;
use std::net::SocketAddr;

use crate::support::http::{Connection, Cut, Response, request};
use crate::support::waiting::until;

/// Where uploads are created.
pub const FILES: &str = "/uploads/files/";

/// The version header of every request.
pub const RESUMABLE: (&str, &str) = ("Tus-Resumable", "1.0.0");

/// The content type of uploaded bytes.
pub const CONTENT: (&str, &str) = ("Content-Type", "application/offset+octet-stream");

/// One upload.
pub struct Upload {
    /// Where the daemon listens; changes when it is started again.
    pub address: SocketAddr,
    /// The path of its `Location`.
    pub path: String,
}

impl Upload {
    /// Creates one of that many bytes.
    #[track_caller]
    pub fn create(address: SocketAddr, length: usize, metadata: &[(&str, &str)]) -> Upload {
        let length = length.to_string();
        let metadata = encode_metadata(metadata);
        let headers = [
            RESUMABLE,
            ("Upload-Length", &*length),
            ("Upload-Metadata", &*metadata),
        ];
        let response = request(address, "POST", FILES, &headers, Some(b""))
            .expect("an answer to POST")
            .expect(201, "creation");
        Upload {
            address,
            path: location_path(&response),
        }
    }

    /// The last segment of its path: its own id, and its task's unless the
    /// metadata asked for another.
    pub fn id(&self) -> &str {
        self.path.rsplit('/').next().expect("a last segment")
    }

    /// HEAD, whatever it answers.
    #[track_caller]
    pub fn head(&self) -> Response {
        request(self.address, "HEAD", &self.path, &[RESUMABLE], None).expect("an answer to HEAD")
    }

    /// How far it is. After a cut the server may still be at work on the last
    /// request (423): then asked again.
    pub fn offset(&self) -> usize {
        until("HEAD has the offset", || {
            let response = self.head();
            if response.status == 423 {
                return None;
            }
            let response = response.expect(200, "HEAD");
            let offset = response.number("upload-offset").expect("Upload-Offset");
            Some(offset as usize)
        })
    }

    /// PATCH, whatever it answers.
    pub fn patch(&self, offset: usize, bytes: &[u8]) -> io::Result<Response> {
        let offset = offset.to_string();
        let headers = [RESUMABLE, CONTENT, ("Upload-Offset", &*offset)];
        request(self.address, "PATCH", &self.path, &headers, Some(bytes))
    }

    /// PATCH that announces `announced` bytes and sends only `bytes`; the
    /// connection stays open for the caller to cut.
    pub fn patch_in_part(
        &self,
        offset: usize,
        announced: usize,
        bytes: &[u8],
    ) -> io::Result<Connection> {
        let offset = offset.to_string();
        let headers = [RESUMABLE, CONTENT, ("Upload-Offset", &*offset)];
        let mut connection = Connection::open(self.address)?;
        connection.send_head("PATCH", &self.path, &headers, Some(announced))?;
        connection.send(bytes)?;
        Ok(connection)
    }

    /// DELETE, whatever it answers.
    #[track_caller]
    pub fn terminate(&self) -> Response {
        request(self.address, "DELETE", &self.path, &[RESUMABLE], None)
            .expect("an answer to DELETE")
    }

    /// Sends everything from the offset on, in pieces.
    #[track_caller]
    pub fn finish(&self, file: &[u8], piece_bytes: usize) {
        let mut offset = self.offset();
        while offset < file.len() {
            let end = file.len().min(offset + piece_bytes);
            let response = self
                .patch(offset, &file[offset..end])
                .expect("an answer to PATCH");
            if response.status == 409 || response.status == 423 {
                // The request that was cut was still being finished.
                offset = self.offset();
                continue;
            }
            let response = response.expect(204, "PATCH");
            assert_eq!(
                response.number("upload-offset"),
                Some(end as u64),
                "after PATCH"
            );
            offset = end;
        }
    }
}

/// Uploads a file whole.
#[track_caller]
pub fn upload(address: SocketAddr, name: &str, file: &[u8]) -> Upload {
    let upload = Upload::create(address, file.len(), &[("filename", name)]);
    upload.finish(file, 8 << 20);
    upload
}

/// Uploads a file in pieces; in the second the connection breaks, and the
/// upload goes on from where the daemon says it is.
#[track_caller]
pub fn upload_with_a_cut(address: SocketAddr, name: &str, file: &[u8], cut: Cut) -> Upload {
    let piece = file.len() / 4 + 1;
    let upload = Upload::create(address, file.len(), &[("filename", name)]);
    let first = upload.patch(0, &file[..piece]).expect("an answer to PATCH");
    first.expect(204, "the first piece");
    let sent = piece + piece / 2;
    upload
        .patch_in_part(piece, piece, &file[piece..sent])
        .expect("half a piece")
        .cut(cut);
    let offset = upload.offset();
    assert!(
        (piece..=sent).contains(&offset),
        "{piece} <= {offset} <= {sent}"
    );
    upload.finish(file, piece);
    upload
}

/// The path of a response's `Location`, which may be a path or a whole URL.
#[track_caller]
pub fn location_path(response: &Response) -> String {
    let location = response.header("location").expect("a Location");
    let path = match location.split_once("://") {
        Some((_, rest)) => &rest[rest.find('/').expect("a path")..],
        None => location,
    };
    assert!(path.starts_with(FILES), "Location {location:?}");
    path.to_owned()
}

/// The value of `Upload-Metadata`.
pub fn encode_metadata(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(key, value)| format!("{key} {}", base64(value.as_bytes())))
        .collect();
    pairs.join(",")
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, i| {
            bits << 8 | usize::from(*group.get(i).unwrap_or(&0))
        });
        for digit in 0..4 {
            let known = digit <= group.len();
            let value = bits >> (18 - 6 * digit) & 63;
            text.push(if known { DIGITS[value] as char } else { '=' });
        }
    }
    text
}

#[test]
fn encodes_metadata() {
    for (value, encoded) in [
        ("", "a "),
        ("f", "a Zg=="),
        ("fo", "a Zm8="),
        ("foo", "a Zm9v"),
        ("größer", "a Z3LDtsOfZXI="),
    ] {
        assert_eq!(encode_metadata(&[("a", value)]), encoded);
    }
    assert_eq!(
        encode_metadata(&[("a", "f"), ("b", "foo")]),
        "a Zg==,b Zm9v"
    );
}
