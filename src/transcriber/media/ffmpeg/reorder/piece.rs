//! Parts of a reordered file.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

/// Most top-level boxes or chunks.
pub const PARTS_MAX: usize = 4096;

/// A part of the reordered file.
#[derive(Debug, PartialEq)]
pub enum Piece {
    /// A byte range of the recording.
    Original(Range<u64>),
    /// New content.
    Replaced(Vec<u8>),
}

/// The `N` bytes at `offset_bytes`; `None` at the end of the file.
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
