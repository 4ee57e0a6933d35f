//! Sample tables: offsets, sizes and times of the samples of a track (ISO/IEC
//! 14496-12, 8.6.1, 8.7). They are kept as stored in the file and read entry by
//! entry.

use std::ops::Range;

use super::coding::Layout;
use super::input::Input;
use crate::media::MediaError;
use crate::media::limits::TABLES_MAX_BYTES;

/// Byte ranges of the contents of a track's table boxes.
#[derive(Debug, Clone, Default)]
pub struct TableRanges {
    /// Decoding time to sample, `stts`.
    pub times: Option<Range<u64>>,
    /// Composition offset, `ctts`.
    pub composition_offsets: Option<Range<u64>>,
    /// Sample to chunk, `stsc`.
    pub chunks: Option<Range<u64>>,
    /// Sample sizes, `stsz` (true) or `stz2`.
    pub sizes: Option<(Range<u64>, bool)>,
    /// Chunk offsets, `co64` (true) or `stco`.
    pub chunk_offsets: Option<(Range<u64>, bool)>,
}

/// A table of entries of one size.
#[derive(Debug, Default)]
pub struct Table {
    /// The content of the box.
    pub bytes: Vec<u8>,
    /// Length of the header before the entries.
    pub header_bytes: usize,
    /// Length of an entry.
    pub entry_bytes: usize,
    /// Number of entries.
    pub len: usize,
}

impl Table {
    /// Loads a full box with a header of `header_bytes`, whose last four bytes are
    /// the entry count, and entries of `entry_bytes`.
    fn load(
        input: &mut Input,
        range: Option<&Range<u64>>,
        header_bytes: usize,
        entry_bytes: usize,
    ) -> Result<Self, MediaError> {
        let Some(range) = range else {
            return Ok(Self::default());
        };
        let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let bytes = input.bytes(range.start, length)?;
        let Some(mut count) = header_bytes
            .checked_sub(4)
            .and_then(|at| be_u32(&bytes, at))
        else {
            return Ok(Self::default());
        };
        let there = (bytes.len() - header_bytes) / entry_bytes;
        count = count.min(u32::try_from(there).unwrap_or(u32::MAX));
        Ok(Self {
            bytes,
            header_bytes,
            entry_bytes,
            len: count as usize,
        })
    }

    /// The `word`th 32-bit word of an entry; 0 if it does not exist.
    pub fn u32(&self, entry: usize, word: usize) -> u32 {
        if entry >= self.len {
            return 0;
        }
        let at = self.header_bytes + entry * self.entry_bytes + word * 4;
        be_u32(&self.bytes, at).unwrap_or(0)
    }
}

