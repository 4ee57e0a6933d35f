//! The folder of one upload, for whoever works beside the rings: start-up, the
//! sweep, the task layer. Everything here blocks on the disk.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::facts::Facts;
use super::moment::Moment;
use super::record::{FILE_BYTES, Record};
use super::small_file::{disk_bytes, remove_durably, replace_durably, sync_dir};
use super::{Layout, lock, regular_file};

pub(super) const DATA: &str = "data";
pub(super) const OFFSET: &str = "offset";
pub(super) const FACTS: &str = "upload.json";

/// Why an upload could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is none of this id.
    #[error("no such upload")]
    Missing,
    /// Another process has its lock.
    #[error("the upload is in use by another process")]
    Locked,
    /// No slot of its record is whole.
    #[error("the offset record is damaged")]
    Damaged,
    /// The disk failed.
    #[error(transparent)]
    Io(io::Error),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> OpenError {
        match error.kind() {
            io::ErrorKind::NotFound => OpenError::Missing,
            _ => OpenError::Io(error),
        }
    }
}

/// The facts of an upload; see [`Facts`].
pub fn read_facts(dir: &Path) -> io::Result<Facts> {
    Ok(serde_json::from_slice(&regular_file::read(
        &dir.join(FACTS),
    )?)?)
}

impl Facts {
    /// Puts them in the place of those in this folder, durably when this
    /// returns.
    pub(super) fn replace(&self, dir: &Path) -> io::Result<()> {
        replace_durably(dir, FACTS, &serde_json::to_vec_pretty(self)?)
    }
}

/// Opens the recording for reading only: nothing that gets this descriptor can
/// change it. Blocks on the disk.
pub fn open_recording(dir: &Path) -> io::Result<File> {
    regular_file::open(&dir.join(DATA))
}

/// An upload that nobody writes to, held locked.
#[derive(Debug)]
pub struct Parked {
    dir: PathBuf,
    /// Held locked.
    offset: File,
    /// Its state.
    pub record: Record,
}

impl Parked {
    /// Opens and locks; [`OpenError::Locked`] while anybody writes to it.
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

    /// Its folder and its record file, which holds the lock.
    pub(super) fn into_parts(self) -> (PathBuf, File) {
        (self.dir, self.offset)
    }

    /// Says, durably, that it is a part that was joined with others.
    pub(super) fn mark_joined(&mut self, now: Moment) -> io::Result<()> {
        let next = self.record.joined(now);
        self.offset.write_all_at(&next.encode(), next.position())?;
        self.offset.sync_data()?;
        self.record = next;
        Ok(())
    }

    /// Writes its state once more and syncs everything in its folder: true
    /// also where the system believes to have stored what the disk refused.
    pub fn make_durable(&self) -> io::Result<()> {
        let slot = self.record.encode();
        self.offset.write_all_at(&slot, self.record.position())?;
        for entry in std::fs::read_dir(&self.dir)? {
            match regular_file::open(&entry?.path()) {
                // Not ours, and nothing to sync.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
                opened => opened?.sync_all()?,
            }
        }
        sync_dir(&self.dir)
    }

    /// Whether the recording of this upload is there.
    pub fn has_recording(dir: &Path) -> bool {
        dir.join(DATA).exists()
    }

    /// Whether what stands for the recording is none of ours: not a regular file.
    pub fn has_foreign_data(dir: &Path) -> bool {
        let found = std::fs::symlink_metadata(dir.join(DATA));
        found.is_ok_and(|found| !found.is_file())
    }

    /// Takes the recording away, durably when this returns, and leaves what is
    /// known of it; tells how many bytes of disk that freed.
    pub fn remove_recording(&self) -> io::Result<u64> {
        remove_durably(&self.dir, DATA)
    }

    /// Takes the upload away, durably when this returns; tells how many bytes
    /// of disk that freed.
    pub fn remove(self, layout: &Layout) -> io::Result<u64> {
        let mut removal = Removal::new(layout);
        removal.add(self)?;
        removal.finish()
    }
}

