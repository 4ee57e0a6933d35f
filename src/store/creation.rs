//! Creates uploads: the files are made durable in a temporary directory, which is
//! then renamed to its final name.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use super::appender::Appender;
use super::data_file::AppendPoint;
use super::facts::Facts;
use super::folder::{DATA, FACTS, OFFSET};
use super::moment::Moment;
use super::record::Record;
use super::reservation::reserve;
use super::{Layout, lock, sync_dir};

/// Creates an upload durably, with disk space reserved for the first `reserved`
/// bytes of its recording. Errors as in [`Writer::create`](super::writer::Writer::create).
/// Blocks on the disk.
pub(super) fn create(
    layout: &Layout,
    facts: &Facts,
    length: Option<u64>,
    reserved: u64,
) -> io::Result<(Appender<Arc<File>>, AppendPoint)> {
    let building = layout.creation(facts.id);
    DirBuilder::new().mode(0o700).create(&building)?;
    let dir = layout.upload(facts.id);
    let created = build(&building, facts, length, reserved).and_then(|files| {
        publish(layout, &building, &dir)?;
        let point = AppendPoint::at(&dir, Arc::clone(files.data()), 0)?;
        Ok((files, point))
    });
    if created.is_err() {
        // If this fails the sweep removes it.
        let _ = std::fs::remove_dir_all(building);
    }
    created
}

fn build(
    dir: &Path,
    facts: &Facts,
    length: Option<u64>,
    reserved: u64,
) -> io::Result<Appender<Arc<File>>> {
    let create = |name| {
        let mut options = File::options();
        options.read(true).write(true).create_new(true).mode(0o600);
        options.open(dir.join(name))
    };
    let offset = create(OFFSET)?;
    // While the lock is held no sweep treats the directory as an orphan.
    lock::try_lock(&offset)?;
    let data = create(DATA)?;
    reserve(&data, reserved)?;
    let record = Record::of(facts.kind(), length, Moment::now());
    offset.write_all_at(&record.encode_file(), 0)?;
    let facts_file = create(FACTS)?;
    facts_file.write_all_at(&serde_json::to_vec_pretty(facts)?, 0)?;
    // Starts writeback before the first sync, so that one commit of the file
    // system's journal covers all files.
    start_writeback(&facts_file)?;
    for file in [&offset, &facts_file, &data] {
        file.sync_all()?;
    }
    sync_dir(dir)?;
    Ok(Appender::new(Arc::new(data), Arc::new(offset), record))
}

fn start_writeback(file: &File) -> io::Result<()> {
    let advice = PosixFadviseAdvice::POSIX_FADV_DONTNEED;
    Ok(posix_fadvise(file, 0, 0, advice)?)
}

fn publish(layout: &Layout, building: &Path, dir: &Path) -> io::Result<()> {
    std::fs::rename(building, dir).map_err(|error| match error.kind() {
        io::ErrorKind::DirectoryNotEmpty => io::ErrorKind::AlreadyExists.into(),
        _ => error,
    })?;
    sync_dir(&layout.uploads())
}
