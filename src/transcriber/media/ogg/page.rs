//! Pages of an Ogg file (RFC 3533, section 6), with resynchronisation after
//! damage.

use std::io::{self, Read, Seek, SeekFrom};

use super::crc;
use crate::media::Source;

/// The capture pattern.
pub const CAPTURE: &[u8; 4] = b"OggS";

/// Length of a page header without its lacing values.
const HEADER_BYTES: usize = 27;

/// The largest page: 255 lacing values of 255.
pub const PAGE_MAX_BYTES: usize = HEADER_BYTES + 255 + 255 * 255;

/// Granule positions of more than this (3,000 years) are damaged.
pub const POSITION_MAX_S: i64 = 100_000_000_000;

/// Room for two pages, so that the page after a damaged one can be checked.
const BUFFER_BYTES: usize = 2 * PAGE_MAX_BYTES;

/// After this many bytes were checksummed without success, false pages are
/// skipped as a whole: data made of them would otherwise cost a checksum of 64
/// KiB every few bytes.
const WASTED_MAX_BYTES: usize = 4 * 1024 * 1024;

/// Bytes that may be wasted for each byte of a valid page.
const WASTED_PER_BYTE: usize = 4;

const CONTINUED: u8 = 1;
const FIRST: u8 = 2;
const LAST: u8 = 4;

/// One page.
#[derive(Debug, Clone)]
pub struct Page {
    /// Offset of the page, in bytes from the start of the file.
    pub offset_bytes: u64,
    flags: u8,
    granule: i64,
    /// Serial number of its logical stream.
    pub serial: u32,
    /// Page sequence number in that stream.
    pub sequence: u32,
    /// Segment lengths; a packet ends with the first below 255.
    pub lacing: Vec<u8>,
    /// The segments.
    pub body: Vec<u8>,
    /// False: the file ends within this page and `body` is truncated.
    pub whole: bool,
}

impl Page {
    /// Whether its first segment continues the last packet of the previous page.
    pub fn is_continued(&self) -> bool {
        self.flags & CONTINUED != 0
    }

    /// Whether it begins a logical stream.
    pub fn is_first(&self) -> bool {
        self.flags & FIRST != 0
    }

    /// Whether it ends its logical stream.
    pub fn is_last(&self) -> bool {
        self.flags & LAST != 0 && self.whole
    }

    /// The granule position of the last packet that ends on this page; `None` if
    /// there is none or the page is truncated.
    pub fn granule(&self) -> Option<i64> {
        (self.granule >= 0 && self.whole && self.packets() > 0).then_some(self.granule)
    }

    /// Number of packets that end on it.
    pub fn packets(&self) -> usize {
        self.lacing.iter().filter(|length| **length < 255).count()
    }

    /// The part of its first packet on this page.
    pub fn first_piece(&self) -> &[u8] {
        let mut length = 0;
        for lacing in &self.lacing {
            length += usize::from(*lacing);
            if *lacing < 255 {
                break;
            }
        }
        &self.body[..length.min(self.body.len())]
    }

    fn parse(bytes: &[u8], offset_bytes: u64, whole: bool) -> Self {
        let segments = usize::from(bytes[26]);
        let (lacing, body) = bytes[HEADER_BYTES..].split_at(segments);
        let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| bytes[at + byte]));
        let granule = (u64::from(word(10)) << 32 | u64::from(word(6))).cast_signed();
        Self {
            offset_bytes,
            flags: bytes[5],
            granule,
            serial: word(14),
            sequence: word(18),
            lacing: lacing.to_vec(),
            body: body.to_vec(),
            whole,
        }
    }
}

/// What comes next in the file.
#[derive(Debug)]
pub enum PageEvent {
    /// A page with a valid checksum, or the truncated last one.
    Page(Page),
    /// A page with a wrong checksum was skipped.
    Damaged,
    /// Bytes that are not a page; at most a buffer of them at once.
    Junk {
        /// Offset of the first one.
        offset_bytes: u64,
    },
    /// The end of the file.
    End,
}

/// Reads consecutive pages.
pub struct Pages {
    source: Source,
    buffer: Vec<u8>,
    /// Offset of the next page in `buffer`.
    start: usize,
    /// Offset of `buffer[0]`, in bytes from the start of the file.
    buffer_offset_bytes: u64,
    at_end: bool,
    wasted_bytes: usize,
    cut_short: bool,
}

impl Pages {
    /// Starts at `offset_bytes`.
    pub fn new(mut source: Source, offset_bytes: u64) -> io::Result<Self> {
        source.seek(SeekFrom::Start(offset_bytes))?;
        Ok(Self {
            source,
            buffer: Vec::with_capacity(BUFFER_BYTES),
            start: 0,
            buffer_offset_bytes: offset_bytes,
            at_end: false,
            wasted_bytes: 0,
            cut_short: false,
        })
    }

