//! The timeout of request heads.
//!
//! hyper has one timer, from the end of a response to the end of the next request
//! head. Two are needed: a connection may be idle for long between requests, but a
//! head that has begun must arrive soon. So hyper gets a timer that is notified of
//! arriving bytes: it runs for the idle period, and from the first byte for the
//! period of a head. For the first head of a connection only the latter counts.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

/// Makes the timer of one connection, and what notifies it.
pub fn head_clock(idle: Duration) -> (Arrival, HeadClock) {
    let has_arrived = Arc::new(AtomicBool::new(false));
    let clock = HeadClock {
        has_arrived: Arc::clone(&has_arrived),
        is_fresh: AtomicBool::new(true),
        idle,
    };
    (Arrival(has_arrived), clock)
}

/// Notifies the timer of arriving bytes.
#[derive(Debug)]
pub struct Arrival(Arc<AtomicBool>);

impl Arrival {
    /// Bytes have arrived.
    pub fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// hyper's timer of one connection. hyper asks for a deadline whenever it begins to
/// wait for a head.
#[derive(Debug)]
pub struct HeadClock {
    has_arrived: Arc<AtomicBool>,
    is_fresh: AtomicBool,
    idle: Duration,
}

impl Timer for HeadClock {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let head = deadline.saturating_duration_since(self.now());
        self.has_arrived.store(false, Ordering::Relaxed);
        let (period, then) = match self.is_fresh.swap(false, Ordering::Relaxed) {
            true => (head, None),
            false => (self.idle, Some(head)),
        };
        Box::pin(Wait {
            sleep: Box::pin(tokio::time::sleep(period)),
            has_arrived: Arc::clone(&self.has_arrived),
            then,
        })
    }
}

/// Waits for a head. hyper polls it after every read that did not complete one.
struct Wait {
    sleep: Pin<Box<tokio::time::Sleep>>,
    has_arrived: Arc<AtomicBool>,
    /// The period from the first byte on.
    then: Option<Duration>,
}

impl Sleep for Wait {}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_arrived.load(Ordering::Relaxed)
            && let Some(head) = self.then.take()
        {
            let deadline = tokio::time::Instant::now() + head;
            self.sleep.as_mut().reset(deadline);
        }
        self.sleep.as_mut().poll(cx)
    }
}
