//! What a power cut may leave on a recorded disk.
//!
//! All that the last completed flush covers is there. Of the rest anything may
//! be: nothing, everything, any part in any order, single sectors of a write,
//! and of an offset record's slot even a part of its sector.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::disk::Entry;
use crate::support::random::Random;
use crate::volume::copy_sparse;

/// What survives of the writes that no flush covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// None.
    Nothing,
    /// Each or not, in any order.
    Some,
    /// Each sector or not; slots torn within one.
    Torn,
    /// All.
    Everything,
}

const POLICIES: [Policy; 4] = [
    Policy::Nothing,
    Policy::Some,
    Policy::Torn,
    Policy::Everything,
];

const SECTOR_BYTES: usize = 512;
const BLOCK_BYTES: usize = 4096;

/// How an offset record's slot begins; see `src/store/record.rs`.
pub const SLOT_MAGIC: &[u8] = b"scribed1";

/// Within so many bytes a slot is torn: what it uses, and some more ...
const SLOT_TORN_BYTES: usize = 80;

/// ... and most times within these: its sequence and its offset.
const SLOT_HEAD_BYTES: usize = 24;

/// A moment and what survives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crash {
    /// So many entries were completed.
    pub point: usize,
    /// Of those not covered by then.
    pub policy: Policy,
}

/// Chooses that many crashes from `first` to the end, in order: half of them
/// right behind something that was told, a quarter right behind an offset
/// record's slot that took the place of an older one, the rest anywhere.
pub fn choose(
    entries: &[Entry],
    told: &[usize],
    first: usize,
    count: usize,
    random: &mut Random,
) -> Vec<Crash> {
    let last = entries.len();
    let told: Vec<usize> = told
        .iter()
        .copied()
        .filter(|at| (first..=last).contains(at))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let slots = behind_slots(&entries[first..]);
    let mut crashes: Vec<Crash> = (0..count)
        .map(|number| {
            let any = *random.pick(&POLICIES);
            let (point, policy) = match number % 4 {
                0 | 1 if !told.is_empty() => (*random.pick(&told), any),
                2 if !slots.is_empty() => match random.one_in(3) {
                    true => (first + random.pick(&slots), any),
                    false => (first + random.pick(&slots), Policy::Torn),
                },
                _ => (random.between(first, last), any),
            };
            Crash { point, policy }
        })
        .collect();
    crashes.sort_by_key(|crash| crash.point);
    crashes
}

/// Positions right behind writes of slots over older ones.
fn behind_slots(entries: &[Entry]) -> Vec<usize> {
    let mut known = BTreeSet::new();
    let mut positions = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        if let Entry::Write { at, bytes } = entry {
            let slots: Vec<u64> = slots_of(bytes).map(|slot| at + slot as u64).collect();
            if slots.iter().any(|slot| known.contains(slot)) {
                positions.push(number + 1);
            }
            known.extend(slots);
        }
    }
    positions
}

/// Builds crash states of one recording, the earliest first.
pub struct Builder {
    entries: Vec<Entry>,
    /// The disk with all writes applied that are covered.
    durable: PathBuf,
    /// Number of entries that `durable` holds.
    applied: usize,
    /// Number of entries that were looked at for flushes.
    seen: usize,
    covered: usize,
}

impl Builder {
    /// `base` is the disk before the first entry; it will be changed.
    pub fn new(entries: Vec<Entry>, base: PathBuf) -> Builder {
        Builder {
            entries,
            durable: base,
            applied: 0,
            seen: 0,
            covered: 0,
        }
    }

