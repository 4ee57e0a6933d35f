//! A connection without a network: what the client sends is there from the
//! beginning, and it hangs up once that can make no difference any more.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use crate::blocking;

/// A request that waits for more of its body waits in vain: so long.
const PATIENCE: Duration = Duration::from_millis(3);

/// What is sent over a connection.
pub(super) struct Sent {
    pub(super) pieces: Vec<Vec<u8>>,
    /// So many steps are done before the client leaves; `None`: it stays.
    pub(super) leaves_after: Option<usize>,
}

/// The server's end.
#[derive(Clone, Default)]
pub(super) struct Wire(Rc<State>);

#[derive(Default)]
struct State {
    pieces: RefCell<VecDeque<Vec<u8>>>,
    sent: RefCell<Vec<u8>>,
    /// Of a server that wants more than there is.
    reader: Cell<Option<Waker>>,
    is_hungry: Cell<bool>,
    is_ended: Cell<bool>,
    requests: Cell<usize>,
    changed: Notify,
}

/// A request that is being answered.
pub(super) struct Request(Wire);

impl Wire {
    /// Brings these pieces.
    pub(super) fn new(pieces: Vec<Vec<u8>>) -> Wire {
        let wire = Wire::default();
        wire.0.pieces.replace(pieces.into());
        wire
    }

    /// One begins.
    pub(super) fn request(&self) -> Request {
        self.0.requests.update(|requests| requests + 1);
        Request(self.clone())
    }

    /// Hangs up when everything is read and answered, or cannot be, or after
    /// some steps that wait for the disk. Returns whether an answer is missing.
    pub(super) async fn hang_up(&self, after: Option<usize>) -> bool {
        loop {
            let changed = self.0.changed.notified();
            if self.0.is_hungry.get() {
                if let Some(steps) = after {
                    for _ in 0..steps {
                        blocking::idle().await;
                        tokio::task::yield_now().await;
                    }
                    break;
                }
                if self.0.requests.get() == 0 || self.is_quiet(changed).await {
                    break;
                }
            } else if self.is_quiet(changed).await {
                // Nothing is wanted of what is here yet.
                break;
            }
        }
        self.0.is_ended.set(true);
        if let Some(reader) = self.0.reader.take() {
            reader.wake();
        }
        self.0.requests.get() > 0
    }

    async fn is_quiet(&self, changed: impl Future<Output = ()>) -> bool {
        tokio::time::timeout(PATIENCE, changed).await.is_err()
    }

    /// What the server has sent.
    pub(super) fn sent(&self) -> Vec<u8> {
        self.0.sent.take()
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        let state = &self.0.0;
        state.requests.update(|requests| requests - 1);
        state.changed.notify_one();
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let state = &self.0;
        let mut pieces = state.pieces.borrow_mut();
        while let Some(piece) = pieces.front_mut() {
            let count = piece.len().min(buffer.remaining());
            buffer.put_slice(&piece[..count]);
            piece.drain(..count);
            if piece.is_empty() {
                pieces.pop_front();
            }
            if count > 0 {
                state.is_hungry.set(false);
                return Poll::Ready(Ok(()));
            }
        }
        if state.is_ended.get() {
            return Poll::Ready(Ok(()));
        }
        state.reader.set(Some(context.waker().clone()));
        // Once: a notified task may make the server read again.
        if !state.is_hungry.replace(true) {
            state.changed.notify_one();
        }
        Poll::Pending
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.sent.borrow_mut().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
