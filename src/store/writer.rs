//! The upload that is being written: making it, adding to it, on the ring.
//!
//! Order of writes, each step durable before the next begins: the files of a
//! new upload, then its folder's name; for every commit the data, then the
//! record. So a record never tells of bytes that a power cut can take away.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use uuid::Uuid;

use super::facts::Facts;
use super::folder::{DATA, FACTS, OFFSET, OpenError, bury, damaged_place, grave};
use super::record::{FILE_BYTES, Record};
use super::ring::{self, RingFile};
use super::{Layout, lock};

/// The only one who may add to an upload: holds the lock of its record.
#[derive(Debug)]
pub struct Writer {
    dir: PathBuf,
    data: RingFile,
    offset: RingFile,
    record: Record,
    /// End of what was written, at or behind `record.offset`.
    written: u64,
}

impl Writer {
    /// Makes an upload and makes it durable. `length` bytes are reserved on
    /// the disk; [`io::ErrorKind::StorageFull`] if it has not that many, and
    /// then nothing is left behind. [`io::ErrorKind::AlreadyExists`] if the id
    /// is taken.
    pub async fn create(layout: &Layout, facts: &Facts, length: u64) -> io::Result<Writer> {
        let building = layout.creation(facts.id);
        ring::create_dir(&building).await?;
        let made = Writer::build(layout, &building, facts, length).await;
        if made.is_err() {
            // The sweep takes away what cannot be removed now.
            let _ = std::fs::remove_dir_all(&building);
        }
        made
    }

    async fn build(
        layout: &Layout,
        building: &Path,
        facts: &Facts,
        length: u64,
    ) -> io::Result<Writer> {
        let offset = RingFile::create(&building.join(OFFSET)).await?;
        // From here on no sweep takes the folder for an orphan.
        lock::try_lock(&offset)?;
        let data = RingFile::create(&building.join(DATA)).await?;
        data.preallocate(length).await?;
        let record = Record::new(Some(length), SystemTime::now());
        let facts_file = RingFile::create(&building.join(FACTS)).await?;
        let facts_json = serde_json::to_vec_pretty(facts)?;
        tokio::try_join!(
            async {
                offset.write_all(record.encode_file().into(), 0).await?;
                offset.sync_all().await
            },
            async {
                facts_file.write_all(facts_json.into(), 0).await?;
                facts_file.sync_all().await
            },
            data.sync_all(),
        )?;
        ring::sync_dir(building).await?;
        let dir = layout.upload(facts.id);
        ring::rename(building, &dir)
            .await
            .map_err(|error| match error.kind() {
                io::ErrorKind::DirectoryNotEmpty => io::ErrorKind::AlreadyExists.into(),
                _ => error,
            })?;
        ring::sync_dir(&layout.uploads()).await?;
        Ok(Writer {
            dir,
            data,
            offset,
            record,
            written: 0,
        })
    }

    /// Opens an upload to add to it.
    pub async fn open(layout: &Layout, id: Uuid) -> Result<Writer, OpenError> {
        let dir = layout.upload(id);
        let path = dir.join(OFFSET);
        let offset = RingFile::open(&path).await?;
        if !lock::try_lock(&offset)? {
            return Err(OpenError::Locked);
        }
        // A sweep may have taken the folder away between open and lock.
        if ring::inode(&path).await? != offset.inode().await? {
            return Err(OpenError::Missing);
        }
        let record =
            Record::decode_file(&offset.read(0, FILE_BYTES).await?).ok_or(OpenError::Damaged)?;
        let data = RingFile::open(&dir.join(DATA)).await?;
        Ok(Writer {
            written: record.offset,
            dir,
            data,
            offset,
            record,
        })
    }

    /// The last state that is durable.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Where the next byte goes.
    pub fn position(&self) -> u64 {
        self.written
    }

    /// Appends `bytes`, not durable yet. The caller sees to the length.
    pub async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        let count = bytes.len() as u64;
        self.data.write_all(bytes, self.written).await?;
        self.written += count;
        Ok(())
    }

    /// Makes everything written so far durable and returns the new offset.
    /// After an error nothing more may be told of this upload than
    /// [`Writer::record`] says.
    pub async fn commit(&mut self) -> io::Result<u64> {
        if self.written > self.record.offset {
            self.data.sync_data().await?;
            let next = self.record.advanced(self.written, SystemTime::now());
            self.offset
                .write_all(next.encode().into(), next.position())
                .await?;
            self.sync_record().await?;
            self.record = next;
        }
        Ok(self.record.offset)
    }

    async fn sync_record(&self) -> io::Result<()> {
        #[cfg(test)]
        if faults::SYNC_FAILS.get() {
            return Err(io::ErrorKind::Other.into());
        }
        self.offset.sync_data().await
    }

    /// Moves the upload out of the way, for a person to look at: after a failed
    /// sync nobody knows what the disk holds of it, and no later start may
    /// believe its record.
    pub async fn set_aside(&self, layout: &Layout) -> io::Result<()> {
        ring::rename(&self.dir, &damaged_place(layout, &self.dir)).await?;
        ring::sync_dir(&layout.uploads()).await
    }

    /// Closes the files; the next writer can open the upload when this
    /// returns. Uncommitted bytes are forgotten.
    pub async fn close(self) -> io::Result<()> {
        self.data.close().await?;
        self.offset.close().await
    }

    /// Takes the upload away, durably when this returns.
    pub async fn remove(self, layout: &Layout) -> io::Result<()> {
        let gone = grave(layout, &self.dir);
        ring::rename(&self.dir, &gone).await?;
        ring::sync_dir(&layout.uploads()).await?;
        tokio::task::spawn_blocking(move || bury(&gone))
            .await
            .map_err(io::Error::other)?
    }
}

