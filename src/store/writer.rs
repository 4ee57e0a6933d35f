//! The upload that is being written: making it, opening it, adding to it.
//!
//! What arrives is written on this thread's ring; see [`super::recording`].
//! Everything else that waits for the disk is done by helpers. In which order it
//! becomes durable is told in [`super::appender`].

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use uuid::Uuid;

use super::appender::Appender;
use super::creation;
use super::facts::Facts;
use super::folder::{DATA, OpenError, Parked, damaged_place};
use super::moment::Moment;
use super::record::{Kind, Record};
use super::recording::{Begun, Recording, reserve};
use super::regular_file;
use super::{Layout, sync_dir};
use crate::blocking::{self, Free};

/// An upload of unknown length gets disk space in steps of this size.
pub const STEP_BYTES: u64 = 8 << 20;

type Files = Appender<Arc<File>>;

/// The only one who may add to an upload: holds the lock of its record.
#[derive(Debug)]
pub struct Writer {
    dir: PathBuf,
    recording: Recording,
    /// Only one helper at a time has them.
    files: Arc<Mutex<Files>>,
    /// Of `files`.
    record: Record,
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
        let reserved = match facts.kind() {
            // Maybe it needs none of its own.
            Kind::Final => 0,
            _ => length.unwrap_or(STEP_BYTES),
        };
        let (making, new) = (layout.clone(), facts.clone());
        let made = blocking::run(move || creation::create(&making, &new, length, reserved));
        let (files, begun) = made.await?;
        Ok(Writer::new(layout.upload(facts.id), files, begun, reserved))
    }

    /// Opens an upload to add to it.
    pub async fn open(layout: &Layout, id: Uuid) -> Result<Writer, OpenError> {
        let opening = layout.clone();
        let (files, begun) = blocking::run(move || open(&opening, id)).await?;
        let record = files.record();
        let reserved = record.length.unwrap_or(record.offset);
        Ok(Writer::new(layout.upload(id), files, begun, reserved))
    }

    fn new(dir: PathBuf, files: Files, begun: Begun, reserved: u64) -> Writer {
        Writer {
            dir,
            recording: Recording::new(begun),
            record: files.record(),
            files: Arc::new(Mutex::new(files)),
            reserved,
        }
    }

    /// The last state that is durable.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Where the next byte goes.
    pub fn position(&self) -> u64 {
        self.recording.end()
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
        self.recording.append(bytes).await
    }

    /// Resolves when another upload needs the memory that this one gathers
    /// bytes in; [`Writer::let_go`] gives it.
    pub async fn is_asked_to_let_go(&mut self) {
        self.recording.is_asked_to_let_go().await;
    }

    /// Writes what was gathered.
    pub async fn let_go(&mut self) -> io::Result<()> {
        self.recording.let_go().await
    }

    async fn grow(&mut self, end: u64) -> io::Result<()> {
        let step = end.next_multiple_of(STEP_BYTES);
        let reserved = self.help(move |files| {
            // Near the end of the disk a whole step may be too much.
            match reserve(files.data(), step) {
                Err(_) if step > end => reserve(files.data(), end).map(|()| end),
                outcome => outcome.map(|()| step),
            }
        });
        self.reserved = reserved.await?;
        Ok(())
    }

    /// Makes durable what was told of the upload only after its bytes; before
    /// it is complete, for then others read it.
    pub async fn tell(&mut self, facts: Facts) -> io::Result<()> {
        let dir = self.dir.clone();
        blocking::run(move || facts.replace(&dir)).await
    }

    /// Makes everything written so far durable. After an error nothing more
    /// may be told of this upload than [`Writer::record`] says.
    pub async fn commit(&mut self) -> io::Result<()> {
        self.recording.flush().await?;
        let free = blocking::free().await;
        let loose = self.recording.take_loose();
        let end = self.recording.end();
        self.help_with(free, move |files| files.commit(end, &loose, Moment::now()))
            .await
    }

    /// Cuts or extends the recording to the `length` that the whole will have,
    /// with disk space for all of it; for an upload whose length was not
    /// known, before anything more is written to it.
    pub async fn reserve_all(&mut self, length: u64) -> io::Result<()> {
        self.help(move |files| {
            // Also what an earlier writer wrote behind the offset and never committed.
            files.data().set_len(length)?;
            reserve(files.data(), length)
        })
        .await?;
        self.reserved = length;
        Ok(())
    }

    /// Makes that length durable. After an error as after [`Writer::commit`].
    pub async fn measure(&mut self, length: u64) -> io::Result<()> {
        self.help(move |files| {
            files.data().sync_all()?;
            files.measure(length, Moment::now())
        })
        .await
    }

    /// Moves the upload out of the way, for a person to look at: after a failed
    /// sync nobody knows what the disk holds of it, and no later start may
    /// believe its record. Where it cannot be moved its record is taken back.
    pub async fn set_aside(&mut self, layout: &Layout) -> io::Result<()> {
        let (layout, dir) = (layout.clone(), self.dir.clone());
        self.help(move |files| set_aside(&layout, &dir, files))
            .await
    }

    /// Makes everything durable, tells `done` of it where that may wait for the
    /// disk, and closes the files: the next writer can open the upload when this
    /// returns. With an error the writer comes back, as after [`Writer::commit`].
    pub async fn finish(
        mut self,
        done: impl FnOnce(&Record) + Send + 'static,
    ) -> Result<Record, (Box<Writer>, io::Error)> {
        if self.position() == self.record.offset && !self.record.is_finished() {
            // Nothing that closing could have to wait for.
            return Ok(self.record);
        }
        if let Err(error) = self.recording.flush().await {
            return Err((Box::new(self), error));
        }
        let free = blocking::free().await;
        let loose = self.recording.take_loose();
        let end = self.recording.end();
        let Writer { files, .. } = self;
        let finished = free.run(move || {
            let committed = lock(&files).commit(end, &loose, Moment::now());
            let record = lock(&files).record();
            match committed {
                Ok(()) => {
                    done(&record);
                    Ok(record)
                }
                Err(error) => Err((files, error)),
            }
        });
        finished.await.map_err(|(files, error)| {
            let writer = Writer { files, ..self };
            (Box::new(writer), error)
        })
    }

    /// Closes the files; the next writer can open the upload when this
    /// returns. Uncommitted bytes are forgotten.
    pub async fn close(self) {
        self.recording.close().await;
        blocking::run(move || drop(self.files)).await;
    }

    async fn help<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Files) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        self.help_with(blocking::free().await, work).await
    }

    async fn help_with<T: Send + 'static>(
        &mut self,
        free: Free,
        work: impl FnOnce(&mut Files) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let files = Arc::clone(&self.files);
        let work = move || {
            let mut files = lock(&files);
            (work(&mut files), files.record())
        };
        let (outcome, record) = free.run(work).await;
        self.record = record;
        outcome
    }
}

