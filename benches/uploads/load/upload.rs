//! One upload over TUS, every offset checked.

use std::io;
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::connection::{Answer, Body, Connection};
use super::pattern::Pattern;

/// How often a busy upload (423, 409) is asked for again.
const TRIES: u32 = 400;
const TRY_PAUSE: Duration = Duration::from_millis(5);

/// An upload that exists on the server.
#[derive(Debug)]
pub struct Upload {
    /// Its number, which decides its bytes.
    pub number: usize,
    /// Bytes of the whole upload.
    pub size: u64,
    /// Path of its resource.
    pub path: String,
    /// Bytes the server has acknowledged.
    pub offset: u64,
}

/// What was measured.
#[derive(Debug, Default)]
pub struct Measured {
    /// From the first byte to the last answer.
    pub wall: Duration,
    /// The uploads, all complete (but see [`Manner::Asked`](super::Manner::Asked)).
    pub uploads: Vec<Upload>,
    /// Every PATCH, from its first byte to its answer.
    pub patch_ms: Vec<f64>,
    /// Every HEAD of [`Manner::Asked`](super::Manner::Asked).
    pub head_ms: Vec<f64>,
    /// From the loss of a connection to the offset to resume at.
    pub resume_ms: Vec<f64>,
    /// Bytes that were sent before a loss.
    pub cut_bytes: u64,
    /// Those of them that needed not be sent again.
    pub kept_bytes: u64,
}

impl Measured {
    /// Adds what another connection measured.
    pub fn add(&mut self, other: Measured) {
        self.uploads.extend(other.uploads);
        self.patch_ms.extend(other.patch_ms);
        self.head_ms.extend(other.head_ms);
        self.resume_ms.extend(other.resume_ms);
        self.cut_bytes += other.cut_bytes;
        self.kept_bytes += other.kept_bytes;
    }
}

/// What became of a PATCH.
enum Sent {
    Acknowledged,
    /// Another request still holds the upload, say of an earlier connection.
    Busy,
}

impl Upload {
    /// Creates an upload in the collection at `collection`.
    pub fn create(
        connection: &mut Connection,
        collection: &str,
        number: usize,
        size: u64,
    ) -> io::Result<Upload> {
        let headers = format!(
            "Upload-Length: {size}\r\nUpload-Metadata: filename YmVuY2gud2F2,filetype YXVkaW8vd2F2\r\n"
        );
        let answer = whole(connection.request("POST", collection, &headers, Body::None)?)?;
        let path = answer.header("location").map(path_of).unwrap_or_default();
        if answer.status != 201 || path.is_empty() {
            return Err(unexpected("POST", &answer));
        }
        Ok(Upload {
            number,
            size,
            path,
            offset: 0,
        })
    }

    /// The last part of its path, by which servers name its file.
    pub fn id(&self) -> &str {
        self.path
            .rsplit('/')
            .find(|part| !part.is_empty())
            .unwrap_or_default()
    }

    /// Sends the next chunk of at most `chunk` bytes.
    pub fn send(
        &mut self,
        connection: &mut Connection,
        pattern: &Pattern,
        chunk: u64,
    ) -> io::Result<()> {
        match self.patch(connection, pattern, chunk)? {
            Sent::Acknowledged => Ok(()),
            Sent::Busy => Err(io::Error::other("PATCH: the upload is busy")),
        }
    }

    /// Sends half of the next chunk, loses the connection, asks what was kept,
    /// and sends the rest.
    pub fn send_broken(
        &mut self,
        connection: &mut Connection,
        pattern: &Pattern,
        chunk: u64,
        measured: &mut Measured,
    ) -> io::Result<()> {
        let start = self.offset;
        let len = chunk.min(self.size - start);
        let sent = len / 2;
        let body = Body::Piece {
            pattern,
            upload: self.number,
            offset: start,
            len,
            sent,
        };
        connection.request("PATCH", &self.path, &patch_headers(start), body)?;
        let cut = Instant::now();
        self.offset = self.ask(connection)?;
        measured.resume_ms.push(millis(cut));
        if !(start..=start + sent).contains(&self.offset) {
            return Err(io::Error::other(format!(
                "HEAD says {} after {start}..{} were sent",
                self.offset,
                start + sent
            )));
        }
        measured.cut_bytes += sent;
        measured.kept_bytes += self.offset - start;
        for _ in 0..TRIES {
            if self.offset >= start + len {
                return Ok(());
            }
            let began = Instant::now();
            match self.patch(connection, pattern, start + len - self.offset)? {
                Sent::Acknowledged => measured.patch_ms.push(millis(began)),
                Sent::Busy => {
                    sleep(TRY_PAUSE);
                    self.offset = self.ask(connection)?;
                }
            }
        }
        Err(io::Error::other("the upload stayed busy"))
    }

