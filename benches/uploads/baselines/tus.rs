//! Just enough TUS, without any care.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::fcntl::{FallocateFlags, fallocate};

/// How often both call fdatasync on an upload.
pub const SYNC_EVERY_BYTES: u64 = 50 << 20;

/// What of a request's head matters.
#[derive(Debug)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The last part of the path.
    pub id: String,
    /// `Content-Length`
    pub length: u64,
    head: String,
}

impl Request {
    /// Takes a request's head out of what was received; the rest is body.
    pub fn take(received: &mut Vec<u8>) -> Option<Request> {
        let end = received
            .windows(4)
            .position(|window| window == b"\r\n\r\n")?
            + 4;
        let head = String::from_utf8_lossy(&received[..end]).into_owned();
        received.drain(..end);
        let mut words = head.split(' ');
        let method = words.next()?.to_owned();
        let id = words.next()?.rsplit('/').next()?.to_owned();
        let mut request = Request {
            method,
            id,
            length: 0,
            head,
        };
        request.length = request.number("content-length").unwrap_or(0);
        Some(request)
    }

    /// A header's value as a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found
                .eq_ignore_ascii_case(name)
                .then(|| value.trim().parse().ok())?
        })
    }
}

/// What is known of an upload.
#[derive(Debug, Clone, Copy)]
pub struct State {
    /// Its whole size.
    pub size: u64,
    /// Bytes it has.
    pub offset: u64,
    /// Bytes since the last fdatasync.
    pub unsynced: u64,
}

/// All uploads.
#[derive(Debug)]
pub struct Uploads {
    data: PathBuf,
    states: Mutex<HashMap<String, State>>,
}

impl Uploads {
    /// In this folder.
    pub fn new(data: &Path) -> Uploads {
        Uploads {
            data: data.into(),
            states: Mutex::default(),
        }
    }

    /// Where an upload's bytes lie.
    pub fn path(&self, id: &str) -> PathBuf {
        self.data.join(id)
    }

    /// An upload.
    pub fn get(&self, id: &str) -> Option<State> {
        self.states().get(id).copied()
    }

    /// Notes how far an upload has come.
    pub fn set(&self, id: &str, state: State) {
        self.states().insert(id.to_owned(), state);
    }

    /// Answers everything but PATCH.
    pub fn answer(&self, request: &Request) -> io::Result<String> {
        match request.method.as_str() {
            "POST" => {
                let size = request.number("upload-length").unwrap_or(0);
                let id = self.create(size)?;
                Ok(answer("201 Created", &format!("Location: /{id}\r\n")))
            }
            "HEAD" => Ok(match self.get(&request.id) {
                Some(State { size, offset, .. }) => {
                    let headers = format!("Upload-Offset: {offset}\r\nUpload-Length: {size}\r\n");
                    answer("200 OK", &headers)
                }
                None => answer("404 Not Found", ""),
            }),
            _ => Ok(answer("204 No Content", "")),
        }
    }

    fn create(&self, size: u64) -> io::Result<String> {
        let mut states = self.states();
        let id = format!("upload-{}", states.len());
        let file = File::create(self.path(&id))?;
        fallocate(&file, FallocateFlags::empty(), 0, size as i64)?;
        states.insert(
            id.clone(),
            State {
                size,
                offset: 0,
                unsynced: 0,
            },
        );
        Ok(id)
    }

    fn states(&self) -> MutexGuard<'_, HashMap<String, State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer to a PATCH.
pub fn patched(offset: u64) -> String {
    answer("204 No Content", &format!("Upload-Offset: {offset}\r\n"))
}

fn answer(status: &str, headers: &str) -> String {
    let length = if status.starts_with("204") {
        ""
    } else {
        "Content-Length: 0\r\n"
    };
    format!("HTTP/1.1 {status}\r\nTus-Resumable: 1.0.0\r\n{length}{headers}\r\n")
}
