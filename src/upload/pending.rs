//! Final uploads whose parts are not all complete yet.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::store::Layout;
use crate::store::folder::peek_record;
use crate::store::record::{Kind, Record};

/// Whether this is a final upload that is not joined yet.
pub(super) fn is_pending(record: &Record) -> bool {
    record.kind == Kind::Final && !record.is_finished()
}

/// The state of a final upload that is not joined yet: it expires with the parts,
/// and has a length once they all have. Blocks on the disk.
pub(super) fn awaiting(layout: &Layout, record: Record, parts: &[Uuid]) -> Record {
    let records = parts.iter().map(|part| peek_record(&layout.upload(*part)));
    // If one is missing it is never joined.
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
    // Zero would mean that it is joined.
    standing.length = lengths.sum::<Option<u64>>().filter(|length| *length > 0);
    standing
}

/// The final uploads that wait for their parts. A sweep, in another process,
/// removes uploads without notice, so they are looked for when there are many.
#[derive(Debug, Default)]
pub(super) struct Pending(Mutex<HashMap<Uuid, Waiting>>);

#[derive(Debug)]
struct Waiting {
    parts: Vec<Uuid>,
    attempt: Attempt,
}

/// An attempt to join the parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    None,
    Running,
    /// Running, and a part has changed since it began.
    Stale,
}

impl Pending {
    /// Adds one; at `most` entries, those that a sweep removed are dropped first.
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

    /// The final uploads that have this part.
    pub(super) fn of_part(&self, part: Uuid) -> Vec<Uuid> {
        let all = self.all();
        let of_it = all
            .iter()
            .filter(|(_, final_)| final_.parts.contains(&part));
        of_it.map(|(id, _)| *id).collect()
    }

    /// Begins an attempt to join; false if the id is unknown or an attempt runs,
    /// which is then repeated.
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

    /// Ends an attempt; true if another one must follow.
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
