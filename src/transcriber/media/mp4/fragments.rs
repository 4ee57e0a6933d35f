//! Movie fragments: samples of a period, stored before their data (ISO/IEC
//! 14496-12, 8.8).

use std::collections::VecDeque;

use super::boxes::{Fields, child, children};
use super::tables::Piece;

/// A larger `moof` is refused: it would describe hours.
pub const MOOF_MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Defaults for samples without own values (`trex`, 8.8.3).
#[derive(Debug, Clone, Copy, Default)]
pub struct Defaults {
    /// Sample description index, from 1.
    pub description: u32,
    /// In units of the track's time scale.
    pub duration: u32,
    /// In bytes.
    pub size: u32,
}

impl Defaults {
    /// Track id and defaults from the content of a `trex` box.
    pub fn read(content: &[u8]) -> Option<(u32, Self)> {
        let mut fields = Fields::new(content);
        fields.version_and_flags()?;
        let track = fields.u32()?;
        let defaults = Self {
            description: fields.u32()?,
            duration: fields.u32()?,
            size: fields.u32()?,
        };
        Some((track, defaults))
    }
}

/// An unparsed run of samples (`trun`, 8.8.8).
#[derive(Debug)]
struct Run {
    entries: Vec<u8>,
    flags: u32,
    defaults: Defaults,
    left: u64,
    offset_bytes: u64,
    time: i64,
}

const RUN_HAS_OFFSET: u32 = 0x1;
const RUN_HAS_FIRST_FLAGS: u32 = 0x4;
const SAMPLE_HAS_DURATION: u32 = 0x100;
const SAMPLE_HAS_SIZE: u32 = 0x200;
const SAMPLE_HAS_FLAGS: u32 = 0x400;
const SAMPLE_HAS_COMPOSITION: u32 = 0x800;

/// A sample of a run.
struct Sample {
    duration: u32,
    size: u32,
    composition: i32,
}

fn sample(fields: &mut Fields<'_>, flags: u32, defaults: Defaults) -> Option<Sample> {
    let mut word = |flag, default| match flags & flag {
        0 => Some(default),
        _ => fields.u32(),
    };
    let duration = word(SAMPLE_HAS_DURATION, defaults.duration)?;
    let size = word(SAMPLE_HAS_SIZE, defaults.size)?;
    word(SAMPLE_HAS_FLAGS, 0)?;
    // Signed in version 1, and used as such by writers of version 0.
    let composition = word(SAMPLE_HAS_COMPOSITION, 0)? as i32;
    Some(Sample {
        duration,
        size,
        composition,
    })
}

fn entry_bytes(flags: u32) -> usize {
    (flags & 0xf00).count_ones() as usize * 4
}

impl Run {
    /// End of its data, and decoding time after its last sample.
    fn end(&self) -> (u64, i64) {
        if entry_bytes(self.flags) == 0 {
            let (size, duration) = (self.defaults.size, self.defaults.duration);
            return (
                self.offset_bytes
                    .saturating_add(self.left.saturating_mul(size.into())),
                self.time.saturating_add(
                    i64::try_from(self.left.saturating_mul(duration.into())).unwrap_or(i64::MAX),
                ),
            );
        }
        let mut fields = Fields::new(&self.entries);
        let mut end = (self.offset_bytes, self.time);
        for _ in 0..self.left {
            let Some(sample) = sample(&mut fields, self.flags, self.defaults) else {
                break;
            };
            end.0 = end.0.saturating_add(sample.size.into());
            end.1 = end.1.saturating_add(sample.duration.into());
        }
        end
    }
}

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

