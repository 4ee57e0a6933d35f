//! Disk space that is reserved for bytes still to come (fallocate(2)). Everything here
//! blocks on the disk.

use std::fs::File;
use std::io;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};

use super::ring::BLOCK_BYTES;

/// Reserves disk space for `[0, length)` and extends the file to at least `length`.
pub(super) fn reserve(file: &File, length: u64) -> io::Result<()> {
    if length == 0 {
        return Ok(());
    }
    let bytes = i64::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?;
    loop {
        match fallocate(file, FallocateFlags::empty(), 0, bytes) {
            Err(Errno::EINTR) => {}
            outcome => return Ok(outcome?),
        }
    }
}

/// Gives up the disk space reserved for `[start, length)`, but for a rest of a block.
/// Where the file system cannot, it stays reserved.
pub(super) fn release(file: &File, start: u64, length: u64) -> io::Result<()> {
    let start = start.next_multiple_of(BLOCK_BYTES as u64);
    let count = length
        .next_multiple_of(BLOCK_BYTES as u64)
        .saturating_sub(start);
    let range = i64::try_from(start).ok().zip(i64::try_from(count).ok());
    let Some((start, count @ 1..)) = range else {
        return Ok(());
    };
    let punch = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    match fallocate(file, punch, start, count) {
        Err(Errno::EOPNOTSUPP) => Ok(()),
        outcome => Ok(outcome?),
    }
}
