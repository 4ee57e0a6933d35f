//! Interim answers (1xx), which hyper has no call for.
//!
//! They go past hyper, straight to the socket, and only while hyper itself is
//! not in the middle of writing: between two messages a third one harms none.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use nix::sys::socket::{MsgFlags, send};
use tokio::io::AsyncWrite;

use crate::upload::Line;

/// Where interim answers to the requests of one connection can be sent.
#[derive(Debug, Clone)]
pub struct Interim(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    line: Line,
    /// hyper has begun to write and not said yet that it is done.
    is_writing: AtomicBool,
    /// The rest of an answer that the socket did not take whole; comes before
    /// anything of hyper's.
    rest: Mutex<Vec<u8>>,
}

impl Interim {
    /// For the connection over this socket, which must tell what hyper does.
    pub fn new(line: Line) -> Interim {
        Interim(Arc::new(Shared {
            line,
            is_writing: AtomicBool::new(false),
            rest: Mutex::default(),
        }))
    }

    /// Sends one, with its empty line at the end, if that can be done now. Only
    /// for the request that is being answered, and before its answer.
    pub fn send(&self, head: &str) {
        let mut rest = self.rest();
        if self.0.is_writing.load(Ordering::Relaxed) || !rest.is_empty() {
            return;
        }
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        // One that cannot be sent is not missed: the final answer tells it all.
        if let Ok(sent) = send(self.0.line.as_fd().as_raw_fd(), head.as_bytes(), flags) {
            rest.extend_from_slice(&head.as_bytes()[sent..]);
        }
    }

    /// hyper is about to write to `stream`: what is left of the last interim
    /// answer comes first.
    pub fn poll_before<S: AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.is_writing.store(true, Ordering::Relaxed);
        let mut rest = self.rest();
        while !rest.is_empty() {
            match ready!(Pin::new(&mut *stream).poll_write(cx, &rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => drop(rest.drain(..written)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// hyper has flushed, which it does when it has nothing left to write.
    pub fn flushed(&self) {
        self.0.is_writing.store(false, Ordering::Relaxed);
    }

    fn rest(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
