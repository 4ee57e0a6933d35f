//! A request body as a source of bytes for the upload engine.

use std::error::Error;
use std::io;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::header::HeaderMap;
use hyper::http::request::Parts;
use uuid::Uuid;

use super::announcer::Announcer;
use super::checksum::checksum;
use crate::http::app::App;
use crate::http::connection::request_body::RequestBody;
use crate::http::headers::upload_protocol::Interop;
use crate::upload::{ByteSource, Checksum, PeerSocket, SourceError, UploadStatus};

/// Gives each frame as hyper received it, without a copy.
#[derive(Debug)]
pub struct BodySource {
    body: Option<RequestBody>,
    line: Option<PeerSocket>,
    trailers: Option<HeaderMap>,
    announcer: Option<Announcer>,
}

impl BodySource {
    /// The body of a request with this head.
    pub fn new(body: RequestBody, head: &Parts) -> BodySource {
        BodySource {
            body: Some(body),
            line: head.extensions.get().cloned(),
            trailers: None,
            announcer: None,
        }
    }
}

impl BodySource {
    /// The same, with interim responses to the client.
    pub fn announced(body: RequestBody, head: &Parts, app: &App, interop: Interop) -> BodySource {
        let mut source = BodySource::new(body, head);
        source.announcer = Announcer::to(head, app, interop);
        source
    }
}

impl ByteSource for BodySource {
    fn created(&mut self, id: Uuid, status: &UploadStatus) {
        if let Some(announcer) = &self.announcer {
            announcer.created(id, status);
        }
    }

    fn committed(&mut self, offset: u64) {
        if let Some(announcer) = &self.announcer {
            announcer.committed(offset);
        }
    }

    async fn next(&mut self) -> Option<Result<Bytes, SourceError>> {
        loop {
            match self.body.as_mut()?.frame().await {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => return Some(Ok(bytes)),
                    Err(frame) => self.trailers = frame.into_trailers().ok(),
                },
                Some(Err(error)) => {
                    self.body = None;
                    return Some(Err(source_error(&error)));
                }
                None => {
                    self.body = None;
                    return None;
                }
            }
        }
    }

    fn peer_socket(&self) -> Option<PeerSocket> {
        self.line.clone()
    }

    fn checksum(&self) -> Option<Checksum> {
        checksum(self.trailers.as_ref()?).ok()?
    }
}

/// A malformed body differs from a lost connection in the source of hyper's error.
fn source_error(error: &hyper::Error) -> SourceError {
    let below = error.source().and_then(|below| below.downcast_ref());
    match below.map(io::Error::kind) {
        Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData) => SourceError::Malformed,
        _ => SourceError::Lost,
    }
}
