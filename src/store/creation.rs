//! The making of an upload: it is built aside, durable file by file, and then
//! appears by one rename.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use super::appender::Appender;
use super::facts::Facts;
use super::folder::{DATA, FACTS, OFFSET};
use super::moment::Moment;
use super::record::Record;
use super::recording::{Begun, reserve};
use super::{Layout, lock, sync_dir};

/// Makes an upload durable, with the first `reserved` bytes of its recording
/// reserved on the disk. Errors as told at [`Writer::create`](super::writer::Writer::create).
/// Blocks on the disk.
pub(super) fn create(
    layout: &Layout,
    facts: &Facts,
    length: Option<u64>,
    reserved: u64,
) -> io::Result<(Appender<Arc<File>>, Begun)> {
    let building = layout.creation(facts.id);
    DirBuilder::new().mode(0o700).create(&building)?;
    let dir = layout.upload(facts.id);
    let made = build(&building, facts, length, reserved).and_then(|files| {
        publish(layout, &building, &dir)?;
        let begun = Begun::at(&dir, Arc::clone(files.data()), 0)?;
        Ok((files, begun))
    });
    if made.is_err() {
        // The sweep takes away what cannot be removed now.
        let _ = std::fs::remove_dir_all(building);
    }
    made
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
    // From here on no sweep takes the folder for an orphan.
    lock::try_lock(&offset)?;
    let data = create(DATA)?;
    reserve(&data, reserved)?;
    let record = Record::of(facts.kind(), length, Moment::now());
    offset.write_all_at(&record.encode_file(), 0)?;
    let facts_file = create(FACTS)?;
    facts_file.write_all_at(&serde_json::to_vec_pretty(facts)?, 0)?;
    // All on its way before the first is waited for: one commit of the file
    // system's journal then serves all of them.
    start_writing(&facts_file)?;
    for file in [&offset, &facts_file, &data] {
        file.sync_all()?;
    }
    sync_dir(dir)?;
    Ok(Appender::new(Arc::new(data), Arc::new(offset), record))
}

fn start_writing(file: &File) -> io::Result<()> {
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
