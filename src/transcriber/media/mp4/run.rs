//! Runs of samples in movie fragments (`trun`, ISO/IEC 14496-12, 8.8.8), and their
//! defaults.

use super::boxes::Fields;

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
pub struct Run {
    /// The entries as stored in the file.
    pub entries: Vec<u8>,
    /// `tr_flags`.
    pub flags: u32,
    /// For fields that the entries lack.
    pub defaults: Defaults,
    /// Samples not yet returned.
    pub left: u64,
    /// Offset of the next sample in the file.
    pub offset_bytes: u64,
    /// Decoding time of the next sample.
    pub time: i64,
}

// Flags of a run (8.8.8.1).
pub const RUN_HAS_OFFSET: u32 = 0x1;
pub const RUN_HAS_FIRST_FLAGS: u32 = 0x4;
pub const SAMPLE_HAS_DURATION: u32 = 0x100;
pub const SAMPLE_HAS_SIZE: u32 = 0x200;
pub const SAMPLE_HAS_FLAGS: u32 = 0x400;
pub const SAMPLE_HAS_COMPOSITION: u32 = 0x800;

/// A sample of a run.
pub struct Sample {
    /// In units of the track's time scale.
    pub duration: u32,
    /// In bytes.
    pub size: u32,
    /// Composition time offset in the same units.
    pub composition: i32,
}

/// The next sample of a run.
pub fn sample(fields: &mut Fields<'_>, flags: u32, defaults: Defaults) -> Option<Sample> {
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

/// Bytes of a sample in a run with these flags.
pub fn entry_bytes(flags: u32) -> usize {
    (flags & 0xf00).count_ones() as usize * 4
}

impl Run {
    /// End of its data, and decoding time after its last sample.
    pub fn end(&self) -> (u64, i64) {
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

/// Parses the content of a `trun` box; `base` and `offset_bytes` are where its data
/// may begin, `time` the decoding time of its first sample.
pub fn read_run(
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
