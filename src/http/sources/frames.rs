//! Gives the frames of a body to the multipart parser one at a time.
//!
//! The parser would otherwise buffer every frame that has arrived before it parses
//! the first. It has no limit on the bytes before the content of a field either.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use hyper::body::Body;

use super::bad_form::{BESIDE_MAX_BYTES, BadForm};

/// The frames of a body as a stream.
pub(super) struct Frames<B> {
    body: B,
    passage: Arc<Passage>,
}

/// Opens the stream for one frame at a time.
#[derive(Debug)]
pub(super) struct Gate(Arc<Passage>);

#[derive(Debug, Default)]
struct Passage {
    is_open: AtomicBool,
    /// Bytes since the last result of the parser.
    bytes: AtomicU64,
}

impl<B> Frames<B> {
    /// The frames of this body, and their gate.
    pub(super) fn new(body: B) -> (Frames<B>, Gate) {
        let passage: Arc<Passage> = Arc::default();
        let gate = Gate(Arc::clone(&passage));
        (Frames { body, passage }, gate)
    }
}

impl Gate {
    /// The result of a call of the parser, which gets another frame whenever it
    /// waits for one.
    pub(super) async fn pass<T>(&self, call: impl Future<Output = T>) -> T {
        let passage = &self.0;
        let mut call = pin!(call);
        std::future::poll_fn(|cx| {
            loop {
                passage.is_open.store(false, Ordering::Relaxed);
                let mut outcome = call.as_mut().poll(cx);
                if outcome.is_pending() {
                    passage.is_open.store(true, Ordering::Relaxed);
                    outcome = call.as_mut().poll(cx);
                }
                if outcome.is_ready() {
                    passage.bytes.store(0, Ordering::Relaxed);
                    return outcome;
                }
                // Still open: no frame has arrived.
                if passage.is_open.load(Ordering::Relaxed) {
                    return Poll::Pending;
                }
            }
        })
        .await
    }
}

impl<B: Body<Data = Bytes> + Unpin> Stream for Frames<B> {
    type Item = Result<Bytes, BadForm>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !self.passage.is_open.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        if self.passage.bytes.load(Ordering::Relaxed) > BESIDE_MAX_BYTES {
            return Poll::Ready(Some(Err(BadForm::Before)));
        }
        loop {
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(_)) => return Poll::Ready(Some(Err(BadForm::Incomplete))),
                None => return Poll::Ready(None),
            };
            // Trailers are ignored.
            if let Ok(bytes) = frame.into_data() {
                self.passage.is_open.store(false, Ordering::Relaxed);
                let count = bytes.len() as u64;
                self.passage.bytes.fetch_add(count, Ordering::Relaxed);
                return Poll::Ready(Some(Ok(bytes)));
            }
        }
    }
}
