//! A client of Resumable Uploads for HTTP (draft-ietf-httpbis-resumable-upload),
//! in every version of the draft that clients speak.

use std::fs;
use std::net::SocketAddr;

use crate::support::daemon::Daemon;
use crate::support::http::{Response, request};
use crate::support::tus::FILES;

/// Values of `Upload-Draft-Interop-Version`.
pub const VERSIONS: [&str; 5] = ["3", "4", "5", "6", "8"];

/// The registered problem types begin so.
pub const PROBLEMS: &str = "https://iana.org/assignments/http-problem-types#";

/// The content type of an append.
pub const CHUNK: (&str, &str) = ("Content-Type", "application/partial-upload");

/// A client that speaks one version of the draft.
#[derive(Clone, Copy)]
pub struct Client {
    pub address: SocketAddr,
    pub version: &'static str,
}

impl Client {
    /// A client of the newest version.
    pub fn newest(address: SocketAddr) -> Client {
        Client {
            address,
            version: "8",
        }
    }

    /// The header that says whether these are the last bytes.
    pub fn complete(self, is_last: bool) -> (&'static str, &'static str) {
        match (self.version, is_last) {
            ("3", true) => ("Upload-Incomplete", "?0"),
            ("3", false) => ("Upload-Incomplete", "?1"),
            (_, true) => ("Upload-Complete", "?1"),
            (_, false) => ("Upload-Complete", "?0"),
        }
    }

    /// Whether an answer says that the upload is complete.
    pub fn is_complete(self, response: &Response) -> Option<bool> {
        let (name, yes) = self.complete(true);
        let value = response.header(&name.to_lowercase())?;
        Some(value == yes)
    }

    /// The header with its version.
    pub fn draft(self) -> (&'static str, &'static str) {
        ("Upload-Draft-Interop-Version", self.version)
    }

    /// A request, which must be answered.
    pub fn ask(
        self,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Response {
        let headers = [&[self.draft()], more].concat();
        request(self.address, method, path, &headers, body)
            .unwrap_or_else(|error| panic!("{method} {path} {headers:?}: {error}"))
    }

    /// Upload creation.
    pub fn create(self, is_last: bool, bytes: &[u8]) -> Response {
        self.ask("POST", FILES, &[self.complete(is_last)], Some(bytes))
    }

    /// Upload append.
    pub fn append(self, path: &str, offset: usize, is_last: bool, bytes: &[u8]) -> Response {
        let offset = offset.to_string();
        let headers = [self.complete(is_last), CHUNK, ("Upload-Offset", &*offset)];
        self.ask("PATCH", path, &headers, Some(bytes))
    }

    /// Offset retrieval.
    pub fn head(self, path: &str) -> Response {
        self.ask("HEAD", path, &[], None)
    }
}

/// The bytes of an upload, on the disk.
pub fn data(daemon: &Daemon, path: &str) -> Vec<u8> {
    let id = path.rsplit('/').next().unwrap();
    fs::read(daemon.state_dir().join("uploads").join(id).join("data")).unwrap()
}

/// The members of `Upload-Limit`.
pub fn limits(response: &Response) -> Vec<&str> {
    let limits = response.header("upload-limit").expect("Upload-Limit");
    limits.split(", ").collect()
}
