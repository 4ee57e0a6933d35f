//! The writer of an upload: creates it, opens it and appends to it.
//!
//! Data is written on this thread's ring, see [`super::data_file`]; other disk
//! operations run on blocking threads. The order in which data becomes durable is
//! described in [`super::appender`].

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use uuid::Uuid;

use super::appender::Appender;
use super::creation;
use super::data_file::{AppendPoint, DataFile};
use super::facts::Facts;
use super::folder::{DATA, OpenError, Parked, damaged_path};
use super::moment::Moment;
use super::record::{Kind, Record};
use super::regular_file;
use super::reservation::{release, reserve};
use super::small_file::disk_bytes;
use super::{Layout, sync_dir};
use crate::blocking::{self, Permit};

/// The step in which disk space is reserved for an upload of unknown length.
pub const STEP_BYTES: u64 = 8 << 20;

type Files = Appender<Arc<File>>;

/// The only writer of an upload: holds the lock of its record.
#[derive(Debug)]
pub struct Writer {
    dir: PathBuf,
    data: DataFile,
    /// Used by one blocking operation at a time.
    files: Arc<Mutex<Files>>,
    /// The record of `files`.
    record: Record,
    /// Disk space is known to be reserved for the bytes before this position.
    reserved: u64,
}

impl Writer {
    /// Creates an upload durably and reserves disk space for `length` bytes, or
    /// for [`STEP_BYTES`] if the length is not known. Errors:
    /// [`io::ErrorKind::StorageFull`] if the disk space is not available (the
    /// upload is then removed), [`io::ErrorKind::AlreadyExists`] if the id is in
    /// use.
    pub async fn create(layout: &Layout, facts: &Facts, length: Option<u64>) -> io::Result<Writer> {
        let reserved = match facts.kind() {
            // Reserved when it is joined.
            Kind::Final => 0,
            _ => length.unwrap_or(STEP_BYTES),
        };
        let created = blocking::run({
            let (layout, facts) = (layout.clone(), facts.clone());
            move || creation::create(&layout, &facts, length, reserved)
        });
        let (files, point) = created.await?;
        Ok(Writer::new(layout.upload(facts.id), files, point, reserved))
    }

    /// Opens an upload for appending.
    pub async fn open(layout: &Layout, id: Uuid) -> Result<Writer, OpenError> {
        let opened = blocking::run({
            let layout = layout.clone();
            move || open(&layout, id)
        });
        let (files, point, is_reserved) = opened.await?;
        let record = files.record();
        let reserved = match record.length {
            Some(length) if is_reserved => length,
            _ => record.offset,
        };
        Ok(Writer::new(layout.upload(id), files, point, reserved))
    }

    fn new(dir: PathBuf, files: Files, point: AppendPoint, reserved: u64) -> Writer {
        Writer {
            dir,
            data: DataFile::new(point),
            record: files.record(),
            files: Arc::new(Mutex::new(files)),
            reserved,
        }
    }

    /// The last durable state.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The position of the next byte.
    pub fn position(&self) -> u64 {
        self.data.end()
    }

    /// Whether `count` more bytes need more disk space than is reserved.
    pub fn must_grow(&self, count: u64) -> bool {
        self.position() + count > self.reserved
    }

