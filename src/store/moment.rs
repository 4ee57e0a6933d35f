//! Points in time that are robust against jumps of the wall clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// The wall clock is not trusted before the machine has been up for this long:
/// machines may boot with a wrong clock, and clients get time to resume after a
/// power failure.
pub const GRACE: Duration = Duration::from_secs(3600);

/// A point in time by two clocks, both in milliseconds: the wall clock, which
/// continues across reboots but can be set, and the time since boot (including
/// suspend), which cannot be set but restarts at every boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Wall clock, since 1970 UTC.
    pub wall_ms: u64,
    /// CLOCK_BOOTTIME.
    pub since_boot_ms: u64,
}

impl Moment {
    /// The current time.
    pub fn now() -> Moment {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        let since_boot = clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from);
        Moment {
            // 0 for a wall clock before 1970. CLOCK_BOOTTIME cannot fail: every
            // kernel with io_uring has it.
            wall_ms: wall.map_or(0, to_ms),
            since_boot_ms: since_boot.map_or(0, to_ms),
        }
    }

    /// The least time that has passed since `earlier`, independent of the wall
    /// clock and of reboots.
    pub fn at_least_since(&self, earlier: &Moment) -> Duration {
        let same_boot = self.since_boot_ms.checked_sub(earlier.since_boot_ms);
        Duration::from_millis(same_boot.unwrap_or(self.since_boot_ms))
    }

    /// When `period` after this moment ends, in terms of the wall clock at `now`.
    ///
    /// The period must have passed by the wall clock, and the shorter of it and
    /// [`GRACE`] by the boot clock. If the wall clock went backwards, only the
    /// boot clock counts.
    pub fn end_of(&self, period: Duration, now: Moment) -> SystemTime {
        let certain = now.at_least_since(self);
        let left_of = |period: Duration| period.saturating_sub(certain);
        match now.wall_ms < self.wall_ms {
            true => now.wall() + left_of(period),
            false => (self.wall() + period).max(now.wall() + left_of(period.min(GRACE))),
        }
    }

    /// The wall clock time.
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
    fn setting_the_wall_clock_does_not_make_time_pass() {
        let at = |wall_ms, since_boot_ms| Moment {
            wall_ms,
            since_boot_ms,
        };
        let earlier = at(1_000_000, 50_000);
        for (now, least_ms) in [
            (at(1_005_000, 55_000), 5_000),
            // The wall clock jumped a year ahead, or back to 1970.
            (at(31_536_000_000, 55_000), 5_000),
            (at(0, 55_000), 5_000),
            // Rebooted: only the time since the boot is certain.
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
    fn no_clock_change_ends_a_period_early() {
        let cases = [
            // period; wall and boot clock since the commit; time left
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
            // Off for a night, then up for 5 minutes (the boot clock restarted).
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
