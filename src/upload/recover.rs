//! The start-up scan of uploads.

use std::io;
use std::path::Path;

use tracing::{error, warn};
use uuid::Uuid;

use super::pending::is_pending;
use crate::shares::Owner;
use crate::store::Layout;
use crate::store::facts::Facts;
use crate::store::folder::{OpenError, Parked, damaged_path, peek_record, read_facts};
use crate::store::record::{Kind, Record};
use crate::store::sync_dir;

/// An upload found by the start-up scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecoveredUpload {
    /// A complete recording.
    Finished(Uuid),
    /// An unfinished upload, or a part that is not joined yet.
    Unfinished {
        /// Its id.
        id: Uuid,
        /// Whose it is.
        owner: Owner,
        /// Disk space reserved for what has not been received.
        reserved_bytes: u64,
    },
    /// A final upload that waits for these parts.
    Pending(Uuid, Vec<Uuid>),
}

/// Reads every upload and passes each to `found`. One that cannot be read is moved
/// to `damaged` and noted in the journal; the others are unaffected (I6). Blocks on
/// the disk.
pub fn recover(layout: &Layout, mut found: impl FnMut(RecoveredUpload)) -> io::Result<()> {
    for entry in std::fs::read_dir(layout.uploads())? {
        let path = entry?.path();
        let id = path.file_name().and_then(Layout::id_of);
        match id
            .ok_or("its name is not an id".to_owned())
            .and_then(|id| Ok((id, read(&path)?)))
        {
            Ok((id, Some((record, facts)))) => {
                if record.is_recording() {
                    found(RecoveredUpload::Finished(id));
                } else if facts.is_whole {
                    remove_if_left(layout, id);
                } else if !record.is_finished() || record.kind == Kind::Partial {
                    found(RecoveredUpload::Unfinished {
                        id,
                        owner: facts.share_owner(),
                        reserved_bytes: record.length.unwrap_or(0).saturating_sub(record.offset),
                    });
                    if is_pending(&record) {
                        found(RecoveredUpload::Pending(id, facts.parts().to_vec()));
                    }
                }
            }
            Ok((_, None)) => {}
            // Noted in the journal; one that cannot be moved is skipped.
            Err(reason) => drop(set_aside(layout, &path, &reason)),
        }
    }
    Ok(())
}

/// Removes what a crash left of a recording that cannot be resumed; one that is
/// being received is locked.
fn remove_if_left(layout: &Layout, id: Uuid) {
    let removed = match Parked::lock(layout, id) {
        Ok(parked) if parked.record.is_finished() => Ok(0),
        Ok(parked) => parked.remove(layout),
        Err(_) => Ok(0),
    };
    if let Err(error) = removed {
        // It expires later.
        error!(upload_id = %id, "the rest of it cannot be removed: {error}");
    }
}

/// Makes durable what a killed daemon had written and not synced, so that records
/// are true as they are read. Before the first request. Blocks on the disk.
pub fn settle(layout: &Layout) -> io::Result<()> {
    let Err(error) = layout.sync() else {
        return Ok(());
    };
    error!("the state directory cannot be synced ({error}): every upload is synced alone");
    for entry in std::fs::read_dir(layout.uploads())? {
        let path = entry?.path();
        let Some(id) = path.file_name().and_then(Layout::id_of) else {
            continue;
        };
        // Others are left to `recover`.
        if let Ok(parked) = Parked::lock(layout, id)
            && let Err(error) = parked.make_durable()
        {
            set_aside(layout, &path, &format!("it cannot be synced: {error}"))?;
        }
    }
    sync_dir(&layout.uploads())
}

