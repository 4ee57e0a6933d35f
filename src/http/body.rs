//! A request's body as a source of bytes for the upload engine.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::{EXPECT, HeaderMap};
use hyper::http::request::Parts;
use uuid::Uuid;

use super::App;
use super::announcer::Announcer;
use super::protocol::Interop;
use super::tus::checksum;
use crate::store::ring;
use crate::upload::{Checksum, Cut, Line, Source, Status};

/// How much of a body that nobody wants is read all the same ...
const LINGER_BYTES: usize = 64 << 20;
/// ... and for how long.
const LINGER: Duration = Duration::from_secs(3);

/// Takes frame after frame as hyper received it, without a copy.
///
/// A body that is dropped before its end is still read for a while: a client
/// in the middle of sending would otherwise meet a reset connection instead
/// of the answer that tells it why.
#[derive(Debug)]
pub struct BodySource {
    body: Option<Incoming>,
    line: Option<Line>,
    trailers: Option<HeaderMap>,
    told: Option<Announcer>,
    /// The client waits for our consent to send the body; its answer is the refusal.
    waits: bool,
}

impl BodySource {
    /// The body of a request with this head.
    pub fn new(body: Incoming, head: &Parts) -> BodySource {
        BodySource {
            body: Some(body),
            line: head.extensions.get().cloned(),
            trailers: None,
            told: None,
            waits: head.headers.contains_key(EXPECT),
        }
    }
}

impl BodySource {
    /// The same, of a client that is told how far it is.
    pub fn telling(body: Incoming, head: &Parts, app: &App, interop: Interop) -> BodySource {
        let mut source = BodySource::new(body, head);
        source.told = Announcer::to(head, app, interop);
        source
    }
}

impl Source for BodySource {
    fn created(&mut self, id: Uuid, status: &Status) {
        if let Some(told) = &self.told {
            told.created(id, status);
        }
    }

    fn committed(&mut self, offset: u64) {
        if let Some(told) = &self.told {
            told.committed(offset);
        }
    }

    async fn next(&mut self) -> Option<Result<Bytes, Cut>> {
        loop {
            match self.body.as_mut()?.frame().await {
                Some(Ok(frame)) => {
                    self.waits = false;
                    match frame.into_data() {
                        Ok(bytes) => return Some(Ok(bytes)),
                        Err(frame) => self.trailers = frame.into_trailers().ok(),
                    }
                }
                Some(Err(_)) => {
                    self.body = None;
                    return Some(Err(Cut));
                }
                None => {
                    self.body = None;
                    return None;
                }
            }
        }
    }

    fn line(&self) -> Option<Line> {
        self.line.clone()
    }

    fn checksum(&self) -> Option<Checksum> {
        checksum(self.trailers.as_ref()?).ok()?
    }
}

impl Drop for BodySource {
    fn drop(&mut self) {
        let Some(mut body) = self
            .body
            .take()
            .filter(|body| !self.waits && !body.is_end_stream())
        else {
            return;
        };
        ring::spawn(async move {
            let drain = async {
                let mut read_bytes = 0;
                while read_bytes < LINGER_BYTES
                    && let Some(Ok(frame)) = body.frame().await
                {
                    read_bytes += frame.data_ref().map_or(0, Bytes::len);
                }
            };
            // A body that is longer is the client's own fault: it is cut.
            let _ = tokio::time::timeout(LINGER, drain).await;
        });
    }
}