    /// Writes the state into `image`; tells how many writes were not covered.
    /// A crash before the one of the last call cannot be built.
    pub fn build(&mut self, crash: Crash, image: &Path, random: &mut Random) -> io::Result<usize> {
        assert!(crash.point >= self.seen, "crashes are built in order");
        for entry in &self.entries[self.seen..crash.point] {
            if let Entry::Flush { covers } = entry {
                self.covered = self.covered.max(*covers);
            }
        }
        self.seen = crash.point;
        let durable = File::options().write(true).open(&self.durable)?;
        for entry in &self.entries[self.applied..self.covered] {
            if let Entry::Write { at, bytes } = entry {
                durable.write_all_at(bytes, *at)?;
            }
        }
        self.applied = self.covered;
        copy_sparse(&self.durable, image)?;
        let image = File::options().write(true).open(image)?;
        let mut loose: Vec<(u64, &[u8])> = self.entries[self.covered..crash.point]
            .iter()
            .filter_map(|entry| match entry {
                Entry::Write { at, bytes } => Some((*at, &**bytes)),
                Entry::Flush { .. } => None,
            })
            .collect();
        let count = loose.len();
        match crash.policy {
            Policy::Nothing | Policy::Everything => {}
            Policy::Torn => random.shuffle(&mut loose),
            Policy::Some => {
                loose.retain(|_| random.one_in(2));
                random.shuffle(&mut loose);
            }
        }
        for (at, bytes) in loose {
            match crash.policy {
                Policy::Nothing => {}
                Policy::Some | Policy::Everything => image.write_all_at(bytes, at)?,
                Policy::Torn => tear(&image, at, bytes, random)?,
            }
        }
        Ok(count)
    }
}

/// Writes each sector or not; most slots only in part.
fn tear(image: &File, at: u64, bytes: &[u8], random: &mut Random) -> io::Result<()> {
    let slots: Vec<usize> = slots_of(bytes).collect();
    for (number, sector) in bytes.chunks(SECTOR_BYTES).enumerate() {
        let begin = number * SECTOR_BYTES;
        let written = match (slots.contains(&begin), random.below(8)) {
            (true, 1) => &sector[..random.between(1, SLOT_TORN_BYTES)],
            (true, 2..6) => &sector[..random.between(1, SLOT_HEAD_BYTES)],
            (false, 1..4) | (_, 0) => continue,
            _ => sector,
        };
        image.write_all_at(written, at + begin as u64)?;
    }
    Ok(())
}

/// Where slots of offset records begin in a write.
fn slots_of(bytes: &[u8]) -> impl Iterator<Item = usize> {
    (0..bytes.len())
        .step_by(BLOCK_BYTES)
        .filter(|&begin| bytes[begin..].starts_with(SLOT_MAGIC))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::folder;

    fn write(at: u64, byte: u8) -> Entry {
        Entry::Write {
            at,
            bytes: vec![byte; 4].into(),
        }
    }

    #[test]
    fn what_a_flush_covers_is_there_and_the_rest_as_chosen() {
        let folder = folder();
        let (base, image) = (folder.path().join("base"), folder.path().join("image"));
        std::fs::write(&base, [0; 12]).unwrap();
        let entries = vec![
            write(0, 1),
            write(4, 2),
            Entry::Flush { covers: 1 },
            write(8, 3),
        ];
        let mut builder = Builder::new(entries, base);
        let mut random = Random::new(1);
        for (point, policy, left, loose) in [
            (2, Policy::Nothing, [0, 0, 0], 2),
            (2, Policy::Everything, [1, 2, 0], 2),
            (3, Policy::Nothing, [1, 0, 0], 1),
            (4, Policy::Nothing, [1, 0, 0], 2),
            (4, Policy::Everything, [1, 2, 3], 2),
        ] {
            let crash = Crash { point, policy };
            assert_eq!(builder.build(crash, &image, &mut random).unwrap(), loose);
            let disk = std::fs::read(&image).unwrap();
            assert_eq!([disk[0], disk[4], disk[8]], left, "{crash:?}");
        }
    }

    #[test]
    fn slots_are_torn_within_their_sector() {
        let folder = folder();
        let path = folder.path().join("image");
        let mut slot = vec![7; BLOCK_BYTES];
        slot[..SLOT_MAGIC.len()].copy_from_slice(SLOT_MAGIC);
        let mut random = Random::new(2);
        let torn = (0..100).filter(|_| {
            std::fs::write(&path, [0; BLOCK_BYTES]).unwrap();
            let image = File::options().write(true).open(&path).unwrap();
            tear(&image, 0, &slot, &mut random).unwrap();
            let sector = &std::fs::read(&path).unwrap()[..SECTOR_BYTES];
            sector[0] != 0 && sector[SECTOR_BYTES - 1] == 0
        });
        assert!(torn.count() > 30);
    }
}
