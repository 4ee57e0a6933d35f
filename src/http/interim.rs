//! Interim answers (1xx), which hyper has no call for.
//!
//! They go past hyper, straight to the socket, and only while hyper itself is
//! not in the middle of writing: between two messages a third one harms none.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use nix::sys::socket::{MsgFlags, send};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

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

/// A connection that leaves room for interim answers.
#[derive(Debug)]
pub struct Interruptible<S> {
    stream: S,
    shared: Option<Arc<Shared>>,
}

/// `line` is the socket of `stream`; without it nothing can be sent.
pub fn interruptible<S>(stream: S, line: Option<Line>) -> (Interruptible<S>, Option<Interim>) {
    let shared = line.map(|line| {
        Arc::new(Shared {
            line,
            is_writing: AtomicBool::new(false),
            rest: Mutex::default(),
        })
    });
    let interim = shared.clone().map(Interim);
    (Interruptible { stream, shared }, interim)
}

impl Interim {
    /// Sends one, with its empty line at the end, if that can be done now. Only
    /// for the request that is being answered, and before its answer.
    pub fn send(&self, head: &str) {
        let shared = &self.0;
        let mut rest = shared.rest.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.is_writing.load(Ordering::Relaxed) || !rest.is_empty() {
            return;
        }
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        // One that cannot be sent is not missed: the final answer tells it all.
        if let Ok(sent) = send(shared.line.as_fd().as_raw_fd(), head.as_bytes(), flags) {
            rest.extend_from_slice(&head.as_bytes()[sent..]);
        }
    }
}

impl<S> Interruptible<S> {
    /// The connection alone.
    pub fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncWrite + Unpin> Interruptible<S> {
    /// Before hyper writes: the rest of what was sent past it.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(shared) = &self.shared else {
            return Poll::Ready(Ok(()));
        };
        shared.is_writing.store(true, Ordering::Relaxed);
        let mut rest = shared.rest.lock().unwrap_or_else(PoisonError::into_inner);
        while !rest.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => drop(rest.drain(..written)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Interruptible<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Interruptible<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_rest(cx))?;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_rest(cx))?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        // hyper flushes when it has nothing left to write.
        if let Some(shared) = &self.shared {
            shared.is_writing.store(false, Ordering::Relaxed);
        }
        Poll::Ready(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
