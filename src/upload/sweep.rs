//! Removes expired and abandoned uploads.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::expiry::is_expired;
use super::pending::{awaiting, is_pending};
use crate::store::Layout;
use crate::store::folder::{
    OpenError, Parked, Removal, delete_folder, is_being_created, peek_record, read_facts,
};
use crate::store::moment::Moment;
use crate::store::record::Record;

/// A folder in `creating` is younger than this while its creator has not locked it
/// yet.
const ORPHAN_AGE: Duration = Duration::from_secs(60);

/// What a sweep removed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Swept {
    /// Number of expired unfinished uploads.
    pub expired: u64,
    /// Number of folders left behind by a crash.
    pub orphans: u64,
    /// Disk space of the expired uploads.
    pub freed_bytes: u64,
}

/// One pass over the state directory. Safe beside a running daemon and beside
/// other sweeps: nothing is removed without its lock, and nothing that is
/// being written to can be locked. Blocks on the disk.
pub fn sweep(layout: &Layout, idle_expiry: Duration) -> io::Result<Swept> {
    let names = std::fs::read_dir(layout.uploads())?.map(|entry| Ok(entry?.file_name()));
    let ids = names.filter_map(|name: io::Result<_>| match name {
        Ok(name) => Layout::id_of(&name).map(Ok),
        Err(error) => Some(Err(error)),
    });
    let mut swept = remove_expired(layout, ids, idle_expiry)?;
    let now = SystemTime::now();
    for entry in std::fs::read_dir(layout.creating())? {
        let path = entry?.path();
        if is_old(&path, now) && !is_being_created(&path) {
            swept.orphans += u64::from(delete_folder(&path)?);
        }
    }
    for entry in std::fs::read_dir(layout.removing())? {
        swept.orphans += u64::from(delete_folder(&entry?.path())?);
    }
    Ok(swept)
}

/// Removes those of these uploads that have expired. Blocks on the disk.
pub(super) fn remove_expired(
    layout: &Layout,
    ids: impl IntoIterator<Item = io::Result<Uuid>>,
    idle_expiry: Duration,
) -> io::Result<Swept> {
    let now = Moment::now();
    let is_over = |dir: &Path, record| is_expired(&standing(layout, dir, record), idle_expiry, now);
    let mut swept = Swept::default();
    let mut removal = Removal::new(layout);
    for id in ids {
        let id = id?;
        let path = layout.upload(id);
        // Not locked yet: that would disturb live uploads.
        if !peek_record(&path).is_ok_and(|record| is_over(&path, record)) {
            continue;
        }
        match Parked::lock(layout, id) {
            Ok(parked) if is_over(&path, parked.record) => {
                removal.add(parked)?;
                swept.expired += 1;
            }
            Ok(_) | Err(OpenError::Locked | OpenError::Missing | OpenError::Damaged) => {}
            Err(OpenError::Io(error)) => return Err(error),
        }
    }
    swept.freed_bytes = removal.finish()?;
    Ok(swept)
}

/// The state of an upload; a final one lives as long as its parts.
fn standing(layout: &Layout, dir: &Path, record: Record) -> Record {
    match is_pending(&record).then(|| read_facts(dir)) {
        Some(Ok(facts)) => awaiting(layout, record, facts.parts()),
        _ => record,
    }
}

fn is_old(path: &Path, now: SystemTime) -> bool {
    let changed = std::fs::metadata(path).and_then(|metadata| metadata.modified());
    changed.is_ok_and(|changed| {
        now.duration_since(changed)
            .is_ok_and(|age| age > ORPHAN_AGE)
    })
}
