//! The slowest that a download may be.

use std::time::Duration;

/// Slower than sound itself in almost every format.
const MIN_BYTES_PER_S: u64 = 2 << 10;

/// The pace of one download, over windows of time in which bytes were waited for:
/// time in which nothing was asked of the other server does not count.
#[derive(Debug)]
pub(super) struct Pace {
    window: Duration,
    waited: Duration,
    bytes: u64,
}

impl Pace {
    /// From now on, over windows of this length.
    pub(super) fn over(window: Duration) -> Pace {
        Pace {
            window,
            waited: Duration::ZERO,
            bytes: 0,
        }
    }

    /// Time until the end of this window.
    pub(super) fn left(&self) -> Duration {
        self.window.saturating_sub(self.waited)
    }

    /// Counts bytes that came after a wait; false if the window ends with it and
    /// brought too few.
    pub(super) fn count(&mut self, waited: Duration, bytes: u64) -> bool {
        self.waited += waited;
        self.bytes += bytes;
        if self.waited < self.window {
            return true;
        }
        let is_enough = self.bytes as f64 >= MIN_BYTES_PER_S as f64 * self.waited.as_secs_f64();
        *self = Pace::over(self.window);
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_is_too_slow_and_a_pause_is_not() {
        let second = Duration::from_secs(1);
        // Bytes a second, whether that is enough.
        for (each_second, is_enough) in [
            ([0; 10], false),
            ([20; 10], false),
            ([MIN_BYTES_PER_S - 1; 10], false),
            ([MIN_BYTES_PER_S; 10], true),
            ([0, 0, 0, 0, 0, 0, 0, 0, 0, 10 * MIN_BYTES_PER_S], true),
        ] {
            let mut pace = Pace::over(10 * second);
            for window in 0..3 {
                for (at, bytes) in each_second.into_iter().enumerate() {
                    let is_end = at == 9;
                    assert_eq!(pace.left(), second * (10 - at as u32));
                    let counted = pace.count(second, bytes);
                    assert_eq!(counted, is_enough || !is_end, "{each_second:?} {window}");
                }
            }
        }
    }
}
