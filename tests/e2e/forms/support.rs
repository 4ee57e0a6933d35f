//! Forms that bring one recording, and where they go.

use std::net::SocketAddr;

use crate::fixtures::form::{FORM, form, part};
use crate::support::http::{Response, request};

/// Uploads a recording.
pub const STREAM: &str = "/upload/stream";

/// The same with options of the transcription.
pub const SPEECH: &str = "/speech-to-text";

/// A form that brings nothing but this file.
pub fn file(content: &[u8]) -> Vec<u8> {
    form(&[part("; name=\"file\"; filename=\"a.mp3\"", content)])
}

/// Posts a form, which must be answered.
pub fn post(address: SocketAddr, target: &str, body: &[u8]) -> Response {
    request(address, "POST", target, &[FORM], Some(body))
        .unwrap_or_else(|error| panic!("{target}: {error}"))
}
