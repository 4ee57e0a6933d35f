//! Taking away what nobody will come back for.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::store::Layout;
use crate::store::folder::{OpenError, Parked, Removal, bury, is_being_created, peek_record};
use crate::store::moment::Moment;

use super::is_expired;

/// A folder in `creating` without a lock is younger than this while its maker
/// is between making it and locking it.
const ORPHAN_AGE: Duration = Duration::from_secs(60);

/// What a sweep took away.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Swept {
    /// Unfinished uploads that had expired.
    pub expired: u64,
    /// Folders that a crash had left behind.
    pub orphans: u64,
    /// Disk space that the expired ones held.
    pub freed_bytes: u64,
}

/// One pass over the state directory. Safe beside a running daemon and beside
/// other sweeps: nothing is removed without its lock, and nothing that is
/// being written to can be locked. Blocks on the disk.
pub fn sweep(layout: &Layout, idle_expiry: Duration) -> io::Result<Swept> {
    let now = Moment::now();
    let mut swept = Swept::default();
    let mut removal = Removal::new(layout);
    for entry in std::fs::read_dir(layout.uploads())? {
        let path = entry?.path();
        let Some(id) = path.file_name().and_then(Layout::id_of) else {
            continue;
        };
        // Without the lock first: locking each live upload would disturb it.
        if !peek_record(&path).is_ok_and(|record| is_expired(&record, idle_expiry, now)) {
            continue;
        }
        match Parked::lock(layout, id) {
            Ok(parked) if is_expired(&parked.record, idle_expiry, now) => {
                removal.add(parked)?;
                swept.expired += 1;
            }
            Ok(_) | Err(OpenError::Locked | OpenError::Missing | OpenError::Damaged) => {}
            Err(OpenError::Io(error)) => return Err(error),
        }
    }
    swept.freed_bytes = removal.finish()?;
    let now = SystemTime::now();
    for entry in std::fs::read_dir(layout.creating())? {
        let path = entry?.path();
        if is_old(&path, now) && !is_being_created(&path) {
            swept.orphans += u64::from(bury(&path)?);
        }
    }
    for entry in std::fs::read_dir(layout.removing())? {
        swept.orphans += u64::from(bury(&entry?.path())?);
    }
    Ok(swept)
}

fn is_old(path: &Path, now: SystemTime) -> bool {
    let changed = std::fs::metadata(path).and_then(|metadata| metadata.modified());
    changed.is_ok_and(|changed| {
        now.duration_since(changed)
            .is_ok_and(|age| age > ORPHAN_AGE)
    })
}
