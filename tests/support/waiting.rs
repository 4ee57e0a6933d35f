//! Waiting for something to come true. Deadlines are minutes, so that a slow
//! or busy machine never fails a test; they only keep a broken one from hanging.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// Longest wait for anything that works at all.
pub const PATIENCE: Duration = Duration::from_secs(300);

const POLL: Duration = Duration::from_millis(20);

/// Asks `probe` until it answers with something; panics with `what` after
/// [`PATIENCE`].
pub fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        sleep(POLL);
    }
}
