//! Reads the bytes of the frames of a FLAC file, up to an appended file.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use symphonia::core::io::MediaSource;

use super::tags;
use crate::media::Source;

/// Bytes per read.
const BLOCK_BYTES: usize = 32 * 1024;

/// The start of an appended FLAC file: the marker and a STREAMINFO header of 34
/// bytes, ignoring the last-block bit.
const BOUNDARY: [u8; 8] = *b"fLaC\0\0\0\x22";

/// Bytes held back, so that a boundary and a tag before it are detected before
/// they are passed on.
const HELD_BYTES: usize = BOUNDARY.len() + tags::ID3V1_BYTES;

/// Tags among the frames that are checked: an ID3 tag is a boundary if a FLAC
/// file follows it.
const TAGS_MAX: u32 = 1_000;

/// Bytes returned first after a pause. symphonia takes the pause for the end of a
/// frame, and panics if it then finds a frame after a single byte.
const AFTER_PAUSE: [u8; 16] = [0; 16];

/// State shared between [`Frames`] and the reader that controls it.
#[derive(Debug, Clone, Default)]
pub struct ReadControl(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    boundary: AtomicU64,
    budget_bytes: AtomicU64,
    paused: AtomicBool,
    resumed: AtomicBool,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            boundary: AtomicU64::new(u64::MAX),
            budget_bytes: AtomicU64::new(0),
            paused: AtomicBool::new(false),
            resumed: AtomicBool::new(false),
        }
    }
}

impl ReadControl {
    /// Offset at which an appended file begins, in bytes from the start of this
    /// one.
    pub fn boundary_bytes(&self) -> Option<u64> {
        let boundary = self.0.boundary.load(Ordering::Relaxed);
        (boundary != u64::MAX).then_some(boundary)
    }

    /// Allows `bytes` more to be read before reading pauses.
    pub fn allow(&self, bytes: u64) {
        self.0.budget_bytes.store(bytes, Ordering::Relaxed);
        if self.0.paused.swap(false, Ordering::Relaxed) {
            self.0.resumed.store(true, Ordering::Relaxed);
        }
    }

    /// Whether reading has paused.
    pub fn is_paused(&self) -> bool {
        self.0.paused.load(Ordering::Relaxed)
    }

    /// Takes up to `wanted` bytes from the allowance; an error once it is used
    /// up, until [`ReadControl::allow`].
    fn take(&self, wanted: usize) -> io::Result<usize> {
        let budget_bytes = self.0.budget_bytes.load(Ordering::Relaxed);
        let granted = budget_bytes.min(wanted as u64);
        if granted == 0 && wanted > 0 {
            self.0.paused.store(true, Ordering::Relaxed);
            return Err(io::Error::from(io::ErrorKind::WouldBlock));
        }
        self.0
            .budget_bytes
            .store(budget_bytes - granted, Ordering::Relaxed);
        Ok(granted as usize)
    }
}

/// A FLAC file for symphonia: a given header, then the frames of the real file.
/// Not seekable.
pub struct Frames {
    /// The unread part of the header.
    head: Vec<u8>,
    source: Source,
    /// Offset of `buffer` in the file.
    offset_bytes: u64,
    buffer: Vec<u8>,
    /// Bytes of `buffer` that were passed on.
    passed: usize,
    /// Bytes of `buffer` that may be passed on.
    cleared: usize,
    /// Nothing at or after this offset is read.
    end_bytes: u64,
    at_end: bool,
    tags: u32,
    control: ReadControl,
}

impl Frames {
    /// The frames between two offsets of `source`.
    pub fn new(
        head: Vec<u8>,
        mut source: Source,
        from_bytes: u64,
        end_bytes: u64,
    ) -> io::Result<Self> {
        source.seek(SeekFrom::Start(from_bytes))?;
        Ok(Self {
            head,
            source,
            offset_bytes: from_bytes,
            buffer: Vec::with_capacity(BLOCK_BYTES + HELD_BYTES),
            passed: 0,
            cleared: 0,
            end_bytes,
            at_end: false,
            tags: 0,
            control: ReadControl::default(),
        })
    }

    /// A handle to control it while symphonia owns it.
    pub fn control(&self) -> ReadControl {
        self.control.clone()
    }

