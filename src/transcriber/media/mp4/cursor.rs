//! Reads the samples of sample tables one after the other.

use super::coding::Layout;
use super::piece::Piece;
use super::tables::Tables;
use crate::media::MediaError;

/// A position in the tables.
#[derive(Debug, Clone, Default)]
struct Position {
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
    at: Position,
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
            at: Position::default(),
            default_delta,
            steps: 0,
        };
        cursor.rewind();
        cursor
    }

    fn rewind(&mut self) {
        self.at = Position::default();
        self.enter_chunk();
        // Skips empty runs.
        self.advance(0, 0);
    }

    /// Whether the tables have no samples.
    pub fn is_empty(&self) -> bool {
        self.tables.sizes.count() == 0 || self.tables.chunk_offsets.len == 0
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
        at.offset_bytes = self.tables.chunk_offset(at.chunk);
    }

    /// The next samples; `None` at the end of the tables. `layout` returns that
    /// of a sample entry, `None` if it is unknown.
    pub fn next(&mut self, layout: impl Fn(u32) -> Option<Layout>) -> Option<Piece> {
        while self.at.left == 0 {
            if self.at.chunk >= self.tables.chunk_offsets.len {
                return None;
            }
            self.at.chunk += 1;
            self.enter_chunk();
        }
        let samples_left = self.tables.sizes.count().checked_sub(self.at.sample)?;
        if samples_left == 0 || self.at.chunk >= self.tables.chunk_offsets.len {
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
        let (times, offsets) = (&self.tables.times, &self.tables.composition_offsets);
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
        i64::from(self.tables.composition_offsets.u32(self.at.offset_run, 1) as i32)
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
                && self.tables.composition_offsets.len == 0
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
mod tests;