/// Takes uploads away, many with one sync of the folder that they leave. What
/// was added and not finished is gone for everybody, but not durably so, and
/// its disk space is freed by the next sweep.
#[derive(Debug)]
pub struct Removal<'a> {
    layout: &'a Layout,
    /// Renamed, in `removing`.
    gone: Vec<PathBuf>,
    freed_bytes: u64,
}

impl Removal<'_> {
    /// So many wait for one sync; limits memory.
    const BATCH: usize = 1000;

    /// Nothing yet.
    pub fn new(layout: &Layout) -> Removal<'_> {
        Removal {
            layout,
            gone: Vec::new(),
            freed_bytes: 0,
        }
    }

    /// One more.
    pub fn add(&mut self, parked: Parked) -> io::Result<()> {
        let bytes = folder_bytes(&parked.dir);
        let gone = grave(self.layout, &parked.dir);
        std::fs::rename(&parked.dir, &gone)?;
        self.gone.push(gone);
        self.freed_bytes += bytes;
        match self.gone.len() < Removal::BATCH {
            true => Ok(()),
            false => self.bury_all(),
        }
    }

    /// All are durably gone; tells how many bytes of disk that freed.
    pub fn finish(mut self) -> io::Result<u64> {
        self.bury_all()?;
        Ok(self.freed_bytes)
    }

    fn bury_all(&mut self) -> io::Result<()> {
        if self.gone.is_empty() {
            return Ok(());
        }
        // Before anything is deleted: a power cut must not bring a name back
        // for a folder that is half empty.
        sync_dir(&self.layout.uploads())?;
        self.gone
            .drain(..)
            .try_for_each(|gone| bury(&gone).map(drop))
    }
}

/// The state of an upload without its lock. Blocks on the disk.
pub fn peek_record(dir: &Path) -> Result<Record, OpenError> {
    decode(&regular_file::open(&dir.join(OFFSET))?)
}

/// Whether somebody is about to create the upload in this folder.
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

/// Disk space under a folder.
fn folder_bytes(dir: &Path) -> u64 {
    std::fs::read_dir(dir).map_or(0, |entries| {
        entries
            .filter_map(|entry| Some(disk_bytes(&entry.ok()?.metadata().ok()?)))
            .sum()
    })
}

/// A name in `removing` that nobody else uses.
pub(super) fn grave(layout: &Layout, dir: &Path) -> PathBuf {
    layout.removing().join(unique_name(dir))
}

/// A name in `damaged` that nobody else uses.
pub fn damaged_place(layout: &Layout, dir: &Path) -> PathBuf {
    layout.damaged().join(unique_name(dir))
}

fn unique_name(dir: &Path) -> String {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    format!("{name}.{}", Uuid::new_v4())
}

/// Deletes what is on its way out. A sweep may be doing the same, and somebody
/// who was about to put a file into the folder may just have done so: then the
/// next sweep takes the rest. False if that, or somebody else, was faster.
pub fn bury(gone: &Path) -> io::Result<bool> {
    const TRIES: usize = 3;
    for _ in 0..TRIES {
        match std::fs::remove_dir_all(gone) {
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
    fn what_is_put_into_a_folder_that_goes_does_not_stop_its_going() {
        use std::sync::atomic::{AtomicBool, Ordering};
        let dir = tempfile::tempdir().unwrap();
        let gone = dir.path().join("gone");
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    for number in 0..10 {
                        // Fails when the folder is gone.
                        let _ = std::fs::write(gone.join(number.to_string()), "late");
                    }
                }
            });
            let outcome = (0..200).try_for_each(|_| {
                std::fs::create_dir(&gone)?;
                while gone.exists() {
                    bury(&gone)?;
                }
                Ok::<_, io::Error>(())
            });
            is_over.store(true, Ordering::Relaxed);
            outcome.unwrap();
        });
    }
}