fn be_u32(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// Sample sizes.
#[derive(Debug)]
pub enum Sizes {
    /// A common size and a count.
    Constant { bytes: u32, count: u64 },
    /// `stsz`
    Words(Table),
    /// `stz2` with this many bits per entry.
    Fields(Table, u8),
}

impl Sizes {
    /// Number of samples.
    pub fn count(&self) -> u64 {
        match self {
            Self::Constant { count, .. } => *count,
            Self::Words(table) => table.len as u64,
            Self::Fields(table, bits) => {
                let count = be_u32(&table.bytes, 8).unwrap_or(0);
                let there = (table.bytes.len() - table.header_bytes) * 8 / usize::from(*bits);
                u64::from(count).min(there as u64)
            }
        }
    }

    /// Size of a sample in bytes.
    pub fn bytes(&self, sample: u64) -> u32 {
        let Ok(index) = usize::try_from(sample) else {
            return 0;
        };
        match self {
            Self::Constant { bytes, .. } => *bytes,
            Self::Words(table) => table.u32(index, 0),
            Self::Fields(table, bits) => {
                let at = table.header_bytes + index * usize::from(*bits) / 8;
                let byte = u32::from(table.bytes.get(at).copied().unwrap_or(0));
                match bits {
                    4 if index.is_multiple_of(2) => byte >> 4,
                    4 => byte & 15,
                    8 => byte,
                    _ => byte << 8 | u32::from(table.bytes.get(at + 1).copied().unwrap_or(0)),
                }
            }
        }
    }
}

/// The tables of a track.
#[derive(Debug)]
pub struct Tables {
    /// `stts`.
    pub times: Table,
    /// `ctts`.
    pub composition_offsets: Table,
    /// `stsc`.
    pub chunks: Table,
    /// `stsz` or `stz2`.
    pub sizes: Sizes,
    /// `stco` or `co64`.
    pub chunk_offsets: Table,
}

impl Tables {
    /// Loads the tables.
    pub fn load(input: &mut Input, ranges: &TableRanges) -> Result<Self, MediaError> {
        let lengths = [
            ranges.times.as_ref(),
            ranges.composition_offsets.as_ref(),
            ranges.chunks.as_ref(),
            ranges.sizes.as_ref().map(|(range, _)| range),
            ranges.chunk_offsets.as_ref().map(|(range, _)| range),
        ]
        .into_iter()
        .flatten()
        .fold(0_u64, |sum, range| {
            sum.saturating_add(range.end - range.start)
        });
        if lengths > TABLES_MAX_BYTES {
            return Err(MediaError::Excessive(format!(
                "the table of contents of its audio track takes {} MiB; {} MiB are the limit",
                lengths >> 20,
                TABLES_MAX_BYTES >> 20
            )));
        }
        let sizes = match &ranges.sizes {
            None => Sizes::Constant { bytes: 0, count: 0 },
            Some((range, true)) => {
                let header = input.bytes(range.start, 12)?;
                match (be_u32(&header, 4), be_u32(&header, 8)) {
                    (Some(0), _) => Sizes::Words(Table::load(input, Some(range), 12, 4)?),
                    (Some(bytes), Some(count)) => Sizes::Constant {
                        bytes,
                        count: count.into(),
                    },
                    _ => Sizes::Constant { bytes: 0, count: 0 },
                }
            }
            Some((range, false)) => {
                // Entries may be smaller than a byte: the count is read
                // separately.
                let table = Table::load(input, Some(range), 12, 1)?;
                match table.bytes.get(7) {
                    Some(bits @ (4 | 8 | 16)) => {
                        let bits = *bits;
                        Sizes::Fields(table, bits)
                    }
                    _ => Sizes::Constant { bytes: 0, count: 0 },
                }
            }
        };
        Ok(Self {
            times: Table::load(input, ranges.times.as_ref(), 8, 8)?,
            composition_offsets: Table::load(input, ranges.composition_offsets.as_ref(), 8, 8)?,
            chunks: Table::load(input, ranges.chunks.as_ref(), 8, 12)?,
            sizes,
            chunk_offsets: match &ranges.chunk_offsets {
                Some((range, true)) => Table::load(input, Some(range), 8, 8)?,
                Some((range, false)) => Table::load(input, Some(range), 8, 4)?,
                None => Table::default(),
            },
        })
    }

    /// Offset of a chunk in the file.
    pub fn chunk_offset(&self, chunk: usize) -> u64 {
        let high = u64::from(self.chunk_offsets.u32(chunk, 0));
        match self.chunk_offsets.entry_bytes {
            8 => high << 32 | u64::from(self.chunk_offsets.u32(chunk, 1)),
            _ => high,
        }
    }

    /// Whether samples are single frames whose size `Layout::Blocks` gives, not
    /// the table, which often states 1 for all sizes (QuickTime File Format,
    /// "Sample Size Atoms").
    pub fn samples_are_frames(&self, layout: Layout) -> bool {
        let (Layout::Blocks { bytes, frames }, Sizes::Constant { bytes: size, .. }) =
            (layout, &self.sizes)
        else {
            return false;
        };
        if frames > 1 {
            return *size < bytes;
        }
        // Some writers use samples of many PCM frames.
        let many = *size / bytes.max(1);
        !(many > 1 && size.is_multiple_of(bytes) && self.times.u32(0, 1) == many)
    }
}