fn read_run(
    content: &[u8],
    defaults: Defaults,
    base: u64,
    offset_bytes: u64,
    time: i64,
) -> Option<Run> {
    let mut fields = Fields::new(content);
    let (_, flags) = fields.version_and_flags()?;
    let count = u64::from(fields.u32()?);
    let offset_bytes = match flags & RUN_HAS_OFFSET {
        0 => offset_bytes,
        _ => base.saturating_add_signed(i64::from(fields.u32()? as i32)),
    };
    if flags & RUN_HAS_FIRST_FLAGS != 0 {
        fields.u32()?;
    }
    let entries = fields.rest();
    let there = match entry_bytes(flags) {
        // Samples of size 0: none.
        0 if defaults.size == 0 => 0,
        0 => count,
        entry_bytes => (entries.len() / entry_bytes) as u64,
    };
    Some(Run {
        entries: entries.to_vec(),
        flags,
        defaults,
        left: count.min(there),
        offset_bytes,
        time,
    })
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
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], words: &[u32]) -> Vec<u8> {
        let mut content = ((8 + words.len() * 4) as u32).to_be_bytes().to_vec();
        content.extend_from_slice(kind);
        content.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        content
    }

    fn wrapped(kind: &[u8; 4], content: &[Vec<u8>]) -> Vec<u8> {
        let content = content.concat();
        let mut wrapped = ((8 + content.len()) as u32).to_be_bytes().to_vec();
        wrapped.extend_from_slice(kind);
        wrapped.extend(content);
        wrapped
    }

    /// Offset, size and time of the samples.
    fn pieces(fragments: &mut Fragments) -> Vec<(u64, u64, i64)> {
        std::iter::from_fn(|| fragments.next(|_| None))
            .map(|piece| (piece.offset_bytes, piece.size_bytes, piece.time))
            .collect()
    }

    const DEFAULTS: Defaults = Defaults {
        description: 1,
        duration: 10,
        size: 4,
    };
    const BASE_IS_MOOF: u32 = 0x02_0000;

    #[test]
    fn data_offsets_follow_the_flags() {
        // Two tracks; track 7 is the second.
        let other = |flags: u32| {
            wrapped(
                b"traf",
                &[
                    boxed(b"tfhd", &[flags, 3]),
                    boxed(b"trun", &[RUN_HAS_OFFSET | SAMPLE_HAS_SIZE, 2, 100, 30, 40]),
                ],
            )
        };
        let run = |words: &[u32]| boxed(b"trun", words);
        for (name, header, runs, expected) in [
            (
                "from the moof",
                vec![BASE_IS_MOOF, 7],
                vec![run(&[RUN_HAS_OFFSET, 2, 50])],
                vec![(1050, 4, 0), (1054, 4, 10)],
            ),
            (
                "behind the track before",
                vec![0, 7],
                vec![
                    run(&[0, 1]),
                    run(&[SAMPLE_HAS_SIZE | SAMPLE_HAS_DURATION, 1, 5, 6]),
                ],
                vec![(1170, 4, 0), (1174, 6, 10)],
            ),
            (
                "from the start of the file, with defaults of its own",
                vec![1 | 8 | 0x10, 7, 0, 2000, 20, 9],
                vec![run(&[RUN_HAS_FIRST_FLAGS, 2, 0])],
                vec![(2000, 9, 0), (2009, 9, 20)],
            ),
            (
                "before the moof, presented later",
                vec![BASE_IS_MOOF, 7],
                vec![run(&[
                    RUN_HAS_OFFSET | SAMPLE_HAS_COMPOSITION,
                    1,
                    -900_i32 as u32,
                    33,
                ])],
                vec![(100, 4, 33)],
            ),
            (
                "more samples than there are",
                vec![BASE_IS_MOOF, 7],
                vec![run(&[SAMPLE_HAS_SIZE, u32::MAX, 8])],
                vec![(1000, 8, 0)],
            ),
        ] {
            let ours = [vec![boxed(b"tfhd", &header)], runs].concat();
            let content = [other(BASE_IS_MOOF), wrapped(b"traf", &ours)].concat();
            let mut fragments = Fragments::new(7, DEFAULTS);
            fragments.read(&content, 1000, &[]);
            assert_eq!(pieces(&mut fragments), expected, "{name}");
            assert!(fragments.is_drained());
        }
    }

    #[test]
    fn decode_times_follow_tfdt() {
        let fragment = |sequence, time: Option<u32>| {
            let mut content = vec![boxed(b"tfhd", &[BASE_IS_MOOF, 7])];
            content.extend(time.map(|time| boxed(b"tfdt", &[0, time])));
            content.push(boxed(b"trun", &[0, 1]));
            [
                boxed(b"mfhd", &[0, sequence]),
                wrapped(
                    b"traf",
                    &[
                        boxed(b"tfhd", &[BASE_IS_MOOF, 3]),
                        boxed(b"tfdt", &[0, 400]),
                    ],
                ),
                wrapped(b"traf", &content),
            ]
            .concat()
        };
        for (name, first, times, expected) in [
            ("one after the other", 1, [None, None, None], [0, 10, 20]),
            ("a gap", 1, [Some(0), Some(70), None], [0, 70, 80]),
            (
                "late",
                1,
                [Some(300), None, Some(310)],
                [300, 310, 310 + 10],
            ),
            (
                "never backwards",
                1,
                [Some(300), Some(0), Some(900)],
                [300, 310, 900],
            ),
            // The other track has 100 units a second and begins at 4 s.
            (
                "out of a broadcast",
                5000,
                [Some(4070), Some(4080), None],
                [70, 80, 90],
            ),
        ] {
            let mut fragments = Fragments::new(7, DEFAULTS);
            let mut found = Vec::new();
            for (index, time) in times.into_iter().enumerate() {
                let content = fragment(first + index as u32, time);
                fragments.read(&content, 0, &[(3, 100), (7, 1000)]);
                found.extend(pieces(&mut fragments).iter().map(|piece| piece.2));
            }
            assert_eq!(found, expected, "{name}");
        }
    }
}
