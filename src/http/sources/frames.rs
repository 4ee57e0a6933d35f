//! The frames of a body, no sooner than somebody can do nothing without them.
//!
//! The parser of forms would take as many as it can get before it looks at the
//! first, and hold them all. It has no limit for what comes before a field's
//! content either.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use hyper::body::Body;

use super::bad_form::{BESIDE_MAX_BYTES, BadForm};

/// A body's frames.
pub(super) struct Frames<B> {
    body: B,
    passage: Arc<Passage>,
}

/// Lets them through, one at a time.
#[derive(Debug)]
pub(super) struct Gate(Arc<Passage>);

#[derive(Debug, Default)]
struct Passage {
    is_open: AtomicBool,
    /// How much went through since the parser came to something.
    bytes: AtomicU64,
}

impl<B> Frames<B> {
    /// Those of this body.
    pub(super) fn new(body: B) -> (Frames<B>, Gate) {
        let passage: Arc<Passage> = Arc::default();
        let gate = Gate(Arc::clone(&passage));
        (Frames { body, passage }, gate)
    }
}

impl Gate {
    /// What a call of the parser comes to. It gets another frame whenever it
    /// has to wait for one.
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
                // Still open: there was none.
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
            // Trailers are no content.
            if let Ok(bytes) = frame.into_data() {
                self.passage.is_open.store(false, Ordering::Relaxed);
                let count = bytes.len() as u64;
                self.passage.bytes.fetch_add(count, Ordering::Relaxed);
                return Poll::Ready(Some(Ok(bytes)));
            }
        }
    }
}
