//! The body of a request, also of one that nobody wants.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::store::ring;

/// How much of a body that nobody wants is read all the same ...
const LINGER_BYTES: usize = 64 << 20;
/// ... and for how long.
const LINGER: Duration = Duration::from_secs(3);

/// Frame after frame as hyper receives it.
///
/// One that is dropped before its end is still read for a while: a client in
/// the middle of sending would otherwise meet a reset connection instead of
/// the answer that tells it why, and could not use the connection again.
#[derive(Debug)]
pub struct RequestBody {
    incoming: Option<Incoming>,
    /// The client waits for our consent to send it; its answer is the refusal.
    waits: bool,
}

impl RequestBody {
    /// `waits`: see [`crate::http::headers::request_head::waits_for_consent`].
    pub fn new(incoming: Incoming, waits: bool) -> RequestBody {
        RequestBody {
            incoming: Some(incoming),
            waits,
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let Some(incoming) = &mut self.incoming else {
            return Poll::Ready(None);
        };
        let frame = ready!(Pin::new(incoming).poll_frame(cx));
        match &frame {
            Some(Ok(_)) => self.waits = false,
            Some(Err(_)) | None => self.incoming = None,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let hint = self.incoming.as_ref().map(Body::size_hint);
        hint.unwrap_or(SizeHint::with_exact(0))
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if self.waits || self.is_end_stream() {
            return;
        }
        let Some(mut incoming) = self.incoming.take() else {
            return;
        };
        ring::spawn(async move {
            let drain = async {
                let mut read_bytes = 0;
                while read_bytes < LINGER_BYTES
                    && let Some(Ok(frame)) = incoming.frame().await
                {
                    read_bytes += frame.data_ref().map_or(0, Bytes::len);
                }
            };
            // A body that is longer is the client's own fault: it is cut.
            let _ = tokio::time::timeout(LINGER, drain).await;
        });
    }
}
