//! Movie fragments: samples of a period, stored before their data (ISO/IEC
//! 14496-12, 8.8).

use std::collections::VecDeque;

use super::boxes::{Fields, child, children};
use super::piece::Piece;
use super::run::{Defaults, Run, entry_bytes, read_run, sample};

/// A larger `moof` is refused: it would describe hours.
pub const MOOF_MAX_BYTES: u64 = 16 * 1024 * 1024;

/// The samples of one track in the fragments of a file.
#[derive(Debug)]
pub struct Fragments {
    track: u32,
    defaults: Defaults,
    runs: VecDeque<Run>,
    position: usize,
    /// Decoding time of the next sample if its fragment has no `tfdt`.
    time: i64,
    /// Offset that makes the first fragment begin at time 0, see
    /// [`Fragments::read`].
    shift: Option<i64>,
}

impl Fragments {
    /// The fragments of this track.
    pub fn new(track: u32, defaults: Defaults) -> Self {
        Self {
            track,
            defaults,
            runs: VecDeque::new(),
            position: 0,
            time: 0,
            shift: None,
        }
    }

    /// Appends the fragments to samples that end at `time`, in the track's units.
    pub fn continue_from(&mut self, time: i64) {
        self.time = time;
        self.shift = Some(0);
    }

    /// Whether all samples that were read have been returned.
    pub fn is_drained(&self) -> bool {
        self.runs.is_empty()
    }

    /// Reads the content of a `moof` box at offset `start`. `timescales` are the
    /// units per second of the tracks by their ids.
    ///
    /// A part of a broadcast has times from the broadcast's start and sequence
    /// numbers above 1: it begins at time 0 here.
    pub fn read(&mut self, content: &[u8], start: u64, timescales: &[(u32, u32)]) {
        if self.shift.is_none() {
            self.shift = Some(self.shift_of(content, timescales));
        }
        // Relative to the end of the previous track fragment's data (8.8.7).
        let mut data_end = start;
        for (index, (_, fragment)) in children(content)
            .filter(|(kind, _)| kind == b"traf")
            .enumerate()
        {
            let Some(header) = child(fragment, *b"tfhd").and_then(TrackHeader::read) else {
                continue;
            };
            let base = match header.base {
                Some(base) => base,
                None if header.base_is_moof || index == 0 => start,
                None => data_end,
            };
            data_end = self.read_track(fragment, &header, base);
        }
    }

    /// Reads a track fragment. Returns the end of its data.
    fn read_track(&mut self, fragment: &[u8], header: &TrackHeader, base: u64) -> u64 {
        let is_ours = header.track == self.track;
        let defaults = header.defaults(self.defaults);
        if is_ours && let Some(time) = decode_time(fragment) {
            let time = i64::try_from(time)
                .unwrap_or(i64::MAX)
                .saturating_sub(self.shift.unwrap_or(0));
            // Times do not go back within a track: a restarted recorder continues
            // where it was.
            self.time = self.time.max(time);
        }
        let mut offset_bytes = base;
        for (_, content) in children(fragment).filter(|(kind, _)| kind == b"trun") {
            let Some(run) = read_run(content, defaults, base, offset_bytes, self.time) else {
                continue;
            };
            let (end, time) = run.end();
            offset_bytes = end;
            if is_ours {
                self.time = time;
                self.runs.push_back(run);
            }
        }
        offset_bytes
    }

    fn shift_of(&self, content: &[u8], timescales: &[(u32, u32)]) -> i64 {
        let sequence = child(content, *b"mfhd").and_then(|content| {
            let mut fields = Fields::new(content);
            fields.version_and_flags()?;
            fields.u32()
        });
        if sequence.unwrap_or(0) <= 1 {
            return 0;
        }
        let timescale = |track| {
            let found = timescales.iter().find(|(id, _)| *id == track);
            f64::from(found.map_or(0, |(_, timescale)| *timescale).max(1))
        };
        let begin_s = children(content)
            .filter(|(kind, _)| kind == b"traf")
            .filter_map(|(_, fragment)| {
                let header = TrackHeader::read(child(fragment, *b"tfhd")?)?;
                Some(decode_time(fragment)? as f64 / timescale(header.track))
            })
            .fold(f64::INFINITY, f64::min);
        if begin_s.is_finite() {
            (begin_s * timescale(self.track)).round() as i64
        } else {
            0
        }
    }

    /// The next sample. If `bulk_bytes` is given, consecutive samples of that
    /// size are returned as one piece.
    pub fn next(&mut self, bulk_bytes: impl Fn(u32) -> Option<u32>) -> Option<Piece> {
        loop {
            let run = self.runs.front_mut()?;
            let entry = run.defaults.description.saturating_sub(1);
            let mut fields = Fields::new(run.entries.get(self.position..).unwrap_or_default());
            let next = (run.left > 0)
                .then(|| sample(&mut fields, run.flags, run.defaults))
                .flatten();
            let Some(sample) = next else {
                self.runs.pop_front();
                self.position = 0;
                continue;
            };
            self.position += entry_bytes(run.flags);
            let is_bulk =
                entry_bytes(run.flags) == 0 && bulk_bytes(entry) == Some(run.defaults.size);
            let count = if is_bulk { run.left } else { 1 };
            let piece = Piece {
                offset_bytes: run.offset_bytes,
                size_bytes: u64::from(sample.size).saturating_mul(count),
                time: run.time.saturating_add(sample.composition.into()),
                duration: u64::from(sample.duration).saturating_mul(count),
                entry,
            };
            run.left -= count;
            run.offset_bytes = run.offset_bytes.saturating_add(piece.size_bytes);
            run.time = run
                .time
                .saturating_add(i64::try_from(piece.duration).unwrap_or(i64::MAX));
            return Some(piece);
        }
    }

    /// Skips the rest of the current run, which the file does not contain.
    pub fn skip_run(&mut self) {
        self.runs.pop_front();
        self.position = 0;
    }
}

/// `tfdt`, 8.8.12.
fn decode_time(fragment: &[u8]) -> Option<u64> {
    let mut fields = Fields::new(child(fragment, *b"tfdt")?);
    let (version, _) = fields.version_and_flags()?;
    fields.by_version(version)
}

/// `tfhd`, 8.8.7.
struct TrackHeader {
    track: u32,
    base: Option<u64>,
    base_is_moof: bool,
    description: Option<u32>,
    duration: Option<u32>,
    size: Option<u32>,
}

impl TrackHeader {
    fn read(content: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(content);
        let (_, flags) = fields.version_and_flags()?;
        let track = fields.u32()?;
        let base = match flags & 1 {
            0 => None,
            _ => Some(fields.u64()?),
        };
        let mut word = |flag| match flags & flag {
            0 => Some(None),
            _ => fields.u32().map(Some),
        };
        Some(Self {
            track,
            base,
            base_is_moof: flags & 0x02_0000 != 0,
            description: word(2)?,
            duration: word(8)?,
            size: word(0x10)?,
        })
    }

    fn defaults(&self, defaults: Defaults) -> Defaults {
        Defaults {
            description: self.description.unwrap_or(defaults.description),
            duration: self.duration.unwrap_or(defaults.duration),
            size: self.size.unwrap_or(defaults.size),
        }
    }
}

#[cfg(test)]
mod tests;
