//! Sample tables: offsets, sizes and times of the samples of a track (ISO/IEC
//! 14496-12, 8.6.1, 8.7). They are kept as stored in the file and read entry by
//! entry.

use std::ops::Range;

use super::coding::Layout;
use super::input::Input;
use crate::media::MediaError;

/// Limit of all tables of the selected track: a day of audio needs about half of
/// it.
const TABLES_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Byte ranges of the contents of a track's table boxes.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// Decoding time to sample, `stts`.
    pub times: Option<Range<u64>>,
    /// Composition offset, `ctts`.
    pub offsets: Option<Range<u64>>,
    /// Sample to chunk, `stsc`.
    pub chunks: Option<Range<u64>>,
    /// Sample sizes, `stsz` (true) or `stz2`.
    pub sizes: Option<(Range<u64>, bool)>,
    /// Chunk offsets, `co64` (true) or `stco`.
    pub places: Option<(Range<u64>, bool)>,
}

/// A table of entries of one size.
#[derive(Debug, Default)]
struct Table {
    bytes: Vec<u8>,
    head_bytes: usize,
    entry_bytes: usize,
    len: usize,
}

impl Table {
    /// Loads a full box with a header of `head_bytes`, whose last four bytes are
    /// the entry count, and entries of `entry_bytes`.
    fn load(
        input: &mut Input,
        place: Option<&Range<u64>>,
        head_bytes: usize,
        entry_bytes: usize,
    ) -> Result<Self, MediaError> {
        let Some(place) = place else {
            return Ok(Self::default());
        };
        let length = usize::try_from(place.end - place.start).unwrap_or(usize::MAX);
        let bytes = input.bytes(place.start, length)?;
        let Some(mut count) = head_bytes.checked_sub(4).and_then(|at| be_u32(&bytes, at)) else {
            return Ok(Self::default());
        };
        let there = (bytes.len() - head_bytes) / entry_bytes;
        count = count.min(u32::try_from(there).unwrap_or(u32::MAX));
        Ok(Self {
            bytes,
            head_bytes,
            entry_bytes,
            len: count as usize,
        })
    }

    /// The `word`th 32-bit word of an entry; 0 if it does not exist.
    fn u32(&self, entry: usize, word: usize) -> u32 {
        if entry >= self.len {
            return 0;
        }
        let at = self.head_bytes + entry * self.entry_bytes + word * 4;
        be_u32(&self.bytes, at).unwrap_or(0)
    }
}