/// Record and facts; `None` for a folder that a sweep has just removed.
fn read(dir: &Path) -> Result<Option<(Record, Facts)>, String> {
    if dir.is_symlink() {
        return Err("it is a symbolic link".to_owned());
    }
    let record = match peek_record(dir) {
        Ok(record) => record,
        Err(OpenError::Missing) if !dir.exists() => return Ok(None),
        Err(error) => return Err(format!("its offset record: {error}")),
    };
    let facts = read_facts(dir).map_err(|error| format!("its upload.json: {error}"))?;
    if Parked::has_foreign_data(dir) {
        return Err("its data: it is not a regular file".to_owned());
    }
    Ok(Some((record, facts)))
}

fn set_aside(layout: &Layout, path: &Path, reason: &str) -> io::Result<()> {
    let aside = damaged_path(layout, path);
    let renamed = std::fs::rename(path, &aside);
    match &renamed {
        Ok(()) => warn!(
            "{} is set aside ({reason}); moved to {}",
            path.display(),
            aside.display()
        ),
        Err(error) => error!(
            "{} cannot be used ({reason}) and cannot be moved: {error}",
            path.display()
        ),
    }
    renamed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::moment::Moment;

    #[test]
    fn the_damaged_are_set_aside_and_the_rest_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::prepare(dir.path()).unwrap();
        let good = Uuid::new_v4();
        let make = |name: &str, offset: &[u8], facts: &str| {
            let folder = layout.uploads().join(name);
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("offset"), offset).unwrap();
            std::fs::write(folder.join("upload.json"), facts).unwrap();
        };
        let record = Record::new(Some(0), Moment::now()).encode_file();
        let facts = format!(r#"{{"id":"{good}","created_at":"2026-01-01T00:00:00Z"}}"#);
        make(&good.to_string(), &record, &facts);
        make(&Uuid::new_v4().to_string(), &[7; 8192], &facts);
        make(&Uuid::new_v4().to_string(), &record, "{");
        make("lost+found", &record, &facts);
        std::fs::write(layout.uploads().join("stray"), "").unwrap();

        let mut found = Vec::new();
        recover(&layout, |id| found.push(id)).unwrap();
        assert_eq!(found, [RecoveredUpload::Finished(good)]);
        assert_eq!(std::fs::read_dir(layout.damaged()).unwrap().count(), 4);
        assert_eq!(std::fs::read_dir(layout.uploads()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_regular_file_holds_nothing_up_and_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::prepare(dir.path()).unwrap();
        let make = || {
            let id = Uuid::new_v4();
            let folder = layout.upload(id);
            std::fs::create_dir(&folder).unwrap();
            let record = Record::new(Some(0), Moment::now()).encode_file();
            std::fs::write(folder.join("offset"), record).unwrap();
            let facts = format!(r#"{{"id":"{id}","created_at":"2026-01-01T00:00:00Z"}}"#);
            std::fs::write(folder.join("upload.json"), facts).unwrap();
            std::fs::write(folder.join("data"), "").unwrap();
            (id, folder)
        };
        let fifo = |path: &Path| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for name in ["offset", "upload.json", "data"] {
            let (_, folder) = make();
            std::fs::remove_file(folder.join(name)).unwrap();
            fifo(&folder.join(name));
            // The link leads to the right content.
            let (_, folder) = make();
            std::fs::rename(folder.join(name), folder.join("moved")).unwrap();
            std::os::unix::fs::symlink("moved", folder.join(name)).unwrap();
        }
        let (id, folder) = make();
        std::fs::rename(&folder, dir.path().join("moved")).unwrap();
        std::os::unix::fs::symlink(dir.path().join("moved"), layout.upload(id)).unwrap();
        fifo(&layout.upload(Uuid::new_v4()));
        let (good, folder) = make();
        fifo(&folder.join("foreign"));
        Parked::lock(&layout, good).unwrap().make_durable().unwrap();

        let mut found = Vec::new();
        recover(&layout, |id| found.push(id)).unwrap();
        assert_eq!(found, [RecoveredUpload::Finished(good)]);
        assert_eq!(std::fs::read_dir(layout.damaged()).unwrap().count(), 8);
        assert_eq!(std::fs::read_dir(layout.uploads()).unwrap().count(), 1);
    }
}
