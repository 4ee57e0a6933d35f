//! When an upload expires.

use std::time::{Duration, SystemTime};

use crate::store::moment::Moment;
use crate::store::record::{Kind, Record};

/// Shortest life of a complete part.
const PART_LIFE: Duration = Duration::from_secs(24 * 3600);

/// When an upload expires, by the wall clock of `now`; `None` for a complete
/// recording.
pub(super) fn expires_at(
    record: &Record,
    idle_expiry: Duration,
    now: Moment,
) -> Option<SystemTime> {
    let life = match (record.is_finished(), record.kind) {
        (true, Kind::Whole | Kind::Final) => return None,
        (true, Kind::Partial) => idle_expiry.max(PART_LIFE),
        (true, Kind::Joined) | (false, _) => idle_expiry,
    };
    Some(record.committed_at.end_of(life, now))
}

/// Whether an upload has expired.
pub(super) fn is_expired(record: &Record, idle_expiry: Duration, now: Moment) -> bool {
    expires_at(record, idle_expiry, now).is_some_and(|time| time <= now.wall())
}
