//! Pages of an Ogg file (RFC 3533, section 6), found again behind damage.

use std::io::{self, Read, Seek, SeekFrom};

use super::crc;
use crate::media::Source;

/// The bytes that every page begins with.
pub const CAPTURE: &[u8; 4] = b"OggS";

/// A page header before its lacing values.
const HEADER_BYTES: usize = 27;

/// The largest page: 255 lacing values of 255.
pub const PAGE_MAX_BYTES: usize = HEADER_BYTES + 255 + 255 * 255;

/// No recording lasts longer (3,000 years); granule positions beyond are damaged.
pub const POSITION_MAX_S: i64 = 100_000_000_000;

/// Room for two pages, so that the one behind a damaged one can be seen.
const BUFFER_BYTES: usize = 2 * PAGE_MAX_BYTES;

/// After so many bytes were checksummed in vain, false pages are stepped over as
/// a whole: data made of them would otherwise cost a checksum of 64 KiB every few
/// bytes.
const WASTED_MAX_BYTES: usize = 4 * 1024 * 1024;

/// So many bytes may be wasted for each byte of a page that is right.
const WASTED_PER_BYTE: usize = 4;

const CONTINUED: u8 = 1;
const FIRST: u8 = 2;
const LAST: u8 = 4;

/// One page.
#[derive(Debug, Clone)]
pub struct Page {
    /// Where it begins, in bytes from the start of the file.
    pub offset_bytes: u64,
    flags: u8,
    granule: i64,
    /// Names the logical stream that it belongs to.
    pub serial: u32,
    /// Counts the pages of that stream.
    pub sequence: u32,
    /// Lengths of the pieces in `body`; a packet ends with the first below 255.
    pub lacing: Vec<u8>,
    /// The pieces.
    pub body: Vec<u8>,
    /// False: the file ends within this page and `body` is what there is of it.
    pub whole: bool,
}

impl Page {
    /// Its first piece continues the last packet of the page before.
    pub fn is_continued(&self) -> bool {
        self.flags & CONTINUED != 0
    }

    /// It begins a logical stream.
    pub fn is_first(&self) -> bool {
        self.flags & FIRST != 0
    }

    /// It ends its logical stream.
    pub fn is_last(&self) -> bool {
        self.flags & LAST != 0 && self.whole
    }

    /// The granule position at the end of the last packet that ends on this
    /// page; `None` where the page has none or the file ends within it.
    pub fn granule(&self) -> Option<i64> {
        (self.granule >= 0 && self.whole && self.packets() > 0).then_some(self.granule)
    }

    /// How many packets end on it.
    pub fn packets(&self) -> usize {
        self.lacing.iter().filter(|length| **length < 255).count()
    }

    /// The piece of its first packet.
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
pub enum Found {
    /// A page whose checksum is right, or the beginning of the last one.
    Page(Page),
    /// A page with a wrong checksum was stepped over.
    Damaged,
    /// Bytes that are no page; at most a buffer of them at once.
    Junk {
        /// Where they begin.
        offset_bytes: u64,
    },
    /// The end of the file.
    End,
}

/// Reads pages one after the other.
pub struct Pages {
    source: Source,
    buffer: Vec<u8>,
    /// Where in `buffer` the next page begins.
    start: usize,
    /// Of `buffer[0]`, in bytes from the start of the file.
    buffer_offset_bytes: u64,
    at_end: bool,
    wasted_bytes: usize,
    cut_short: bool,
}

impl Pages {
    /// From `offset_bytes` on.
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

    /// Where the next page or junk begins.
    pub fn offset_bytes(&self) -> u64 {
        self.buffer_offset_bytes + self.start as u64
    }

    /// The file ends within a page.
    pub fn is_cut_short(&self) -> bool {
        self.cut_short
    }

