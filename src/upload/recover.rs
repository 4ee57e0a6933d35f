//! What start-up makes of the uploads it finds.

use std::io;
use std::path::Path;

use tracing::{error, warn};
use uuid::Uuid;

use crate::store::Layout;
use crate::store::folder::{OpenError, damaged_place, peek_record, read_facts};
use crate::store::record::Record;

/// An upload that start-up found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// All of it is there.
    Finished(Uuid),
    /// Somebody may come back for it.
    Unfinished(Uuid),
}

/// Reads every upload and tells `found` of each. What cannot be understood is
/// moved to `damaged`, told in the journal, and harms nobody else (I6). Blocks
/// on the disk.
pub fn recover(layout: &Layout, mut found: impl FnMut(Found)) -> io::Result<()> {
    for entry in std::fs::read_dir(layout.uploads())? {
        let path = entry?.path();
        let id = path.file_name().and_then(Layout::id_of);
        match id
            .ok_or("its name is not an id".to_owned())
            .and_then(|id| Ok((id, read(&path)?)))
        {
            Ok((id, Some(record))) if record.is_finished() => found(Found::Finished(id)),
            Ok((id, Some(_))) => found(Found::Unfinished(id)),
            Ok((_, None)) => {}
            Err(reason) => set_aside(layout, &path, &reason),
        }
    }
    Ok(())
}

/// `None` for a folder that a sweep took away meanwhile.
fn read(dir: &Path) -> Result<Option<Record>, String> {
    let record = match peek_record(dir) {
        Ok(record) => record,
        Err(OpenError::Missing) if !dir.exists() => return Ok(None),
        Err(error) => return Err(format!("its offset record: {error}")),
    };
    read_facts(dir).map_err(|error| format!("its upload.json: {error}"))?;
    Ok(Some(record))
}

fn set_aside(layout: &Layout, path: &Path, reason: &str) {
    let aside = damaged_place(layout, path);
    match std::fs::rename(path, &aside) {
        Ok(()) => warn!(
            "{} cannot be read ({reason}); moved to {}",
            path.display(),
            aside.display()
        ),
        Err(error) => error!(
            "{} cannot be read ({reason}) nor moved: {error}",
            path.display()
        ),
    }
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
        assert_eq!(found, [Found::Finished(good)]);
        assert_eq!(std::fs::read_dir(layout.damaged()).unwrap().count(), 4);
        assert_eq!(std::fs::read_dir(layout.uploads()).unwrap().count(), 1);
    }
}
