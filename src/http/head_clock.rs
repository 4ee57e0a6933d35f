//! How long the head of a request is waited for.
//!
//! hyper has one timer, which runs from the end of an answer to the end of the
//! next head. Two periods are needed: a connection may rest for long between
//! requests, but a head that has begun must come soon. So the timer is given a
//! clock that knows when bytes arrive: it runs for the one period, and anew
//! for the other as soon as something is heard. Who has just connected has
//! something to say: there only the second one counts.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Makes the clock of one connection, and the connection that moves it.
pub fn watch<S>(stream: S, rest: Duration) -> (Heard<S>, HeadClock) {
    let has_heard = Arc::new(AtomicBool::new(false));
    let heard = Heard {
        stream,
        has_heard: Arc::clone(&has_heard),
    };
    let clock = HeadClock {
        has_heard,
        is_fresh: AtomicBool::new(true),
        rest,
    };
    (heard, clock)
}

/// A connection that remembers whether something came.
#[derive(Debug)]
pub struct Heard<S> {
    stream: S,
    has_heard: Arc<AtomicBool>,
}

impl<S> Heard<S> {
    /// The connection alone.
    pub fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.has_heard.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// hyper's timer of one connection. It asks for a deadline whenever it begins
/// to wait for a head: that of the head.
#[derive(Debug)]
pub struct HeadClock {
    has_heard: Arc<AtomicBool>,
    is_fresh: AtomicBool,
    rest: Duration,
}

impl Timer for HeadClock {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let head = deadline.saturating_duration_since(self.now());
        self.has_heard.store(false, Ordering::Relaxed);
        let (period, then) = match self.is_fresh.swap(false, Ordering::Relaxed) {
            true => (head, None),
            false => (self.rest, Some(head)),
        };
        Box::pin(Wait {
            sleep: Box::pin(tokio::time::sleep(period)),
            has_heard: Arc::clone(&self.has_heard),
            then,
        })
    }
}

/// Waits for a head. hyper polls it after every read that did not complete one.
struct Wait {
    sleep: Pin<Box<tokio::time::Sleep>>,
    has_heard: Arc<AtomicBool>,
    /// How long still once something is heard.
    then: Option<Duration>,
}

impl Sleep for Wait {}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_heard.load(Ordering::Relaxed)
            && let Some(head) = self.then.take()
        {
            let deadline = tokio::time::Instant::now() + head;
            self.sleep.as_mut().reset(deadline);
        }
        self.sleep.as_mut().poll(cx)
    }
}