fn lock(files: &Mutex<Files>) -> MutexGuard<'_, Files> {
    files.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open(layout: &Layout, id: Uuid) -> Result<(Files, Begun), OpenError> {
    let parked = Parked::lock(layout, id)?;
    let record = parked.record;
    let (dir, offset) = parked.into_parts();
    let data = Arc::new(open_for_writing(&dir)?);
    let begun = Begun::at(&dir, Arc::clone(&data), record.offset)?;
    Ok((Appender::new(data, Arc::new(offset), record), begun))
}

/// See [`Writer::set_aside`]. Blocks on the disk.
pub(super) fn set_aside(layout: &Layout, dir: &Path, files: &Files) -> io::Result<()> {
    if let Err(error) = std::fs::rename(dir, damaged_place(layout, dir)) {
        files.withdraw()?;
        return Err(error);
    }
    sync_dir(&layout.uploads())
}

pub(super) fn open_for_writing(dir: &Path) -> io::Result<File> {
    let mut options = File::options();
    regular_file::open_with(&dir.join(DATA), options.read(true).write(true))
}

#[cfg(test)]
mod tests {
    use super::super::folder::{open_recording, peek_record, read_facts};
    use super::super::ring;
    use super::*;

    fn facts() -> Facts {
        Facts {
            id: Uuid::new_v4(),
            created_at: jiff::Timestamp::now(),
            filename: Some("a.wav".into()),
            ..Facts::default()
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
            assert_eq!(peek_record(&layout.upload(facts.id)).unwrap().offset, 5);
            writer.close().await;

            let mut writer = Writer::open(&layout, facts.id).await.unwrap();
            assert_eq!(writer.position(), 5, "uncommitted bytes are not told");
            writer.write(Bytes::from_static(b"56789")).await.unwrap();
            writer.commit().await.unwrap();
            assert!(writer.record().is_finished());
            assert_eq!(read_facts(&layout.upload(facts.id)).unwrap(), facts);
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
            writer.close().await;

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
            writer.close().await;
            let parked = Parked::lock(&layout, facts.id).unwrap();
            parked.remove(&layout).unwrap();
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
