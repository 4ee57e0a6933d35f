//! The committed bytes of a recording, read through a shared descriptor.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use symphonia::core::io::MediaSource;

/// Reads a file by position (`pread`): the file offset of the descriptor, which
/// the daemon shares, is neither used nor moved. Nothing at or after `size_bytes`
/// is read, since the file may be preallocated beyond it.
pub struct Source {
    file: Arc<File>,
    /// Offset of this view in the file.
    start_bytes: u64,
    size_bytes: u64,
    offset_bytes: u64,
    position: Position,
}

/// The read position of a [`Source`], observable while a demuxer owns it.
#[derive(Clone, Default)]
pub struct Position(Arc<AtomicU64>);

impl Position {
    /// Bytes from the start of the file.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Source {
    /// The first `size_bytes` of `file`.
    pub fn new(file: File, size_bytes: u64) -> Self {
        Self {
            file: Arc::new(file),
            start_bytes: 0,
            size_bytes,
            offset_bytes: 0,
            position: Position::default(),
        }
    }

    /// The same bytes from their start, for another reader; the [`Position`] is
    /// shared.
    pub fn again(&self) -> Self {
        self.part(0..self.size_bytes)
    }

    /// A byte range as a source of its own.
    pub fn part(&self, range: Range<u64>) -> Self {
        let start = range.start.min(self.size_bytes);
        Self {
            file: self.file.clone(),
            start_bytes: self.start_bytes + start,
            size_bytes: range.end.clamp(start, self.size_bytes) - start,
            offset_bytes: 0,
            position: self.position.clone(),
        }
    }

    /// Length in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The read position of this source.
    pub fn position(&self) -> Position {
        self.position.clone()
    }

    /// At most `length_bytes` from the start, for format detection.
    pub fn head(&self, length_bytes: usize) -> io::Result<Vec<u8>> {
        let length_bytes = length_bytes.min(usize::try_from(self.size_bytes).unwrap_or(usize::MAX));
        let mut head = vec![0; length_bytes];
        let mut filled = 0;
        while filled < head.len() {
            match self
                .file
                .read_at(&mut head[filled..], self.start_bytes + filled as u64)
            {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        head.truncate(filled);
        Ok(head)
    }

    fn move_to(&mut self, offset_bytes: u64) {
        self.offset_bytes = offset_bytes;
        let at_bytes = self.start_bytes.saturating_add(offset_bytes);
        self.position.0.store(at_bytes, Ordering::Relaxed);
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left_bytes = self.size_bytes.saturating_sub(self.offset_bytes);
        let wanted = buffer
            .len()
            .min(usize::try_from(left_bytes).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(0);
        }
        let at_bytes = self.start_bytes + self.offset_bytes;
        let count = self.file.read_at(&mut buffer[..wanted], at_bytes)?;
        self.move_to(self.offset_bytes + count as u64);
        Ok(count)
    }
}

impl Seek for Source {
    fn seek(&mut self, target: SeekFrom) -> io::Result<u64> {
        let (base_bytes, distance_bytes) = match target {
            SeekFrom::Start(offset_bytes) => (offset_bytes, 0),
            SeekFrom::End(distance_bytes) => (self.size_bytes, distance_bytes),
            SeekFrom::Current(distance_bytes) => (self.offset_bytes, distance_bytes),
        };
        let offset_bytes = base_bytes
            .checked_add_signed(distance_bytes)
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        self.move_to(offset_bytes);
        Ok(offset_bytes)
    }
}

impl MediaSource for Source {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.size_bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn source(content: &[u8], size_bytes: u64) -> Source {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        Source::new(file, size_bytes)
    }

    #[test]
    fn nothing_is_read_at_or_after_the_committed_length() {
        let mut source = source(b"committed, and garbage", 9);
        let mut all = Vec::new();
        source.read_to_end(&mut all).unwrap();
        assert_eq!(all, b"committed");
        for (target, expected) in [
            (SeekFrom::Start(6), &b"ted"[..]),
            (SeekFrom::End(-2), b"ed"),
            (SeekFrom::Start(9), b""),
            (SeekFrom::Start(12), b""),
            (SeekFrom::End(3), b""),
        ] {
            source.seek(target).unwrap();
            let mut rest = Vec::new();
            source.read_to_end(&mut rest).unwrap();
            assert_eq!(rest, expected, "{target:?}");
        }
        assert_eq!(source.head(100).unwrap(), b"committed");
        assert!(source.seek(SeekFrom::End(-10)).is_err());
    }

    #[test]
    fn a_part_hides_the_rest() {
        let source = source(b"first, second, rubbish", 14);
        let mut part = source.part(7..100);
        let mut all = Vec::new();
        part.read_to_end(&mut all).unwrap();
        assert_eq!((&all[..], part.size_bytes()), (&b"second,"[..], 7));
        assert_eq!(part.position().bytes(), 14);
        assert_eq!(part.head(3).unwrap(), b"sec");
        part.seek(SeekFrom::End(-1)).unwrap();
        assert_eq!(part.part(2..4).head(9).unwrap(), b"co");
        assert_eq!(source.part(20..30).size_bytes(), 0);
    }

    #[test]
    fn shared_file_offset_is_not_moved() {
        let mut source = source(b"0123456789", 10);
        let mut shared = source.file.try_clone().unwrap();
        shared.seek(SeekFrom::Start(3)).unwrap();
        let mut buffer = [0; 4];
        source.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"0123");
        assert_eq!(source.position().bytes(), 4);
        assert_eq!(shared.stream_position().unwrap(), 3);
    }

    #[test]
    fn a_file_shorter_than_claimed_ends_early() {
        let mut source = source(b"short", 100);
        let mut all = Vec::new();
        source.read_to_end(&mut all).unwrap();
        assert_eq!(all, b"short");
        assert_eq!(source.head(100).unwrap(), b"short");
    }
}
