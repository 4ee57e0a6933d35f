//! Whether space that is reserved for an upload is used.

use std::time::{Duration, Instant};

/// What receives less than this while a reservation lives does not need it.
const SLOW_BYTES: u64 = 1 << 20;

/// How much of an upload had been received some time ago.
#[derive(Debug)]
pub(super) struct ReservationUse {
    since: Instant,
    position: u64,
}

impl ReservationUse {
    /// Begins now, at this position.
    pub(super) fn from(position: u64) -> ReservationUse {
        ReservationUse {
            since: Instant::now(),
            position,
        }
    }

    /// Whether next to nothing was received in the last `life`, the upload being at
    /// `position` now; false before that much time has passed.
    pub(super) fn is_unused(&mut self, position: u64, life: Duration) -> bool {
        if self.since.elapsed() < life {
            return false;
        }
        let before = std::mem::replace(self, ReservationUse::from(position));
        position.saturating_sub(before.position) < SLOW_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_receives_enough_keeps_its_reservation() {
        let mut reservation = ReservationUse::from(5);
        assert!(
            !reservation.is_unused(5, Duration::from_secs(60)),
            "so soon"
        );
        let mut is_unused = |position| reservation.is_unused(position, Duration::ZERO);
        assert!(is_unused(5) && is_unused(4 + SLOW_BYTES));
        assert!(!is_unused(4 + 2 * SLOW_BYTES) && is_unused(4 + 2 * SLOW_BYTES));
    }
}
