//! A request body; drained briefly when the request is rejected.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::store::ring;

/// Most bytes that are drained.
const LINGER_BYTES: usize = 64 << 20;
/// Longest time that is drained.
const LINGER: Duration = Duration::from_secs(3);

/// The frames of a request body as hyper receives them.
///
/// When dropped before its end, the rest is drained for a while: a client that is
/// still sending would otherwise see a reset connection instead of the response,
/// and could not use the connection again.
#[derive(Debug)]
pub struct RequestBody {
    incoming: Option<Incoming>,
    /// The client waits for a 100 before it sends the body.
    expects_continue: bool,
}

impl RequestBody {
    /// `expects_continue`: see [`crate::http::headers::request_head::expects_continue`].
    pub fn new(incoming: Incoming, expects_continue: bool) -> RequestBody {
        RequestBody {
            incoming: Some(incoming),
            expects_continue,
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
            Some(Ok(_)) => self.expects_continue = false,
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
        if self.expects_continue || self.is_end_stream() {
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
            // A longer body is cut.
            let _ = tokio::time::timeout(LINGER, drain).await;
        });
    }
}