fn be_u32(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// Sample sizes.
#[derive(Debug)]
enum Sizes {
    /// A common size and a count.
    Constant { bytes: u32, count: u64 },
    /// `stsz`
    Words(Table),
    /// `stz2` with this many bits per entry.
    Fields(Table, u8),
}

impl Sizes {
    fn count(&self) -> u64 {
        match self {
            Self::Constant { count, .. } => *count,
            Self::Words(table) => table.len as u64,
            Self::Fields(table, bits) => {
                let count = be_u32(&table.bytes, 8).unwrap_or(0);
                let there = (table.bytes.len() - table.head_bytes) * 8 / usize::from(*bits);
                u64::from(count).min(there as u64)
            }
        }
    }

    fn bytes(&self, sample: u64) -> u32 {
        let Ok(index) = usize::try_from(sample) else {
            return 0;
        };
        match self {
            Self::Constant { bytes, .. } => *bytes,
            Self::Words(table) => table.u32(index, 0),
            Self::Fields(table, bits) => {
                let at = table.head_bytes + index * usize::from(*bits) / 8;
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
    times: Table,
    offsets: Table,
    chunks: Table,
    sizes: Sizes,
    places: Table,
}

impl Tables {
    /// Loads the tables.
    pub fn load(input: &mut Input, places: &Places) -> Result<Self, MediaError> {
        let lengths = [
            places.times.as_ref(),
            places.offsets.as_ref(),
            places.chunks.as_ref(),
            places.sizes.as_ref().map(|(place, _)| place),
            places.places.as_ref().map(|(place, _)| place),
        ]
        .into_iter()
        .flatten()
        .fold(0_u64, |sum, place| {
            sum.saturating_add(place.end - place.start)
        });
        if lengths > TABLES_MAX_BYTES {
            return Err(MediaError::Damaged(format!(
                "the table of contents of its audio track takes {} MiB; {} MiB are the limit",
                lengths >> 20,
                TABLES_MAX_BYTES >> 20
            )));
        }
        let sizes = match &places.sizes {
            None => Sizes::Constant { bytes: 0, count: 0 },
            Some((place, true)) => {
                let head = input.bytes(place.start, 12)?;
                match (be_u32(&head, 4), be_u32(&head, 8)) {
                    (Some(0), _) => Sizes::Words(Table::load(input, Some(place), 12, 4)?),
                    (Some(bytes), Some(count)) => Sizes::Constant {
                        bytes,
                        count: count.into(),
                    },
                    _ => Sizes::Constant { bytes: 0, count: 0 },
                }
            }
            Some((place, false)) => {
                // Entries may be smaller than a byte: the count is read
                // separately.
                let table = Table::load(input, Some(place), 12, 1)?;
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
            times: Table::load(input, places.times.as_ref(), 8, 8)?,
            offsets: Table::load(input, places.offsets.as_ref(), 8, 8)?,
            chunks: Table::load(input, places.chunks.as_ref(), 8, 12)?,
            sizes,
            places: match &places.places {
                Some((place, true)) => Table::load(input, Some(place), 8, 8)?,
                Some((place, false)) => Table::load(input, Some(place), 8, 4)?,
                None => Table::default(),
            },
        })
    }

    fn place(&self, chunk: usize) -> u64 {
        let high = u64::from(self.places.u32(chunk, 0));
        match self.places.entry_bytes {
            8 => high << 32 | u64::from(self.places.u32(chunk, 1)),
            _ => high,
        }
    }

    /// Whether samples are single frames whose size `Layout::Blocks` gives, not
    /// the table, which often states 1 for all sizes (QuickTime File Format,
    /// "Sample Size Atoms").
    fn samples_are_frames(&self, layout: Layout) -> bool {
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

/// One or more samples that are contiguous in time and in the file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Piece {
    /// Offset of the first byte in the file.
    pub offset_bytes: u64,
    /// Total size.
    pub size_bytes: u64,
    /// Presentation time in units of the track's time scale.
    pub time: i64,
    /// Total duration in the same units.
    pub duration: u64,
    /// Index of the sample entry, from 0.
    pub entry: u32,
}

/// A position in the tables.
#[derive(Debug, Clone, Default)]
struct Place {
    sample: u64,
    chunk: usize,
    /// Samples left in this chunk.
    left: u64,
    offset_bytes: u64,
    chunk_run: usize,
    time_run: usize,
    time_used: u64,
    offset_run: usize,
    offset_used: u64,
    time: i64,
}

/// Reads consecutive samples.
#[derive(Debug)]
pub struct Cursor {
    tables: Tables,
    at: Place,
    default_delta: u32,
    /// Steps used for seeking, see [`Cursor::seek`].
    steps: u64,
}

/// Most table steps of all seeks together: a few seconds. No recording has
/// thousands of edits over tables with millions of entries.
const SEEK_STEPS_MAX: u64 = 1 << 28;

impl Cursor {
    /// A cursor at the first sample. `default_delta` is the sample duration if
    /// `stts` is missing.
    pub fn new(tables: Tables, default_delta: u32) -> Self {
        let mut cursor = Self {
            tables,
            at: Place::default(),
            default_delta,
            steps: 0,
        };
        cursor.rewind();
        cursor
    }

    fn rewind(&mut self) {
        self.at = Place::default();
        self.enter_chunk();
        // Skips empty runs.
        self.advance(0, 0);
    }

    /// Whether the tables have no samples.
    pub fn is_empty(&self) -> bool {
        self.tables.sizes.count() == 0 || self.tables.places.len == 0
    }

    /// Decoding time of the next sample; at the end, the end of the last one.
    pub fn time(&self) -> i64 {
        self.at.time
    }

    /// Index, from 0, of the sample entry of the next sample.
    fn entry(&self) -> u32 {
        self.tables
            .chunks
            .u32(self.at.chunk_run, 2)
            .saturating_sub(1)
    }

    /// Moves to the start of `self.at.chunk`.
    fn enter_chunk(&mut self) {
        let (at, chunks) = (&mut self.at, &self.tables.chunks);
        // Chunks are counted from 1 in the table.
        while at.chunk_run + 1 < chunks.len
            && chunks.u32(at.chunk_run + 1, 0) as usize <= at.chunk + 1
        {
            at.chunk_run += 1;
        }
        at.left = chunks.u32(at.chunk_run, 1).into();
        at.offset_bytes = self.tables.place(at.chunk);
    }

    /// The next samples; `None` at the end of the tables. `layout` returns that
    /// of a sample entry, `None` if it is unknown.
    pub fn next(&mut self, layout: impl Fn(u32) -> Option<Layout>) -> Option<Piece> {
        while self.at.left == 0 {
            if self.at.chunk >= self.tables.places.len {
                return None;
            }
            self.at.chunk += 1;
            self.enter_chunk();
        }
        let samples_left = self.tables.sizes.count().checked_sub(self.at.sample)?;
        if samples_left == 0 || self.at.chunk >= self.tables.places.len {
            return None;
        }
        let entry = self.entry();
        let frames_mode = layout(entry).filter(|layout| self.tables.samples_are_frames(*layout));
        let (count, size_bytes) = match frames_mode {
            Some(Layout::Blocks { bytes, frames }) => {
                let in_time_run = self.time_run_left();
                let mut count = self.at.left.min(samples_left).min(in_time_run);
                if count > u64::from(frames) {
                    count -= count % u64::from(frames);
                }
                let blocks = count / u64::from(frames);
                (count, blocks.saturating_mul(bytes.into()))
            }
            _ => (1, self.tables.sizes.bytes(self.at.sample).into()),
        };
        let piece = Piece {
            offset_bytes: self.at.offset_bytes,
            size_bytes,
            time: self.at.time.saturating_add(self.composition_offset()),
            duration: u64::from(self.delta()).saturating_mul(count),
            entry,
        };
        self.advance(count, size_bytes);
        Some(piece)
    }

    /// Skips the rest of the current chunk, which the file does not contain.
    pub fn skip_chunk(&mut self) {
        let left = self.at.left;
        let mut left = left.min(self.tables.sizes.count().saturating_sub(self.at.sample));
        while left > 0 {
            let count = left.min(self.time_run_left());
            self.advance(count, 0);
            left -= count;
        }
    }

    fn advance(&mut self, count: u64, size_bytes: u64) {
        let delta = self.delta();
        let at = &mut self.at;
        at.sample += count;
        at.left -= count;
        at.offset_bytes = at.offset_bytes.saturating_add(size_bytes);
        let duration = i64::try_from(u64::from(delta).saturating_mul(count)).unwrap_or(i64::MAX);
        at.time = at.time.saturating_add(duration);
        let (times, offsets) = (&self.tables.times, &self.tables.offsets);
        at.time_used += count;
        // A piece never extends beyond a run of equal durations.
        while at.time_run < times.len && at.time_used >= times.u32(at.time_run, 0).into() {
            at.time_run += 1;
            at.time_used = 0;
        }
        at.offset_used += count;
        while at.offset_run < offsets.len
            && let run = u64::from(offsets.u32(at.offset_run, 0))
            && at.offset_used >= run
        {
            at.offset_used -= run;
            at.offset_run += 1;
        }
    }

    /// Duration of the next sample.
    fn delta(&self) -> u32 {
        let times = &self.tables.times;
        if times.len == 0 {
            return self.default_delta;
        }
        // The last entry applies to samples that the table lacks.
        times.u32(self.at.time_run.min(times.len - 1), 1)
    }

    /// Consecutive samples of equal duration from the next one on: at least 1.
    fn time_run_left(&self) -> u64 {
        let (times, run) = (&self.tables.times, self.at.time_run);
        if run >= times.len {
            return u64::from(u32::MAX);
        }
        u64::from(times.u32(run, 0)).saturating_sub(self.at.time_used)
    }

    fn composition_offset(&self) -> i64 {
        // Signed in version 1, and used as such by writers of version 0.
        i64::from(self.tables.offsets.u32(self.at.offset_run, 1) as i32)
    }

    /// Seeks to the first sample that begins at or after `time`, or is presented
    /// at it. Fails if this takes more steps than any recording needs.
    pub fn seek(
        &mut self,
        time: i64,
        layout: impl Fn(u32) -> Option<Layout>,
    ) -> Result<(), MediaError> {
        self.rewind();
        let mut steps = 0_u64;
        loop {
            let before = self.at.clone();
            // Whole runs of equal duration within a chunk.
            let count = self.at.left.min(self.time_run_left());
            let run = i64::try_from(u64::from(self.delta()).saturating_mul(count));
            let end = run.ok().and_then(|run| self.at.time.checked_add(run));
            steps += 1;
            let is_skippable = count > 0
                && self.tables.offsets.len == 0
                && end.is_some_and(|end| end <= time)
                && self.tables.sizes.count() > self.at.sample + count;
            if is_skippable && count == self.at.left {
                // The size is irrelevant here.
                self.advance(count, 0);
                continue;
            }
            let Some(piece) = self.next(&layout) else {
                self.at = before;
                break;
            };
            let end = i64::try_from(piece.duration)
                .ok()
                .and_then(|duration| piece.time.checked_add(duration));
            if end.is_none_or(|end| end > time) {
                self.at = before;
                break;
            }
        }
        self.steps = self.steps.saturating_add(steps);
        if self.steps > SEEK_STEPS_MAX {
            return Err(MediaError::Damaged(
                "its edit list requires too much seeking in its sample tables".to_owned(),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Source;
    use crate::testing;

    fn input(content: &[u8]) -> Input {
        Input::new(Source::new(testing::file(content), content.len() as u64))
    }

    /// Appends the content of a table box to `content`; returns its range.
    fn table(content: &mut Vec<u8>, words: &[u32]) -> Range<u64> {
        let start = content.len() as u64;
        content.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        start..content.len() as u64
    }

    /// Three chunks of two, two and one samples; the fourth sample is longer.
    fn cursor() -> Cursor {
        let mut content = Vec::new();
        let places = Places {
            times: Some(table(&mut content, &[0, 3, 3, 10, 0, 77, 2, 50])),
            offsets: Some(table(&mut content, &[0, 2, 4, 0, 1, 5])),
            chunks: Some(table(&mut content, &[0, 2, 1, 2, 1, 3, 1, 2])),
            sizes: Some((table(&mut content, &[0, 0, 5, 1, 2, 3, 4, 5]), true)),
            places: Some((table(&mut content, &[0, 3, 100, 200, 300]), false)),
        };
        Cursor::new(Tables::load(&mut input(&content), &places).unwrap(), 0)
    }

    #[test]
    fn samples_are_found_through_all_tables() {
        let mut cursor = cursor();
        let found: Vec<_> = std::iter::from_fn(|| cursor.next(|_| None))
            .map(|piece| {
                let Piece {
                    offset_bytes,
                    size_bytes,
                    time,
                    duration,
                    entry,
                } = piece;
                (offset_bytes, size_bytes, time, duration, entry)
            })
            .collect();
        assert_eq!(
            found,
            [
                (100, 1, 0, 10, 0),
                (101, 2, 10, 10, 0),
                (200, 3, 20, 10, 0),
                (203, 4, 30, 50, 0),
                (300, 5, 85, 50, 1),
            ]
        );
        assert_eq!(cursor.time(), 130);
    }

    #[test]
    fn seeking_finds_the_sample_at_a_time() {
        let mut cursor = cursor();
        for (time, size_bytes) in [(0, 1), (9, 1), (10, 2), (79, 4), (80, 5), (-5, 1), (134, 5)] {
            cursor.seek(time, |_| None).unwrap();
            assert_eq!(
                cursor.next(|_| None).unwrap().size_bytes,
                size_bytes,
                "{time}"
            );
        }
        cursor.seek(1000, |_| None).unwrap();
        assert_eq!(cursor.next(|_| None), None);
    }

    #[test]
    fn compact_sizes_are_unpacked() {
        for (bits, data, expected) in [
            (4, [0x12, 0x34], [1, 2, 3]),
            (8, [7, 200], [7, 200, 0]),
            (16, [1, 2], [258, 0, 0]),
        ] {
            let mut content = Vec::new();
            table(&mut content, &[0, bits, 3]);
            content.extend_from_slice(&data);
            let places = Places {
                sizes: Some((0..content.len() as u64, false)),
                ..Places::default()
            };
            let tables = Tables::load(&mut input(&content), &places).unwrap();
            let count = (16 / u64::from(bits)).min(3);
            assert_eq!(tables.sizes.count(), count, "{bits}");
            for index in 0..count {
                assert_eq!(
                    tables.sizes.bytes(index),
                    expected[index as usize],
                    "{bits}"
                );
            }
        }
    }

    #[test]
    fn oversized_tables_are_refused() {
        let places = Places {
            sizes: Some((0..1 << 27, true)),
            ..Places::default()
        };
        let error = Tables::load(&mut input(&[]), &places).err().unwrap();
        assert!(error.to_string().contains("takes 128 MiB"), "{error}");
    }
}
