//! When an unfinished upload expires.

use std::time::{Duration, SystemTime};

use crate::store::moment::{GRACE, Moment};
use crate::store::record::Record;

/// When an upload expires if nothing is added, by the wall clock as it goes
/// now; `None` for a finished one.
///
/// It must have been idle for `idle_expiry` by the wall clock, and at least
/// for that long or for [`GRACE`] by the clock that nobody can set; where the
/// wall clock went back, only that one counts.
pub(super) fn expires_at(
    record: &Record,
    idle_expiry: Duration,
    now: Moment,
) -> Option<SystemTime> {
    if record.is_finished() {
        return None;
    }
    let committed = record.committed_at;
    let certain = now.at_least_since(&committed);
    let left_of = |period: Duration| period.saturating_sub(certain);
    Some(match now.wall_ms < committed.wall_ms {
        true => now.wall() + left_of(idle_expiry),
        false => (committed.wall() + idle_expiry).max(now.wall() + left_of(idle_expiry.min(GRACE))),
    })
}

/// Whether that is over.
pub(super) fn is_expired(record: &Record, idle_expiry: Duration, now: Moment) -> bool {
    expires_at(record, idle_expiry, now).is_some_and(|time| time <= now.wall())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;
    const HOUR: u64 = 60 * MINUTE;
    const WEEK: u64 = 168 * HOUR;

    #[test]
    fn no_clock_expires_an_upload_before_its_time() {
        let cases = [
            // idle_expiry, wall and boot clock since the commit: expired, told to be left
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
        let committed_at = Moment {
            wall_ms: 10_000 * HOUR,
            since_boot_ms: 100 * MINUTE,
        };
        let record = Record::new(Some(1), committed_at);
        for (idle_expiry, wall, boot, left) in cases {
            let now = Moment {
                wall_ms: committed_at.wall_ms.saturating_add_signed(wall),
                since_boot_ms: committed_at.since_boot_ms.saturating_add_signed(boot),
            };
            let idle_expiry = Duration::from_millis(idle_expiry);
            let case = format!("{idle_expiry:?} {wall} {boot}");
            assert_eq!(
                is_expired(&record, idle_expiry, now),
                left.is_none(),
                "{case}"
            );
            if let Some(left) = left {
                let told = expires_at(&record, idle_expiry, now).unwrap();
                assert_eq!(told, now.wall() + Duration::from_millis(left), "{case}");
            }
        }
        let finished = Record::new(Some(0), committed_at);
        assert_eq!(expires_at(&finished, Duration::ZERO, committed_at), None);
    }
}
