//! The bytes of the frames of a FLAC file, up to where another file was appended.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use symphonia::core::io::MediaSource;

use super::tags;
use crate::media::Source;

/// How much is read at once.
const BLOCK_BYTES: usize = 32 * 1024;

/// The start of a FLAC file with its first block, a STREAMINFO of 34 bytes; the
/// bit for "last block" aside.
const BORDER: [u8; 8] = *b"fLaC\0\0\0\x22";

/// What is kept back from the reader, so that a border and a tag before it are
/// seen before they are passed on.
const HELD_BYTES: usize = BORDER.len() + tags::ID3V1_BYTES;

/// Tags within the sound that are looked behind: an ID3 tag is a border if a FLAC
/// file follows it.
const TAGS_MAX: u32 = 1_000;

/// What is read first after a pause. symphonia takes the pause for the end of a
/// frame, and panics if it then finds a frame behind a single byte.
const AFTER_PAUSE: [u8; 16] = [0; 16];

/// What the reader of the frames and the owner of this share.
#[derive(Debug, Clone, Default)]
pub struct Watch(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    border: AtomicU64,
    budget_bytes: AtomicU64,
    paused: AtomicBool,
    resumed: AtomicBool,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            border: AtomicU64::new(u64::MAX),
            budget_bytes: AtomicU64::new(0),
            paused: AtomicBool::new(false),
            resumed: AtomicBool::new(false),
        }
    }
}

impl Watch {
    /// Where another file begins, in bytes from the start of this one.
    pub fn border_bytes(&self) -> Option<u64> {
        let border = self.0.border.load(Ordering::Relaxed);
        (border != u64::MAX).then_some(border)
    }

    /// Lets so many bytes be read before reading pauses.
    pub fn allow(&self, bytes: u64) {
        self.0.budget_bytes.store(bytes, Ordering::Relaxed);
        if self.0.paused.swap(false, Ordering::Relaxed) {
            self.0.resumed.store(true, Ordering::Relaxed);
        }
    }

    /// Whether it was refused to read on.
    pub fn is_paused(&self) -> bool {
        self.0.paused.load(Ordering::Relaxed)
    }

    /// Takes `wanted` bytes from what is allowed; what is not allowed is refused
    /// until [`Watch::allow`].
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

/// A short FLAC file for symphonia: a given head, then the frames of the real one.
/// It cannot seek.
pub struct Frames {
    /// Of the head, what has not been read.
    head: Vec<u8>,
    source: Source,
    /// Where `buffer` begins in the file.
    offset_bytes: u64,
    buffer: Vec<u8>,
    /// Of `buffer`, what has been passed on.
    passed: usize,
    /// Of `buffer`, what may be passed on.
    cleared: usize,
    /// Nothing is read at or behind this.
    end_bytes: u64,
    at_end: bool,
    tags: u32,
    watch: Watch,
}

impl Frames {
    /// The frames between two places of `source`.
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
            watch: Watch::default(),
        })
    }

    /// What becomes of it while another owns it.
    pub fn watch(&self) -> Watch {
        self.watch.clone()
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

    /// Looks for a border in what was read, from `seen` on and a little before.
    fn clear(&mut self, seen: usize) -> io::Result<()> {
        self.cleared = if self.at_end {
            self.buffer.len()
        } else {
            self.buffer.len().saturating_sub(HELD_BYTES)
        };
        let from = seen.saturating_sub(BORDER.len().max(tags::ID3V2_HEADER_BYTES) - 1);
        for at in from..self.buffer.len() {
            let rest = &self.buffer[at..];
            let is_border = match rest[0] {
                b'f' => is_flac(rest),
                b'I' => self.is_tag_before_flac(at)?,
                _ => false,
            };
            if is_border {
                let border = self.offset_bytes + at as u64;
                self.watch.0.border.store(border, Ordering::Relaxed);
                // A tag at the end of the file before is no sound either.
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
        look.take(BORDER.len() as u64).read_to_end(&mut behind)?;
        Ok(is_flac(&behind))
    }
}

fn is_flac(bytes: &[u8]) -> bool {
    let Some(start) = bytes.first_chunk::<{ BORDER.len() }>() else {
        return false;
    };
    let mut start = *start;
    start[4] &= 0x7f;
    start == BORDER
}

impl Read for Frames {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.watch.0.resumed.swap(false, Ordering::Relaxed) {
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
        let count = self.watch.take(buffer.len().min(ready.len()))?;
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
    fn reading_pauses_and_goes_on() {
        let content = b"0123456789abcdefghij";
        let source = Source::new(testing::file(content), content.len() as u64);
        let mut frames = Frames::new(b"head".to_vec(), source, 2, 18).unwrap();
        let watch = frames.watch();
        let mut read = |wanted: usize| {
            let mut bytes = vec![b'?'; wanted];
            frames.read(&mut bytes).map(|count| {
                bytes.truncate(count);
                String::from_utf8(bytes).unwrap()
            })
        };
        watch.allow(10);
        assert_eq!(read(20).unwrap(), "head");
        assert_eq!(read(4).unwrap(), "2345");
        assert_eq!(read(20).unwrap(), "6789ab");
        for _ in 0..2 {
            assert!(read(1).is_err());
            assert!(watch.is_paused());
        }
        watch.allow(100);
        assert!(!watch.is_paused());
        assert_eq!(read(20).unwrap(), "\0".repeat(AFTER_PAUSE.len()));
        assert_eq!(read(20).unwrap(), "cdefgh");
        assert_eq!(read(20).unwrap(), "");
    }
}
