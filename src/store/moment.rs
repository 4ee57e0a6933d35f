//! Points in time that survive a wall clock which jumps.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// The wall clock is not believed before the machine has been up for this
/// long: machines start with wrong clocks, and the one who was cut off by a
/// power cut gets time to come back.
pub const GRACE: Duration = Duration::from_secs(3600);

/// A point in time by two clocks: the one on the wall, which goes on through
/// restarts but can be set to anything, and the time since boot (suspended or
/// not), which nobody can set but which begins anew. Both in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Since 1970 UTC.
    pub wall_ms: u64,
    /// CLOCK_BOOTTIME.
    pub since_boot_ms: u64,
}

impl Moment {
    /// This moment.
    pub fn now() -> Moment {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        let since_boot = clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from);
        Moment {
            // A clock before 1970 tells nothing; neither does a missing one,
            // which no kernel that has io_uring lacks.
            wall_ms: wall.map_or(0, to_ms),
            since_boot_ms: since_boot.map_or(0, to_ms),
        }
    }

    /// How long ago `earlier` is at least, whatever was done to the wall clock
    /// and however often the machine was started since.
    pub fn at_least_since(&self, earlier: &Moment) -> Duration {
        let same_boot = self.since_boot_ms.checked_sub(earlier.since_boot_ms);
        Duration::from_millis(same_boot.unwrap_or(self.since_boot_ms))
    }

    /// When `period` after this moment is over, by the wall clock as it goes `now`.
    ///
    /// It must have passed by the wall clock, and as much of it or [`GRACE`] by
    /// the clock that nobody can set; where the wall clock went back, only
    /// that one counts.
    pub fn end_of(&self, period: Duration, now: Moment) -> SystemTime {
        let certain = now.at_least_since(self);
        let left_of = |period: Duration| period.saturating_sub(certain);
        match now.wall_ms < self.wall_ms {
            true => now.wall() + left_of(period),
            false => (self.wall() + period).max(now.wall() + left_of(period.min(GRACE))),
        }
    }

    /// What the clock on the wall shows.
    pub fn wall(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.wall_ms)
    }
}

fn to_ms(time: Duration) -> u64 {
    time.as_millis().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_clock_that_is_set_makes_time_pass() {
        let at = |wall_ms, since_boot_ms| Moment {
            wall_ms,
            since_boot_ms,
        };
        let earlier = at(1_000_000, 50_000);
        for (now, least_ms) in [
            (at(1_005_000, 55_000), 5_000),
            // The wall clock went a year ahead, or back to 1970.
            (at(31_536_000_000, 55_000), 5_000),
            (at(0, 55_000), 5_000),
            // Started again: the time since then is certain, no more.
            (at(9_000_000, 20_000), 20_000),
        ] {
            assert_eq!(
                now.at_least_since(&earlier),
                Duration::from_millis(least_ms),
                "{now:?}"
            );
        }
        assert!(Moment::now().since_boot_ms > 0);
    }

    const MINUTE: u64 = 60_000;
    const HOUR: u64 = 60 * MINUTE;
    const WEEK: u64 = 168 * HOUR;

    #[test]
    fn no_clock_ends_a_period_before_its_time() {
        let cases = [
            // period, wall and boot clock since the commit: expired, told to be left
            (
                10 * MINUTE,
                4 * MINUTE as i64,
                4 * MINUTE as i64,
                Some(6 * MINUTE),
            ),
            (10 * MINUTE, 10 * MINUTE as i64, 10 * MINUTE as i64, None),
            // The wall clock jumps a day ahead, or back to 1970.
            (
                10 * MINUTE,
                24 * HOUR as i64,
                MINUTE as i64,
                Some(9 * MINUTE),
            ),
            (
                10 * MINUTE,
                -(1000 * HOUR as i64),
                MINUTE as i64,
                Some(9 * MINUTE),
            ),
            (10 * MINUTE, -(1000 * HOUR as i64), 10 * MINUTE as i64, None),
            // Off for a night, then up for 5 minutes (the boot clock began anew).
            (
                10 * MINUTE,
                12 * HOUR as i64,
                -(95 * MINUTE as i64),
                Some(5 * MINUTE),
            ),
            (10 * MINUTE, 12 * HOUR as i64, -(90 * MINUTE as i64), None),
            // A long expiry counts the time the machine was off.
            (WEEK, WEEK as i64, -(95 * MINUTE as i64), Some(55 * MINUTE)),
            (WEEK, WEEK as i64, -(40 * MINUTE as i64), None),
            (WEEK, WEEK as i64 - 1, -(40 * MINUTE as i64), Some(1)),
        ];
        let since = Moment {
            wall_ms: 10_000 * HOUR,
            since_boot_ms: 100 * MINUTE,
        };
        for (period, wall, boot, left) in cases {
            let now = Moment {
                wall_ms: since.wall_ms.saturating_add_signed(wall),
                since_boot_ms: since.since_boot_ms.saturating_add_signed(boot),
            };
            let period = Duration::from_millis(period);
            let end = since.end_of(period, now);
            let expected = left.map(|left| now.wall() + Duration::from_millis(left));
            match expected {
                Some(expected) => assert_eq!(end, expected, "{period:?} {wall} {boot}"),
                None => assert!(end <= now.wall(), "{period:?} {wall} {boot}"),
            }
        }
    }
}