    /// What the server says it has (HEAD).
    pub fn ask(&self, connection: &mut Connection) -> io::Result<u64> {
        for _ in 0..TRIES {
            let answer = whole(connection.request("HEAD", &self.path, "", Body::None)?)?;
            let length = answer.number("upload-length");
            match (answer.status, answer.number("upload-offset")) {
                (200 | 204, Some(offset)) if length.is_none_or(|length| length == self.size) => {
                    return Ok(offset);
                }
                (423, _) => sleep(TRY_PAUSE),
                _ => return Err(unexpected("HEAD", &answer)),
            }
        }
        Err(io::Error::other("HEAD: the upload stayed locked"))
    }

    /// Sends these bytes, which come next.
    pub fn send_bytes(&mut self, connection: &mut Connection, bytes: &[u8]) -> io::Result<()> {
        let headers = patch_headers(self.offset);
        let body = Body::Bytes(bytes);
        let answer = whole(connection.request("PATCH", &self.path, &headers, body)?)?;
        self.offset += bytes.len() as u64;
        match answer.number("upload-offset") {
            Some(offset) if offset == self.offset => Ok(()),
            _ => Err(unexpected("PATCH", &answer)),
        }
    }

    /// Takes it away, with its task if there is one.
    pub fn remove(self, connection: &mut Connection) -> io::Result<()> {
        let answer = whole(connection.request("DELETE", &self.path, "", Body::None)?)?;
        match answer.status {
            204 => Ok(()),
            _ => Err(unexpected("DELETE", &answer)),
        }
    }

    fn patch(
        &mut self,
        connection: &mut Connection,
        pattern: &Pattern,
        chunk: u64,
    ) -> io::Result<Sent> {
        let len = chunk.min(self.size - self.offset);
        let body = Body::Piece {
            pattern,
            upload: self.number,
            offset: self.offset,
            len,
            sent: len,
        };
        let headers = patch_headers(self.offset);
        let answer = whole(connection.request("PATCH", &self.path, &headers, body)?)?;
        match answer.status {
            204 if answer.number("upload-offset") == Some(self.offset + len) => {
                self.offset += len;
                Ok(Sent::Acknowledged)
            }
            409 | 423 => Ok(Sent::Busy),
            _ => Err(unexpected("PATCH", &answer)),
        }
    }
}

/// What is at a path.
pub fn get(connection: &mut Connection, path: &str) -> io::Result<Vec<u8>> {
    let answer = whole(connection.request("GET", path, "", Body::None)?)?;
    match answer.status {
        200..300 => Ok(answer.body),
        _ => Err(unexpected("GET", &answer)),
    }
}

/// Whether something answers at all.
pub fn answers(address: SocketAddr) -> bool {
    Connection::to(address)
        .request("OPTIONS", "/", "", Body::None)
        .is_ok()
}

/// Milliseconds since then.
pub fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn patch_headers(offset: u64) -> String {
    format!("Upload-Offset: {offset}\r\nContent-Type: application/offset+octet-stream\r\n")
}

fn whole(answer: Option<Answer>) -> io::Result<Answer> {
    answer.ok_or_else(|| io::Error::other("a whole request was cut"))
}

fn unexpected(method: &str, answer: &Answer) -> io::Error {
    io::Error::other(format!(
        "{method}: status {}, offset {:?}, length {:?}",
        answer.status,
        answer.header("upload-offset"),
        answer.header("upload-length"),
    ))
}

/// The path of a `Location`, which may be absolute.
fn path_of(location: &str) -> String {
    match location.split_once("//") {
        Some((_, rest)) => format!("/{}", rest.split_once('/').map_or("", |(_, path)| path)),
        None => location.to_owned(),
    }
}