    /// The next page, or what is there in its place. Bounded work: it reads at
    /// most one buffer.
    pub fn next(&mut self) -> io::Result<Found> {
        self.fill()?;
        let rest = &self.buffer[self.start..];
        if rest.is_empty() {
            return Ok(Found::End);
        }
        let offset_bytes = self.offset_bytes();
        if !could_be_page(rest) {
            self.start += junk_bytes(rest);
            return Ok(Found::Junk { offset_bytes });
        }
        let Some(claimed_bytes) = claimed_bytes(rest) else {
            // The file ends within the header.
            self.start = self.buffer.len();
            self.cut_short = true;
            return Ok(Found::End);
        };
        if claimed_bytes > rest.len() {
            let header_bytes = HEADER_BYTES + usize::from(rest[26]);
            // A later page that is whole shows that the length is the damage.
            if let Some(at) = whole_page(&rest[CAPTURE.len()..]) {
                self.start += CAPTURE.len() + at;
                return Ok(Found::Damaged);
            }
            let page = (header_bytes <= rest.len()).then(|| Page::parse(rest, offset_bytes, false));
            self.start = self.buffer.len();
            self.cut_short = true;
            return Ok(page.map_or(Found::End, Found::Page));
        }
        if is_right(&rest[..claimed_bytes]) {
            let page = Page::parse(&rest[..claimed_bytes], offset_bytes, true);
            self.start += claimed_bytes;
            self.wasted_bytes = self
                .wasted_bytes
                .saturating_sub(claimed_bytes * WASTED_PER_BYTE);
            return Ok(Found::Page(page));
        }
        self.wasted_bytes += claimed_bytes;
        // Where a page follows, the length was right and the content is damaged.
        let behind = &rest[claimed_bytes..];
        self.start += if behind.starts_with(CAPTURE)
            || behind.is_empty()
            || self.wasted_bytes > WASTED_MAX_BYTES
        {
            claimed_bytes
        } else {
            CAPTURE.len()
        };
        Ok(Found::Damaged)
    }

    /// Makes sure that the largest page is in the buffer, if the file has so much.
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

/// Whether a page may begin here, as far as can be seen at the end of the file.
fn could_be_page(rest: &[u8]) -> bool {
    let seen = rest.len().min(CAPTURE.len());
    rest[..seen] == CAPTURE[..seen] && rest.get(4).is_none_or(|version| *version == 0)
}

/// Length of the page that begins here, `None` if its header is not all there.
fn claimed_bytes(rest: &[u8]) -> Option<usize> {
    let segments = usize::from(*rest.get(26)?);
    let lacing = rest.get(HEADER_BYTES..HEADER_BYTES + segments);
    let body: usize = match lacing {
        Some(lacing) => lacing.iter().map(|length| usize::from(*length)).sum(),
        None => return Some(HEADER_BYTES + segments),
    };
    Some(HEADER_BYTES + segments + body)
}

/// How far it is to the next place where a page may begin.
fn junk_bytes(rest: &[u8]) -> usize {
    (1..rest.len())
        .find(|at| rest[*at] == CAPTURE[0] && could_be_page(&rest[*at..]))
        .unwrap_or(rest.len())
}

/// Where in `bytes` the first page begins that is whole and right.
fn whole_page(bytes: &[u8]) -> Option<usize> {
    let mut wasted_bytes = 0;
    let mut at = 0;
    while at < bytes.len() && wasted_bytes < WASTED_MAX_BYTES {
        let rest = &bytes[at..];
        if could_be_page(rest)
            && let Some(claimed) = claimed_bytes(rest)
            && claimed <= rest.len()
        {
            if is_right(&rest[..claimed]) {
                return Some(at);
            }
            wasted_bytes += claimed;
        }
        at += junk_bytes(rest);
    }
    None
}

fn is_right(page: &[u8]) -> bool {
    let claimed = [22, 23, 24, 25].map(|at| page[at]);
    let head = crc::update(0, &page[..22]);
    let crc = crc::update(crc::update(head, &[0; 4]), &page[26..]);
    crc == u32::from_le_bytes(claimed)
}
