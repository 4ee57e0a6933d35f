//! Points in time that survive a wall clock which jumps.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

/// The wall clock is not believed before the machine has been up for this
/// long: machines start with wrong clocks, and the one who was cut off by a
/// power cut gets time to come back.
pub const GRACE: Duration = Duration::from_secs(3600);

/// A point in time by two clocks: the one on the wall, which goes on through
/// restarts but can be set to anything, and the time since boot (suspended or
/// not), which nobody can set but which begins anew. Both in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

    /// Time since the machine was started.
    pub fn since_boot(&self) -> Duration {
        Duration::from_millis(self.since_boot_ms)
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
        assert!(Moment::now().since_boot() > Duration::ZERO);
    }
}