    /// Appends `bytes`, which become durable with [`Writer::commit`]; reserves
    /// disk space for them first if necessary. The caller must not exceed the
    /// length of the upload.
    pub async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        if self.must_grow(bytes.len() as u64) {
            self.grow(self.position() + bytes.len() as u64).await?;
        }
        self.data.append(bytes).await
    }

    /// Resolves when another upload waits for a buffer; then
    /// [`Writer::release_buffer`] should be called.
    pub async fn buffer_requested(&mut self) {
        self.data.buffer_requested().await;
    }

    /// Writes the buffered bytes and releases the buffer.
    pub async fn release_buffer(&mut self) -> io::Result<()> {
        self.data.release_buffer().await
    }

    async fn grow(&mut self, end: u64) -> io::Result<()> {
        let length = self.record.length.unwrap_or(u64::MAX);
        let step = end.next_multiple_of(STEP_BYTES).min(length);
        let reserved = self.run_blocking(move |files| {
            // If the disk is almost full, tries less than a whole step.
            match reserve(files.data(), step) {
                Err(_) if step > end => reserve(files.data(), end).map(|()| end),
                outcome => outcome.map(|()| step),
            }
        });
        self.reserved = reserved.await?;
        Ok(())
    }

    /// Replaces the facts of the upload durably, with fields that the client sent
    /// after the data. Must be called before the upload is complete, because the
    /// facts are read from then on.
    pub async fn replace_facts(&mut self, facts: Facts) -> io::Result<()> {
        let dir = self.dir.clone();
        blocking::run(move || facts.replace(&dir)).await
    }

    /// Makes everything written so far durable. After an error only the state in
    /// [`Writer::record`] may be reported to clients.
    pub async fn commit(&mut self) -> io::Result<()> {
        self.data.flush().await?;
        let permit = blocking::permit().await;
        let tail = self.data.take_unflushed_tail();
        let end = self.data.end();
        self.run_with_permit(permit, move |files| files.commit(end, &tail, Moment::now()))
            .await
    }

    /// Truncates or extends the data file to `length` and reserves disk space for
    /// all of it; for an upload whose length was not known, before more is
    /// written to it.
    pub async fn reserve_all(&mut self, length: u64) -> io::Result<()> {
        self.run_blocking(move |files| {
            // Also truncates uncommitted bytes of an earlier writer.
            files.data().set_len(length)?;
            reserve(files.data(), length)
        })
        .await?;
        self.reserved = length;
        Ok(())
    }

    /// Gives up the disk space reserved after what was written; later writes reserve
    /// it again in steps.
    pub async fn release_reservation(&mut self) -> io::Result<()> {
        let (end, length) = (self.position(), self.record.length.unwrap_or(self.reserved));
        self.run_blocking(move |files| release(files.data(), end, length))
            .await?;
        self.reserved = end;
        Ok(())
    }

    /// Makes the length durable. Errors as in [`Writer::commit`].
    pub async fn set_length(&mut self, length: u64) -> io::Result<()> {
        self.run_blocking(move |files| {
            files.data().sync_all()?;
            files.set_length(length, Moment::now())
        })
        .await
    }

    /// Moves the upload to `damaged`, for the administrator to inspect: after a
    /// failed sync the state on disk is unknown, and no later start may trust its
    /// record. If it cannot be moved, its last record is erased.
    pub async fn set_aside(&mut self, layout: &Layout) -> io::Result<()> {
        let (layout, dir) = (layout.clone(), self.dir.clone());
        self.run_blocking(move |files| set_aside(&layout, &dir, files))
            .await
    }

    /// Makes everything durable, calls `done` on a blocking thread, and closes
    /// the files: the next writer can open the upload when this returns. An error
    /// returns the writer; it is as in [`Writer::commit`].
    pub async fn finish(
        mut self,
        done: impl FnOnce(&Record) + Send + 'static,
    ) -> Result<Record, (Box<Writer>, io::Error)> {
        if self.position() == self.record.offset && !self.record.is_finished() {
            // Nothing to commit or to wait for.
            return Ok(self.record);
        }
        if let Err(error) = self.data.flush().await {
            return Err((Box::new(self), error));
        }
        let permit = blocking::permit().await;
        let tail = self.data.take_unflushed_tail();
        let end = self.data.end();
        let Writer { files, .. } = self;
        let finished = permit.run(move || {
            let committed = lock(&files).commit(end, &tail, Moment::now());
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
    /// returns. Uncommitted bytes are discarded.
    pub async fn close(self) {
        self.data.close().await;
        blocking::run(move || drop(self.files)).await;
    }

    async fn run_blocking<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Files) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        self.run_with_permit(blocking::permit().await, work).await
    }

    async fn run_with_permit<T: Send + 'static>(
        &mut self,
        permit: Permit,
        work: impl FnOnce(&mut Files) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let files = Arc::clone(&self.files);
        let work = move || {
            let mut files = lock(&files);
            (work(&mut files), files.record())
        };
        let (outcome, record) = permit.run(work).await;
        self.record = record;
        outcome
    }
}

fn lock(files: &Mutex<Files>) -> MutexGuard<'_, Files> {
    files.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The files, and whether space is reserved for all of a known length.
fn open(layout: &Layout, id: Uuid) -> Result<(Files, AppendPoint, bool), OpenError> {
    let parked = Parked::lock(layout, id)?;
    let record = parked.record;
    let (dir, offset) = parked.into_parts();
    let data = Arc::new(open_for_writing(&dir)?);
    let point = AppendPoint::at(&dir, Arc::clone(&data), record.offset)?;
    let is_reserved = disk_bytes(&data.metadata()?) >= record.length.unwrap_or(0);
    let files = Appender::new(data, Arc::new(offset), record);
    Ok((files, point, is_reserved))
}

/// See [`Writer::set_aside`]. Blocks on the disk.
pub(super) fn set_aside(layout: &Layout, dir: &Path, files: &Files) -> io::Result<()> {
    if let Err(error) = std::fs::rename(dir, damaged_path(layout, dir)) {
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
    fn committed_bytes_are_kept() {
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
            assert_eq!(writer.position(), 5, "uncommitted bytes do not count");
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
    fn a_length_that_is_set_late_truncates_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::prepare(dir.path()).unwrap();
        let facts = facts();
        ring::run(async {
            let mut writer = Writer::create(&layout, &facts, None).await.unwrap();
            writer.write(Bytes::from_static(b"0123")).await.unwrap();
            writer.commit().await.unwrap();
            // Never committed, and beyond the length that is set later.
            writer.write(Bytes::from_static(b"garbage")).await.unwrap();
            writer.close().await;

            let mut writer = Writer::open(&layout, facts.id).await.unwrap();
            assert!(
                writer.must_grow(1),
                "the reserved space is not known after opening"
            );
            writer.reserve_all(6).await.unwrap();
            writer.set_length(6).await.unwrap();
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
    fn existing_and_removed_ids_are_errors() {
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
    fn a_full_disk_leaves_no_upload_behind() {
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
