//! How often something may happen.

use tokio::time::Instant;

/// At once: what a working engine has to say while the daemon waits for its disk
/// for an hour.
const AT_ONCE: u64 = 10_000;
/// In the long run. A job gives a sign of life about once a second.
const PER_SECOND: u64 = 32;

/// A number of events that is used up and grows again.
#[derive(Debug)]
pub(super) struct Allowance {
    left: u64,
    /// When it grew last.
    grown_at: Instant,
}

impl Allowance {
    /// A whole one.
    pub(super) fn new(now: Instant) -> Allowance {
        Allowance {
            left: AT_ONCE,
            grown_at: now,
        }
    }

    /// Counts an event; false if there were too many.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let seconds = now.saturating_duration_since(self.grown_at).as_secs();
        if seconds > 0 {
            let more = seconds.saturating_mul(PER_SECOND);
            self.left = self.left.saturating_add(more).min(AT_ONCE);
            self.grown_at = now;
        }
        let is_left = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_left
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_is_used_up_and_grows_again() {
        let begun = Instant::now();
        let mut allowance = Allowance::new(begun);
        let mut taken = |now| {
            let mut count: u64 = 0;
            while allowance.take(now) {
                count += 1;
            }
            count
        };
        assert_eq!(taken(begun), AT_ONCE);
        assert_eq!(taken(begun), 0);
        let after = |seconds| begun + Duration::from_secs(seconds);
        assert_eq!(taken(after(2)), 2 * PER_SECOND);
        assert_eq!(taken(after(1_000_000)), AT_ONCE);
        assert_eq!(taken(begun), 0, "an earlier time is none");
    }
}