/// The state of an upload as it stands on disk; needs no lock.
///
/// Unless records are `settled`, it is made durable first: a process that was
/// killed may have written it and not lived to sync it. (The data it tells of
/// was synced before it was written.)
pub async fn read_record(layout: &Layout, id: Uuid, settled: bool) -> Result<Record, OpenError> {
    let file = RingFile::open_read_only(&layout.upload(id).join(OFFSET)).await?;
    let content = file.read(0, FILE_BYTES).await?;
    if !settled {
        file.sync_data().await?;
    }
    Record::decode_file(&content).ok_or(OpenError::Damaged)
}

/// The facts of an upload.
pub async fn read_facts(layout: &Layout, id: Uuid) -> io::Result<Facts> {
    let file = RingFile::open_read_only(&layout.upload(id).join(FACTS)).await?;
    const FACTS_MAX_BYTES: usize = 1 << 20;
    Ok(serde_json::from_slice(
        &file.read(0, FACTS_MAX_BYTES).await?,
    )?)
}

/// What tests make go wrong on their own thread.
#[cfg(test)]
pub(crate) mod faults {
    use std::cell::Cell;

    thread_local! {
        /// Records are written but cannot be synced.
        pub(crate) static SYNC_FAILS: Cell<bool> = const { Cell::new(false) };
    }
}

#[cfg(test)]
mod tests {
    use super::super::folder::open_recording;
    use super::*;

    fn facts() -> Facts {
        Facts {
            id: Uuid::new_v4(),
            created_at: jiff::Timestamp::now(),
            owner: None,
            metadata: None,
            filename: Some("a.wav".into()),
            filetype: None,
            language: None,
            model: None,
        }
    }

    #[test]
    fn what_is_committed_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::prepare(dir.path()).unwrap();
        let facts = facts();
        ring::run(async {
            let mut writer = Writer::create(&layout, &facts, 10).await.unwrap();
            writer.write(Bytes::from_static(b"01234")).await.unwrap();
            assert_eq!(writer.commit().await.unwrap(), 5);
            writer.write(Bytes::from_static(b"56")).await.unwrap();
            assert!(matches!(
                Writer::open(&layout, facts.id).await,
                Err(OpenError::Locked)
            ));
            assert_eq!(
                read_record(&layout, facts.id, true).await.unwrap().offset,
                5
            );
            writer.close().await.unwrap();

            let mut writer = Writer::open(&layout, facts.id).await.unwrap();
            assert_eq!(writer.position(), 5, "uncommitted bytes are not told");
            writer.write(Bytes::from_static(b"56789")).await.unwrap();
            writer.commit().await.unwrap();
            assert!(writer.record().is_finished());
            assert_eq!(read_facts(&layout, facts.id).await.unwrap(), facts);
        })
        .unwrap();
        let data = std::fs::read(layout.upload(facts.id).join(DATA)).unwrap();
        assert_eq!(data, b"0123456789");
    }

    #[test]
    fn a_taken_id_and_a_removed_one() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::prepare(dir.path()).unwrap();
        let facts = facts();
        ring::run(async {
            let writer = Writer::create(&layout, &facts, 3).await.unwrap();
            let again = Writer::create(&layout, &facts, 3).await.unwrap_err();
            assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
            writer.remove(&layout).await.unwrap();
            assert!(matches!(
                Writer::open(&layout, facts.id).await,
                Err(OpenError::Missing)
            ));
        })
        .unwrap();
        for empty in [layout.uploads(), layout.creating(), layout.removing()] {
            assert_eq!(std::fs::read_dir(&empty).unwrap().count(), 0, "{empty:?}");
        }
    }

    #[test]
    fn no_space_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::prepare(dir.path()).unwrap();
        let refused = ring::run(Writer::create(&layout, &facts(), 1 << 46))
            .unwrap()
            .unwrap_err();
        assert!(
            matches!(
                refused.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge
            ),
            "{refused}"
        );
        assert_eq!(std::fs::read_dir(layout.creating()).unwrap().count(), 0);
    }

    #[test]
    fn a_reader_cannot_change_a_recording() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::prepare(dir.path()).unwrap();
        let facts = facts();
        ring::run(async { drop(Writer::create(&layout, &facts, 4).await.unwrap()) }).unwrap();
        let recording = open_recording(&layout.upload(facts.id)).unwrap();
        assert!(std::os::unix::fs::FileExt::write_at(&recording, b"x", 0).is_err());
    }
}
