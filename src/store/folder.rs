//! Access to the directory of one upload outside of the rings: for start-up, the
//! sweep and the tasks. Everything here blocks on the disk.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::facts::Facts;
use super::moment::Moment;
use super::record::{FILE_BYTES, Record};
use super::reservation::release;
use super::small_file::{disk_bytes, remove_durably, replace_durably, sync_dir};
use super::{Layout, lock, regular_file};

pub(super) const DATA: &str = "data";
pub(super) const OFFSET: &str = "offset";
pub(super) const FACTS: &str = "upload.json";

/// Why an upload could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No upload has this id.
    #[error("no such upload")]
    Missing,
    /// Another process, or another open file, holds its lock.
    #[error("the upload is in use by another process")]
    Locked,
    /// No slot of its record is valid.
    #[error("the offset record is damaged")]
    Damaged,
    /// The OS error.
    #[error(transparent)]
    Io(io::Error),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> OpenError {
        match error.kind() {
            io::ErrorKind::NotFound => OpenError::Missing,
            // A FIFO or a socket in the place of a file.
            io::ErrorKind::NotSeekable => OpenError::Damaged,
            _ => OpenError::Io(error),
        }
    }
}

/// Reads the facts of an upload.
pub fn read_facts(dir: &Path) -> io::Result<Facts> {
    Ok(serde_json::from_slice(&regular_file::read(
        &dir.join(FACTS),
    )?)?)
}

impl Facts {
    /// Replaces the facts in this directory durably.
    pub(super) fn replace(&self, dir: &Path) -> io::Result<()> {
        replace_durably(dir, FACTS, &serde_json::to_vec_pretty(self)?)
    }
}

/// Opens the recording read-only, so that processes that receive the descriptor
/// cannot change it. Blocks on the disk.
pub fn open_recording(dir: &Path) -> io::Result<File> {
    regular_file::open(&dir.join(DATA))
}

/// An upload without a writer, locked as long as this exists.
#[derive(Debug)]
pub struct Parked {
    dir: PathBuf,
    /// The record file; holds the lock.
    offset: File,
    /// The state of the upload.
    pub record: Record,
}

impl Parked {
    /// Opens and locks the upload; [`OpenError::Locked`] while it has a writer.
    pub fn lock(layout: &Layout, id: Uuid) -> Result<Parked, OpenError> {
        use std::os::unix::fs::MetadataExt;
        let dir = layout.upload(id);
        let path = dir.join(OFFSET);
        let offset = regular_file::open_with(&path, File::options().read(true).write(true))?;
        if !lock::try_lock(offset.as_fd())? {
            return Err(OpenError::Locked);
        }
        if std::fs::metadata(&path)?.ino() != offset.metadata()?.ino() {
            return Err(OpenError::Missing);
        }
        Ok(Parked {
            record: decode(&offset)?,
            dir,
            offset,
        })
    }

    /// The directory, and the record file, which holds the lock.
    pub(super) fn into_parts(self) -> (PathBuf, File) {
        (self.dir, self.offset)
    }

    /// Marks a partial upload as joined, durably.
    pub(super) fn mark_joined(&mut self, now: Moment) -> io::Result<()> {
        let next = self.record.joined(now);
        self.offset.write_all_at(&next.encode(), next.position())?;
        self.offset.sync_data()?;
        self.record = next;
        Ok(())
    }

    /// Gives up the disk space reserved for what has not been received.
    pub fn release_reservation(&self) -> io::Result<()> {
        let data = regular_file::open_with(&self.dir.join(DATA), File::options().write(true))?;
        let length = self.record.length.unwrap_or(data.metadata()?.len());
        release(&data, self.record.offset, length)
    }

    /// Writes the state again and syncs everything in the directory. Also covers
    /// pages that failed to be written back and that the kernel has marked clean.
    pub fn make_durable(&self) -> io::Result<()> {
        let slot = self.record.encode();
        self.offset.write_all_at(&slot, self.record.position())?;
        for entry in std::fs::read_dir(&self.dir)? {
            match regular_file::open(&entry?.path()) {
                // Not a regular file: not part of the upload.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
                opened => opened?.sync_all()?,
            }
        }
        sync_dir(&self.dir)
    }

    /// Whether the recording of this upload exists.
    pub fn has_recording(dir: &Path) -> bool {
        dir.join(DATA).exists()
    }

    /// Whether the recording is not a regular file, and so not created by this
    /// program.
    pub fn has_foreign_data(dir: &Path) -> bool {
        let found = std::fs::symlink_metadata(dir.join(DATA));
        found.is_ok_and(|found| !found.is_file())
    }

    /// Removes the recording durably and keeps the other files. Returns the freed
    /// disk space in bytes.
    pub fn remove_recording(&self) -> io::Result<u64> {
        remove_durably(&self.dir, DATA)
    }

