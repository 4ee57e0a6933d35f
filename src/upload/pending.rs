//! Final uploads whose parts are not all complete yet.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::store::Layout;
use crate::store::folder::peek_record;
use crate::store::record::{Kind, Record};

/// A final upload that is not joined yet.
pub(super) fn is_pending(record: &Record) -> bool {
    record.kind == Kind::Final && !record.is_finished()
}

/// How a final upload stands that is not joined yet: it lives as long as
/// anything is added to its parts, and has a length once they all have.
/// Blocks on the disk.
pub(super) fn awaiting(layout: &Layout, record: Record, parts: &[Uuid]) -> Record {
    let records = parts.iter().map(|part| peek_record(&layout.upload(*part)));
    // Without all of them it will never be joined.
    let Ok(records) = records.collect::<Result<Vec<Record>, _>>() else {
        return record;
    };
    let commits = records.iter().map(|part| part.committed_at);
    let newest = commits.chain([record.committed_at]);
    let lengths = records.iter().map(|part| part.length);
    let mut standing = record;
    standing.committed_at = newest
        .max_by_key(|moment| moment.wall_ms)
        .unwrap_or(record.committed_at);
    // An empty one would look as if it were joined.
    standing.length = lengths.sum::<Option<u64>>().filter(|length| *length > 0);
    standing
}

/// What is on disk is the truth: a sweep takes uploads away without telling,
/// which is looked at when there are many.
#[derive(Debug, Default)]
pub(super) struct Pending(Mutex<HashMap<Uuid, Waiting>>);

#[derive(Debug)]
struct Waiting {
    parts: Vec<Uuid>,
    attempt: Attempt,
}

/// Somebody tries to join it ...
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    None,
    Running,
    /// ... and something has changed since they began.
    Stale,
}

impl Pending {
    /// One more, of so many at most as there may be unfinished uploads.
    pub(super) fn insert(&self, id: Uuid, parts: Vec<Uuid>, most: usize, layout: &Layout) {
        let mut all = self.all();
        if all.len() >= most {
            all.retain(|id, _| layout.upload(*id).exists());
        }
        let attempt = Attempt::None;
        all.insert(id, Waiting { parts, attempt });
    }

    pub(super) fn contains(&self, id: Uuid) -> bool {
        self.all().contains_key(&id)
    }

    pub(super) fn remove(&self, id: Uuid) {
        self.all().remove(&id);
    }

    pub(super) fn ids(&self) -> Vec<Uuid> {
        self.all().keys().copied().collect()
    }

    /// Those that this one is a part of.
    pub(super) fn of_part(&self, part: Uuid) -> Vec<Uuid> {
        let all = self.all();
        let of_it = all
            .iter()
            .filter(|(_, final_)| final_.parts.contains(&part));
        of_it.map(|(id, _)| *id).collect()
    }

    /// Begins an attempt to join it; false if it is none of ours, or somebody
    /// tries already: they will then try once more.
    pub(super) fn begin(&self, id: Uuid) -> bool {
        let mut all = self.all();
        let Some(waiting) = all.get_mut(&id) else {
            return false;
        };
        let is_free = waiting.attempt == Attempt::None;
        waiting.attempt = match is_free {
            true => Attempt::Running,
            false => Attempt::Stale,
        };
        is_free
    }

    /// The attempt is over; true if another one must follow.
    pub(super) fn end(&self, id: Uuid) -> bool {
        let mut all = self.all();
        let Some(waiting) = all.get_mut(&id) else {
            return false;
        };
        let is_stale = waiting.attempt == Attempt::Stale;
        waiting.attempt = match is_stale {
            true => Attempt::Running,
            false => Attempt::None,
        };
        is_stale
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Uuid, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
