//! When an unfinished upload expires.

use std::time::{Duration, SystemTime};

use crate::store::moment::Moment;
use crate::store::record::Record;

/// When an upload expires if nothing is added, by the wall clock as it goes
/// `now`; `None` for a finished one.
pub(super) fn expires_at(
    record: &Record,
    idle_expiry: Duration,
    now: Moment,
) -> Option<SystemTime> {
    (!record.is_finished()).then(|| record.committed_at.end_of(idle_expiry, now))
}

/// Whether that is over.
pub(super) fn is_expired(record: &Record, idle_expiry: Duration, now: Moment) -> bool {
    expires_at(record, idle_expiry, now).is_some_and(|time| time <= now.wall())
}
