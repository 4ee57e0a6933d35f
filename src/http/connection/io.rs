//! An accepted connection. Everything that is read from it or written to it
//! goes through [`Connection`]: nothing touches the socket beside it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::head_timeout::{Arrival, HeadClock, head_clock};
use crate::upload::PeerSocket;

/// A connection as hyper, a WebSocket and the end of a connection see it.
#[derive(Debug)]
pub struct Connection {
    link: Arc<Mutex<Link>>,
    /// Notes every byte that arrives, see [`super::head_timeout`].
    arrival: Arrival,
}

/// A handle for interim responses (1xx, RFC 9110, section 15.2), which hyper has
/// no call for. They are written between two writes of hyper's.
#[derive(Debug, Clone)]
pub struct Interim(Arc<Mutex<Link>>);

#[derive(Debug)]
struct Link {
    stream: TcpStream,
    /// hyper has begun to write and has not flushed yet.
    is_writing: bool,
    /// What the socket did not take of an interim response; goes before
    /// anything of hyper's.
    unsent: Vec<u8>,
}

impl Connection {
    /// Over this socket, and the timer for its request heads. It is given up when
    /// the client sends nothing, or takes nothing, for `idle_timeout`.
    pub fn accepted(stream: TcpStream, idle_timeout: Duration) -> (Connection, HeadClock) {
        // Small responses must not wait for more.
        let _ = stream.set_nodelay(true);
        let timeout_ms = idle_timeout.as_millis().try_into().unwrap_or(u32::MAX);
        let _ = setsockopt(&stream, sockopt::TcpUserTimeout, &timeout_ms);
        let (arrival, clock) = head_clock(idle_timeout);
        let link = Link {
            stream,
            is_writing: false,
            unsent: Vec::new(),
        };
        let link = Arc::new(Mutex::new(link));
        (Connection { link, arrival }, clock)
    }

    /// The port that the client connected to.
    pub fn local_port(&self) -> u16 {
        let address = self.link().stream.local_addr();
        address.map_or(0, |address| address.port())
    }

    /// Sends interim responses over it.
    pub fn interim(&self) -> Interim {
        Interim(Arc::clone(&self.link))
    }

    /// The state of the peer, for uploads; `None` where descriptors ran out.
    pub fn peer_socket(&self) -> Option<PeerSocket> {
        PeerSocket::of(&self.link().stream).ok()
    }

    /// Writes as much of this as can be written without waiting.
    pub fn write_now(&self, bytes: &[u8]) {
        self.link().write_now(bytes);
    }

    /// Ends it as one that was lost: what the client has of a response is no
    /// whole one, also where the end of the connection would be its end (RFC 9112,
    /// section 6.3).
    pub fn reset(self) {
        // The kernel sends nothing more and RST.
        let _ = self.link().stream.set_zero_linger();
    }

    fn link(&self) -> MutexGuard<'_, Link> {
        lock(&self.link)
    }
}

impl Interim {
    /// Sends a response head, with its empty line at the end, if that can be
    /// done now; the final response says the same. Only for the request that is
    /// being handled, and before its final response.
    pub fn send(&self, head: &str) {
        let mut link = lock(&self.0);
        if !link.is_writing && link.unsent.is_empty() {
            link.write_now(head.as_bytes());
        }
    }
}

impl Link {
    fn write_now(&mut self, bytes: &[u8]) {
        self.unsent.extend_from_slice(bytes);
        // hyper waits for no write: its waker is not replaced by this one. An
        // error comes again with the next write.
        let _ = self.poll_unsent(&mut Context::from_waker(Waker::noop()));
    }

    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.unsent))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => drop(self.unsent.drain(..written)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The stream, ready for a write of hyper's.
    fn poll_stream(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Pin<&mut TcpStream>>> {
        self.is_writing = true;
        ready!(self.poll_unsent(cx))?;
        Poll::Ready(Ok(Pin::new(&mut self.stream)))
    }
}

fn lock(link: &Mutex<Link>) -> MutexGuard<'_, Link> {
    link.lock().unwrap_or_else(PoisonError::into_inner)
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.link().stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.arrival.note();
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.link().poll_stream(cx))?.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.link().poll_stream(cx))?.poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.link().stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut link = self.link();
        let flushed = ready!(Pin::new(&mut link.stream).poll_flush(cx));
        // hyper flushes when it has nothing left to write.
        link.is_writing = false;
        Poll::Ready(flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.link().stream).poll_shutdown(cx)
    }
}
