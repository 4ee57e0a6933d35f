//! Files that are replaced or removed whole.

use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::regular_file;
use super::sabotage::Rule;

/// Puts `content` at `dir/name`, durably when this returns: at any time, and
/// after any crash, the name stands for the old content or for the new one.
/// Blocks on the disk.
pub fn replace_durably(dir: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    replace_durably_with(dir, name, content, |_| Ok(()))
}

/// The same; `prepare` sees the new file before it gets its name, to give it
/// another owner or mode than our own and 0600.
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

/// Makes durable which names are in a folder. Blocks on the disk.
pub fn sync_dir(dir: &Path) -> io::Result<()> {
    if Rule::DirectorySync.is_broken() {
        return Ok(());
    }
    File::open(dir)?.sync_all()
}

/// Removes a file, durably when this returns; tells how many bytes of disk
/// that freed. Blocks on the disk.
pub fn remove_durably(dir: &Path, name: &str) -> io::Result<u64> {
    let path = dir.join(name);
    let freed_bytes = disk_bytes(&std::fs::metadata(&path)?);
    std::fs::remove_file(path)?;
    sync_dir(dir)?;
    Ok(freed_bytes)
}

/// Disk space that a file takes; stat(2) counts it in 512 bytes.
pub(super) fn disk_bytes(metadata: &Metadata) -> u64 {
    metadata.blocks() * 512
}
