//! Replaces and removes files durably.

use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::regular_file;
use super::sabotage::Rule;

/// Replaces the content of `dir/name` durably and atomically: at any time, and
/// after any crash, the file has the old content or the new one. Blocks on the
/// disk.
pub fn replace_durably(dir: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    replace_durably_with(dir, name, content, |_| Ok(()))
}

/// Like [`replace_durably`]; `prepare` is called with the new file before it is
/// renamed, to set another owner or another mode than 0600.
pub fn replace_durably_with(
    dir: &Path,
    name: &str,
    content: &[u8],
    prepare: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<()> {
    let temporary = dir.join(format!("{name}.new"));
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = regular_file::open_with(&temporary, &mut options)?;
    file.write_all(content)?;
    prepare(&file)?;
    file.sync_all()?;
    std::fs::rename(&temporary, dir.join(name))?;
    sync_dir(dir)
}

/// Syncs a directory, so that its entries are durable. Blocks on the disk.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    if Rule::DirectorySync.is_broken() {
        return Ok(());
    }
    File::open(dir)?.sync_all()
}

/// Removes a file durably. Returns the freed disk space in bytes. Blocks on the
/// disk.
pub fn remove_durably(dir: &Path, name: &str) -> io::Result<u64> {
    let path = dir.join(name);
    let freed_bytes = disk_bytes(&std::fs::metadata(&path)?);
    std::fs::remove_file(path)?;
    sync_dir(dir)?;
    Ok(freed_bytes)
}

/// Disk space of a file in bytes; stat(2) counts it in blocks of 512 bytes.
pub(super) fn disk_bytes(metadata: &Metadata) -> u64 {
    metadata.blocks() * 512
}
