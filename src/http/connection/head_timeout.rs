//! How long the head of a request is waited for.
//!
//! hyper has one timer, which runs from the end of an answer to the end of the
//! next head. Two periods are needed: a connection may rest for long between
//! requests, but a head that has begun must come soon. So the timer is given a
//! clock that knows when bytes arrive: it runs for the one period, and anew
//! for the other as soon as something is heard. Who has just connected has
//! something to say: there only the second one counts.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

/// Makes the clock of one connection, and what moves it.
pub fn head_clock(rest: Duration) -> (Heard, HeadClock) {
    let has_heard = Arc::new(AtomicBool::new(false));
    let clock = HeadClock {
        has_heard: Arc::clone(&has_heard),
        is_fresh: AtomicBool::new(true),
        rest,
    };
    (Heard(has_heard), clock)
}

/// Where a connection says that something came.
#[derive(Debug)]
pub struct Heard(Arc<AtomicBool>);

impl Heard {
    /// Something came.
    pub fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
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
