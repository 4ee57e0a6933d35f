//! The upload that is being written: making it, adding to it, on the ring.
//!
//! A new upload is built aside, durable file by file, and then appears by one
//! rename; how it grows is told in [`super::appender`].

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use uuid::Uuid;

use super::appender::{Appender, Stable};
use super::facts::Facts;
use super::folder::{DATA, FACTS, OFFSET, OpenError, bury, damaged_place, grave};
use super::moment::Moment;
use super::record::{FILE_BYTES, Record};
use super::recording::Recording;
use super::ring::{self, RingFile};
use super::{Layout, lock};

/// An upload of unknown length gets disk space in steps of this size.
pub const STEP_BYTES: u64 = 8 << 20;

/// The only one who may add to an upload: holds the lock of its record.
#[derive(Debug)]
pub struct Writer {
    dir: PathBuf,
    files: Appender<Recording, RingFile>,
    /// Disk space is reserved for the bytes before this one, as far as known.
    reserved: u64,
}

impl Writer {
    /// Makes an upload and makes it durable. `length` bytes are reserved on
    /// the disk, or a first step where it is not known;
    /// [`io::ErrorKind::StorageFull`] if it has not that many, and
    /// then nothing is left behind. [`io::ErrorKind::AlreadyExists`] if the id
    /// is taken.
    pub async fn create(layout: &Layout, facts: &Facts, length: Option<u64>) -> io::Result<Writer> {
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
        length: Option<u64>,
    ) -> io::Result<Writer> {
        let offset = RingFile::create(&building.join(OFFSET)).await?;
        // From here on no sweep takes the folder for an orphan.
        lock::try_lock(&offset)?;
        let data = RingFile::create(&building.join(DATA)).await?;
        let reserved = length.unwrap_or(STEP_BYTES);
        data.preallocate(reserved).await?;
        let record = Record::new(length, Moment::now());
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
        let data = Recording::new(&dir.join(DATA), data, 0);
        ring::rename(building, &dir)
            .await
            .map_err(|error| match error.kind() {
                io::ErrorKind::DirectoryNotEmpty => io::ErrorKind::AlreadyExists.into(),
                _ => error,
            })?;
        ring::sync_dir(&layout.uploads()).await?;
        Ok(Writer {
            dir,
            files: Appender::new(data, offset, record),
            reserved,
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
        let path = dir.join(DATA);
        let data = Recording::new(&path, RingFile::open(&path).await?, record.offset);
        Ok(Writer {
            dir,
            reserved: record.length.unwrap_or(record.offset),
            files: Appender::new(data, offset, record),
        })
    }

    /// The last state that is durable.
    pub fn record(&self) -> &Record {
        self.files.record()
    }

    /// Where the next byte goes.
    pub fn position(&self) -> u64 {
        self.files.position()
    }

    /// Whether `count` more bytes need more disk space than is reserved.
    pub fn must_grow(&self, count: u64) -> bool {
        self.position() + count > self.reserved
    }

    /// Appends `bytes`, not durable yet; reserves disk space for them first
    /// where that was not done. The caller sees to the length.
    pub async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        if self.must_grow(bytes.len() as u64) {
            self.grow(self.position() + bytes.len() as u64).await?;
        }
        self.files.write(bytes).await
    }

    /// Resolves when another upload needs the memory that this one gathers
    /// bytes in; [`Writer::let_go`] gives it.
    pub async fn is_asked_to_let_go(&mut self) {
        self.files.data.is_asked_to_let_go().await;
    }

    /// Writes what was gathered.
    pub async fn let_go(&mut self) -> io::Result<()> {
        self.files.data.let_go().await
    }

    async fn grow(&mut self, end: u64) -> io::Result<()> {
        let step = end.next_multiple_of(STEP_BYTES);
        // Near the end of the disk a whole step may be too much.
        for reserved in [step, end] {
            match self.files.data.file().preallocate(reserved).await {
                Ok(()) => {
                    self.reserved = reserved;
                    return Ok(());
                }
                Err(error) if reserved == end => return Err(error),
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// Makes everything written so far durable. After an error nothing more
    /// may be told of this upload than [`Writer::record`] says.
    pub async fn commit(&mut self) -> io::Result<()> {
        self.files.commit(Moment::now()).await
    }

    /// Cuts or extends the recording to the `length` that the whole will have,
    /// with disk space for all of it; for an upload whose length was not
    /// known, before anything more is written to it.
    pub async fn reserve_all(&mut self, length: u64) -> io::Result<()> {
        let data = self.files.data.file();
        // Also what an earlier writer wrote behind the offset and never committed.
        data.set_length(length).await?;
        data.preallocate(length).await?;
        self.reserved = length;
        Ok(())
    }

    /// Makes that length durable. After an error as after [`Writer::commit`].
    pub async fn measure(&mut self, length: u64) -> io::Result<()> {
        self.files.data.file().sync_all().await?;
        self.files.measure(length, Moment::now()).await
    }

    /// Moves the upload out of the way, for a person to look at: after a failed
    /// sync nobody knows what the disk holds of it, and no later start may
    /// believe its record. Where it cannot be moved its record is taken back.
    pub async fn set_aside(&self, layout: &Layout) -> io::Result<()> {
        let aside = damaged_place(layout, &self.dir);
        if let Err(error) = ring::rename(&self.dir, &aside).await {
            self.files.withdraw().await?;
            return Err(error);
        }
        ring::sync_dir(&layout.uploads()).await
    }

    /// Closes the files; the next writer can open the upload when this
    /// returns. Uncommitted bytes are forgotten.
    pub async fn close(self) -> io::Result<()> {
        self.files.data.close().await?;
        self.files.offset.close().await
    }

    /// Takes the upload away, durably when this returns.
    pub async fn remove(self, layout: &Layout) -> io::Result<()> {
        let gone = grave(layout, &self.dir);
        ring::rename(&self.dir, &gone).await?;
        ring::sync_dir(&layout.uploads()).await?;
        let buried = tokio::task::spawn_blocking(move || bury(&gone)).await;
        buried.map_err(io::Error::other)?.map(drop)
    }
}

/// The state of an upload as it stands in its file; needs no lock. While
/// somebody writes to it, it may not be durable yet.
pub async fn read_record(layout: &Layout, id: Uuid) -> Result<Record, OpenError> {
    let file = RingFile::open_read_only(&layout.upload(id).join(OFFSET)).await?;
    Record::decode_file(&file.read(0, FILE_BYTES).await?).ok_or(OpenError::Damaged)
}

/// The facts of an upload.
pub async fn read_facts(layout: &Layout, id: Uuid) -> io::Result<Facts> {
    let file = RingFile::open_read_only(&layout.upload(id).join(FACTS)).await?;
    const FACTS_MAX_BYTES: usize = 1 << 20;
    Ok(serde_json::from_slice(
        &file.read(0, FACTS_MAX_BYTES).await?,
    )?)
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
            let mut writer = Writer::create(&layout, &facts, Some(10)).await.unwrap();
            writer.write(Bytes::from_static(b"01234")).await.unwrap();
            writer.commit().await.unwrap();
            assert_eq!(writer.record().offset, 5);
            writer.write(Bytes::from_static(b"56")).await.unwrap();
            assert!(matches!(
                Writer::open(&layout, facts.id).await,
                Err(OpenError::Locked)
            ));
            assert_eq!(read_record(&layout, facts.id).await.unwrap().offset, 5);
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
    fn a_length_that_is_told_late_cuts_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::prepare(dir.path()).unwrap();
        let facts = facts();
        ring::run(async {
            let mut writer = Writer::create(&layout, &facts, None).await.unwrap();
            writer.write(Bytes::from_static(b"0123")).await.unwrap();
            writer.commit().await.unwrap();
            // Never committed, and behind the end that comes out later.
            writer.write(Bytes::from_static(b"garbage")).await.unwrap();
            writer.close().await.unwrap();

            let mut writer = Writer::open(&layout, facts.id).await.unwrap();
            assert!(writer.must_grow(1), "not known here what was reserved");
            writer.reserve_all(6).await.unwrap();
            writer.measure(6).await.unwrap();
            assert!(!writer.must_grow(2));
            writer.write(Bytes::from_static(b"45")).await.unwrap();
            writer.commit().await.unwrap();
            assert!(writer.record().is_finished());
        })
        .unwrap();
        let data = std::fs::read(layout.upload(facts.id).join(DATA)).unwrap();
        assert_eq!(data, b"012345");
    }

    #[test]
    fn a_taken_id_and_a_removed_one() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::prepare(dir.path()).unwrap();
        let facts = facts();
        ring::run(async {
            let writer = Writer::create(&layout, &facts, Some(3)).await.unwrap();
            let again = Writer::create(&layout, &facts, Some(3)).await.unwrap_err();
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
        let refused = ring::run(Writer::create(&layout, &facts(), Some(1 << 46)))
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
        ring::run(async { drop(Writer::create(&layout, &facts, Some(4)).await.unwrap()) }).unwrap();
        let recording = open_recording(&layout.upload(facts.id)).unwrap();
        assert!(std::os::unix::fs::FileExt::write_at(&recording, b"x", 0).is_err());
    }
}