    /// Removes the upload durably. Returns the freed disk space in bytes.
    pub fn remove(self, layout: &Layout) -> io::Result<u64> {
        let mut removal = Removal::new(layout);
        removal.add(self)?;
        removal.finish()
    }
}

/// Removes uploads in batches, with one sync of the parent directory per batch.
/// An upload that was added is no longer visible, but its removal is durable and
/// its disk space is freed only after [`Removal::finish`], else by the next sweep.
#[derive(Debug)]
pub struct Removal<'a> {
    layout: &'a Layout,
    /// The uploads renamed to `removing`.
    renamed: Vec<PathBuf>,
    freed_bytes: u64,
}

impl Removal<'_> {
    /// Most uploads per sync; limits memory.
    const BATCH: usize = 1000;

    /// An empty batch.
    pub fn new(layout: &Layout) -> Removal<'_> {
        Removal {
            layout,
            renamed: Vec::new(),
            freed_bytes: 0,
        }
    }

    /// Adds an upload.
    pub fn add(&mut self, parked: Parked) -> io::Result<()> {
        let bytes = folder_bytes(&parked.dir);
        let target = removal_path(self.layout, &parked.dir);
        std::fs::rename(&parked.dir, &target)?;
        self.renamed.push(target);
        self.freed_bytes += bytes;
        match self.renamed.len() < Removal::BATCH {
            true => Ok(()),
            false => self.delete_renamed(),
        }
    }

    /// Makes all removals durable. Returns the freed disk space in bytes.
    pub fn finish(mut self) -> io::Result<u64> {
        self.delete_renamed()?;
        Ok(self.freed_bytes)
    }

    fn delete_renamed(&mut self) -> io::Result<()> {
        if self.renamed.is_empty() {
            return Ok(());
        }
        // Syncs before anything is deleted: otherwise a power failure could
        // bring back the old name of a half-deleted directory.
        sync_dir(&self.layout.uploads())?;
        self.renamed
            .drain(..)
            .try_for_each(|dir| delete_folder(&dir).map(drop))
    }
}

/// Reads the state of an upload without taking its lock. Blocks on the disk.
pub fn peek_record(dir: &Path) -> Result<Record, OpenError> {
    let offset = regular_file::open_unchecked(&dir.join(OFFSET), File::options().read(true))?;
    decode(&offset)
}

/// Whether the upload in this directory is being created: its lock is held.
pub fn is_being_created(dir: &Path) -> bool {
    regular_file::open_with(&dir.join(OFFSET), File::options().write(true))
        .is_ok_and(|offset| !lock::try_lock(&offset).unwrap_or(true))
}

fn decode(offset: &File) -> Result<Record, OpenError> {
    let mut file = vec![0; FILE_BYTES];
    let mut filled = 0;
    while filled < FILE_BYTES {
        match offset.read_at(&mut file[filled..], filled as u64)? {
            0 => break,
            count => filled += count,
        }
    }
    Record::decode_file(&file[..filled]).ok_or(OpenError::Damaged)
}

/// Disk space of the files in a directory, in bytes.
fn folder_bytes(dir: &Path) -> u64 {
    std::fs::read_dir(dir).map_or(0, |entries| {
        entries
            .filter_map(|entry| Some(disk_bytes(&entry.ok()?.metadata().ok()?)))
            .sum()
    })
}

/// A unique path in `removing`.
pub(super) fn removal_path(layout: &Layout, dir: &Path) -> PathBuf {
    layout.removing().join(unique_name(dir))
}

/// A unique path in `damaged`.
pub fn damaged_path(layout: &Layout, dir: &Path) -> PathBuf {
    layout.damaged().join(unique_name(dir))
}

fn unique_name(dir: &Path) -> String {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    format!("{name}.{}", Uuid::new_v4())
}

/// Deletes a directory in `removing`. Returns false if it no longer exists,
/// because a concurrent sweep deleted it, or if files were created in it
/// meanwhile; then the next sweep deletes them.
pub fn delete_folder(dir: &Path) -> io::Result<bool> {
    const MAX_ATTEMPTS: usize = 3;
    for _ in 0..MAX_ATTEMPTS {
        match std::fs::remove_dir_all(dir) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            outcome => return outcome.map(|()| true),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_deleted_while_files_are_created_in_it() {
        use std::sync::atomic::{AtomicBool, Ordering};
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("target");
        let is_done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    for number in 0..10 {
                        // Fails while the folder does not exist.
                        let _ = std::fs::write(target.join(number.to_string()), "late");
                    }
                }
            });
            let outcome = (0..200).try_for_each(|_| {
                std::fs::create_dir(&target)?;
                while target.exists() {
                    delete_folder(&target)?;
                }
                Ok::<_, io::Error>(())
            });
            is_done.store(true, Ordering::Relaxed);
            outcome.unwrap();
        });
    }
}