    fn fill(&mut self) -> io::Result<()> {
        while self.passed == self.cleared && !self.at_end {
            self.buffer.drain(..self.passed);
            self.offset_bytes += self.passed as u64;
            (self.passed, self.cleared) = (0, 0);
            let seen = self.buffer.len();
            let behind = self.offset_bytes + seen as u64;
            let left = usize::try_from(self.end_bytes.saturating_sub(behind)).unwrap_or(usize::MAX);
            self.buffer.resize(seen + left.min(BLOCK_BYTES), 0);
            let read = match self.source.read(&mut self.buffer[seen..]) {
                Ok(read) => read,
                Err(error) => {
                    self.buffer.truncate(seen);
                    return Err(error);
                }
            };
            self.buffer.truncate(seen + read);
            self.at_end = read == 0;
            self.clear(seen)?;
        }
        Ok(())
    }

    /// Searches the bytes from `seen` on, and a little before, for a boundary.
    fn clear(&mut self, seen: usize) -> io::Result<()> {
        self.cleared = if self.at_end {
            self.buffer.len()
        } else {
            self.buffer.len().saturating_sub(HELD_BYTES)
        };
        let from = seen.saturating_sub(BOUNDARY.len().max(tags::ID3V2_HEADER_BYTES) - 1);
        for at in from..self.buffer.len() {
            let rest = &self.buffer[at..];
            let is_border = match rest[0] {
                b'f' => is_flac(rest),
                b'I' => self.is_tag_before_flac(at)?,
                _ => false,
            };
            if is_border {
                let boundary = self.offset_bytes + at as u64;
                self.control.0.boundary.store(boundary, Ordering::Relaxed);
                // A tag at the end of the previous file is not audio.
                let sound = at.checked_sub(tags::ID3V1_BYTES);
                let sound = sound.filter(|at| tags::is_id3v1(&self.buffer[*at..]));
                self.cleared = sound.unwrap_or(at);
                self.at_end = true;
                break;
            }
        }
        Ok(())
    }

    fn is_tag_before_flac(&mut self, at: usize) -> io::Result<bool> {
        let Some(tag_bytes) = tags::id3v2_bytes(&self.buffer[at..]) else {
            return Ok(false);
        };
        self.tags += 1;
        if self.tags > TAGS_MAX {
            return Ok(false);
        }
        let mut look = self.source.again();
        look.seek(SeekFrom::Start(self.offset_bytes + at as u64 + tag_bytes))?;
        let mut behind = Vec::new();
        look.take(BOUNDARY.len() as u64).read_to_end(&mut behind)?;
        Ok(is_flac(&behind))
    }
}

fn is_flac(bytes: &[u8]) -> bool {
    let Some(start) = bytes.first_chunk::<{ BOUNDARY.len() }>() else {
        return false;
    };
    let mut start = *start;
    start[4] &= 0x7f;
    start == BOUNDARY
}

impl Read for Frames {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.control.0.resumed.swap(false, Ordering::Relaxed) {
            self.head.extend(AFTER_PAUSE);
        }
        if !self.head.is_empty() {
            let count = buffer.len().min(self.head.len());
            for (to, from) in buffer.iter_mut().zip(self.head.drain(..count)) {
                *to = from;
            }
            return Ok(count);
        }
        self.fill()?;
        let ready = &self.buffer[self.passed..self.cleared];
        let count = self.control.take(buffer.len().min(ready.len()))?;
        buffer[..count].copy_from_slice(&ready[..count]);
        self.passed += count;
        Ok(count)
    }
}

impl Seek for Frames {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }
}

impl MediaSource for Frames {
    fn is_seekable(&self) -> bool {
        false
    }

    fn byte_len(&self) -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn reading_pauses_and_resumes() {
        let content = b"0123456789abcdefghij";
        let source = Source::new(testing::file(content), content.len() as u64);
        let mut frames = Frames::new(b"head".to_vec(), source, 2, 18).unwrap();
        let control = frames.control();
        let mut read = |wanted: usize| {
            let mut bytes = vec![b'?'; wanted];
            frames.read(&mut bytes).map(|count| {
                bytes.truncate(count);
                String::from_utf8(bytes).unwrap()
            })
        };
        control.allow(10);
        assert_eq!(read(20).unwrap(), "head");
        assert_eq!(read(4).unwrap(), "2345");
        assert_eq!(read(20).unwrap(), "6789ab");
        for _ in 0..2 {
            assert!(read(1).is_err());
            assert!(control.is_paused());
        }
        control.allow(100);
        assert!(!control.is_paused());
        assert_eq!(read(20).unwrap(), "\0".repeat(AFTER_PAUSE.len()));
        assert_eq!(read(20).unwrap(), "cdefgh");
        assert_eq!(read(20).unwrap(), "");
    }
}
