//! What a reordered file is made of.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

/// A table of contents is kept in memory; a day of audio needs a few megabytes.
pub const TABLE_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The boxes or chunks at the top of a file are few.
pub const PARTS_MAX: usize = 4096;

/// A stretch of the file as it is handed over.
#[derive(Debug, PartialEq)]
pub enum Piece {
    /// These bytes of the recording.
    Original(Range<u64>),
    /// Something written anew.
    Replaced(Vec<u8>),
}

/// The `N` bytes at `offset_bytes`; `None` if the file ends before.
pub fn bytes_at<const N: usize>(
    recording: &mut (impl Read + Seek),
    offset_bytes: u64,
) -> io::Result<Option<[u8; N]>> {
    let mut bytes = [0; N];
    recording.seek(SeekFrom::Start(offset_bytes))?;
    match recording.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}