    /// Offset of the next page or junk.
    pub fn offset_bytes(&self) -> u64 {
        self.buffer_offset_bytes + self.start as u64
    }

    /// Whether the file ends within a page.
    pub fn is_cut_short(&self) -> bool {
        self.cut_short
    }

    /// The next page, or what is in its place. Reads at most one buffer.
    pub fn next(&mut self) -> io::Result<PageEvent> {
        self.fill()?;
        let rest = &self.buffer[self.start..];
        if rest.is_empty() {
            return Ok(PageEvent::End);
        }
        let offset_bytes = self.offset_bytes();
        if !could_be_page(rest) {
            self.start += junk_bytes(rest);
            return Ok(PageEvent::Junk { offset_bytes });
        }
        let Some(claimed_bytes) = claimed_bytes(rest) else {
            // The file ends within the header.
            self.start = self.buffer.len();
            self.cut_short = true;
            return Ok(PageEvent::End);
        };
        if claimed_bytes > rest.len() {
            let header_bytes = HEADER_BYTES + usize::from(rest[26]);
            // A later complete page shows that the length was damaged.
            if let Some(at) = find_valid_page(&rest[CAPTURE.len()..]) {
                self.start += CAPTURE.len() + at;
                return Ok(PageEvent::Damaged);
            }
            let page = (header_bytes <= rest.len()).then(|| Page::parse(rest, offset_bytes, false));
            self.start = self.buffer.len();
            self.cut_short = true;
            return Ok(page.map_or(PageEvent::End, PageEvent::Page));
        }
        if is_valid(&rest[..claimed_bytes]) {
            let page = Page::parse(&rest[..claimed_bytes], offset_bytes, true);
            self.start += claimed_bytes;
            self.wasted_bytes = self
                .wasted_bytes
                .saturating_sub(claimed_bytes * WASTED_PER_BYTE);
            return Ok(PageEvent::Page(page));
        }
        self.wasted_bytes += claimed_bytes;
        // If a page follows, the length was right and the content is damaged.
        let following = &rest[claimed_bytes..];
        self.start += if following.starts_with(CAPTURE)
            || following.is_empty()
            || self.wasted_bytes > WASTED_MAX_BYTES
        {
            claimed_bytes
        } else {
            CAPTURE.len()
        };
        Ok(PageEvent::Damaged)
    }

    /// Ensures that the largest page is in the buffer, if the file is long enough.
    fn fill(&mut self) -> io::Result<()> {
        if self.at_end || self.buffer.len() - self.start > PAGE_MAX_BYTES + CAPTURE.len() {
            return Ok(());
        }
        self.buffer.drain(..self.start);
        self.buffer_offset_bytes += self.start as u64;
        self.start = 0;
        let filled = self.buffer.len();
        let wanted = (BUFFER_BYTES - filled) as u64;
        let read = (&mut self.source)
            .take(wanted)
            .read_to_end(&mut self.buffer)?;
        self.at_end = (read as u64) < wanted;
        Ok(())
    }
}

/// Whether a page may begin here, as far as the rest of the file shows.
fn could_be_page(rest: &[u8]) -> bool {
    let seen = rest.len().min(CAPTURE.len());
    rest[..seen] == CAPTURE[..seen] && rest.get(4).is_none_or(|version| *version == 0)
}

/// Length of the page that begins here, `None` if its header is truncated.
fn claimed_bytes(rest: &[u8]) -> Option<usize> {
    let segments = usize::from(*rest.get(26)?);
    let lacing = rest.get(HEADER_BYTES..HEADER_BYTES + segments);
    let body: usize = match lacing {
        Some(lacing) => lacing.iter().map(|length| usize::from(*length)).sum(),
        None => return Some(HEADER_BYTES + segments),
    };
    Some(HEADER_BYTES + segments + body)
}

/// Distance to the next position where a page may begin.
fn junk_bytes(rest: &[u8]) -> usize {
    (1..rest.len())
        .find(|at| rest[*at] == CAPTURE[0] && could_be_page(&rest[*at..]))
        .unwrap_or(rest.len())
}

/// Offset of the first complete and valid page in `bytes`.
fn find_valid_page(bytes: &[u8]) -> Option<usize> {
    let mut wasted_bytes = 0;
    let mut at = 0;
    while at < bytes.len() && wasted_bytes < WASTED_MAX_BYTES {
        let rest = &bytes[at..];
        if could_be_page(rest)
            && let Some(claimed) = claimed_bytes(rest)
            && claimed <= rest.len()
        {
            if is_valid(&rest[..claimed]) {
                return Some(at);
            }
            wasted_bytes += claimed;
        }
        at += junk_bytes(rest);
    }
    None
}

fn is_valid(page: &[u8]) -> bool {
    let claimed = [22, 23, 24, 25].map(|at| page[at]);
    let head = crc::update(0, &page[..22]);
    let crc = crc::update(crc::update(head, &[0; 4]), &page[26..]);
    crc == u32::from_le_bytes(claimed)
}
