//! The order of writes that makes an upload durable: for every commit the data
//! first, then the record that tells of it, each on stable storage before the
//! next step begins. So a record never tells of bytes that a power cut can
//! take away. Everything here blocks on the disk.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;

use super::moment::Moment;
use super::record::{Record, SLOT_BYTES};
use super::sabotage::Rule;

/// A file of which nothing is on stable storage until it is synced.
pub(super) trait Stable {
    /// Writes all of `bytes` at `position`.
    fn write_all(&self, bytes: &[u8], position: u64) -> io::Result<()>;

    /// Everything written so far is on stable storage when this returns.
    fn sync_data(&self) -> io::Result<()>;
}

impl Stable for Arc<File> {
    fn write_all(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.write_all_at(bytes, position)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }
}

/// Bytes of a recording that are not in its file yet.
#[derive(Debug, Default)]
pub(super) struct Loose {
    pub(super) bytes: Bytes,
    /// Where they belong.
    pub(super) position: u64,
}

/// The files of an upload that grows.
#[derive(Debug)]
pub(super) struct Appender<F> {
    data: F,
    offset: F,
    record: Record,
}

impl<F: Stable> Appender<F> {
    /// Goes on from `record`, which is on stable storage.
    pub(super) fn new(data: F, offset: F, record: Record) -> Appender<F> {
        Appender {
            data,
            offset,
            record,
        }
    }

    /// The recording.
    pub(super) fn data(&self) -> &F {
        &self.data
    }

    /// The last state that is durable.
    pub(super) fn record(&self) -> Record {
        self.record
    }

    /// Makes the recording durable up to `end`: what was written to its file,
    /// and the rest, which is `loose`. After an error nothing more may be told
    /// of this upload than [`Appender::record`] says, and nothing more be
    /// written to it.
    pub(super) fn commit(&mut self, end: u64, loose: &Loose, now: Moment) -> io::Result<()> {
        if end == self.record.offset {
            return Ok(());
        }
        let next = self.record.advanced(end, now);
        if Rule::DataBeforeRecord.is_broken() {
            self.put(next)?;
            self.data.write_all(&loose.bytes, loose.position)?;
            return self.data.sync_data();
        }
        self.data.write_all(&loose.bytes, loose.position)?;
        if !Rule::DataSync.is_broken() {
            self.data.sync_data()?;
        }
        self.put(next)
    }

    /// Makes durable how long the whole will be; as [`Appender::commit`]. What
    /// was written and not committed does not count yet.
    pub(super) fn measure(&mut self, length: u64, now: Moment) -> io::Result<()> {
        self.put(self.record.measured(length, now))
    }

    /// Makes durable that all `length` bytes are there, which somebody else
    /// wrote to the file; as [`Appender::commit`].
    pub(super) fn complete(&mut self, length: u64, now: Moment) -> io::Result<()> {
        if !Rule::DataSync.is_broken() {
            self.data.sync_data()?;
        }
        self.put(self.record.completed(length, now))
    }

    /// Takes back a state that could not be synced, as far as the file can be
    /// written to at all: whoever reads it finds the last durable one.
    pub(super) fn withdraw(&self) -> io::Result<()> {
        let position = self.record.next_position();
        self.offset.write_all(&[0; SLOT_BYTES], position)
    }

    fn put(&mut self, next: Record) -> io::Result<()> {
        self.offset.write_all(&next.encode(), next.position())?;
        #[cfg(test)]
        if faults::SYNC_FAILS.get() {
            return Err(io::ErrorKind::Other.into());
        }
        self.offset.sync_data()?;
        self.record = next;
        Ok(())
    }
}

/// What tests make go wrong on their own thread, and in what it has helpers do.
#[cfg(test)]
pub(crate) mod faults {
    use std::cell::Cell;

    thread_local! {
        /// Records are written but cannot be synced.
        pub(crate) static SYNC_FAILS: Cell<bool> = const { Cell::new(false) };
    }

    /// Work for another thread, which goes wrong there as it would here.
    pub(crate) fn handed_on<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
        let fails = SYNC_FAILS.get();
        move || {
            SYNC_FAILS.set(fails);
            work()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::memory_disk::{MemoryDisk, MemoryFile};
    use super::*;

    const DATA: usize = 0;
    const OFFSET: usize = 1;
    const LENGTH: u64 = 60_000;
    const NOW: Moment = Moment {
        wall_ms: 0,
        since_boot_ms: 0,
    };

    /// How a daemon ends, after so many more operations of its files.
    #[derive(Debug, Clone)]
    enum End {
        /// kill -9: what it wrote is in the page cache.
        Killed,
        /// The power goes; these bytes decide about each write that was not synced.
        PowerCut(Vec<u8>),
    }

    #[derive(Debug, Clone)]
    struct Life {
        /// Sizes of the writes before each commit.
        commits: Vec<Vec<u16>>,
        /// When it learns the length, in number of commits; where it was not known.
        measured_after: usize,
        operations: usize,
        end: End,
    }

    fn life() -> impl Strategy<Value = Life> {
        let end = prop_oneof![
            Just(End::Killed),
            prop::collection::vec(any::<u8>(), 0..40).prop_map(End::PowerCut),
        ];
        let commits = prop::collection::vec(prop::collection::vec(1..3000u16, 0..4), 1..6);
        (commits, 0..4usize, 0..40usize, end).prop_map(
            |(commits, measured_after, operations, end)| Life {
                commits,
                measured_after,
                operations,
                end,
            },
        )
    }

    /// The recording: what is missing or in the wrong place can be seen.
    fn recording(from: u64, count: u64) -> Bytes {
        (from..from + count)
            .map(|at| (at % 251 + 1) as u8)
            .collect::<Vec<u8>>()
            .into()
    }

    /// Goes on until the work or the power is over. The last of the writes
    /// before a commit is left to it.
    fn live(disk: &MemoryDisk, appender: &mut Appender<MemoryFile>, life: &Life) -> io::Result<()> {
        let data = disk.file(DATA);
        for (number, writes) in life.commits.iter().enumerate() {
            if number == life.measured_after && appender.record().length.is_none() {
                appender.measure(LENGTH, NOW)?;
            }
            let mut end = appender.record().offset;
            let mut loose = Loose::default();
            for count in writes {
                data.write_all(&loose.bytes, loose.position)?;
                let count = u64::from(*count).min(LENGTH - end);
                loose = Loose {
                    bytes: recording(end, count),
                    position: end,
                };
                end += count;
            }
            appender.commit(end, &loose, NOW)?;
        }
        Ok(())
    }

    /// Several lives of one upload, each ended by a kill or a power cut.
    fn survives(known_length: bool, lives: &[Life]) -> Result<(), TestCaseError> {
        let disk = MemoryDisk::new(2);
        let new = Record::new(known_length.then_some(LENGTH), NOW);
        disk.put_durably(OFFSET, &new.encode_file());
        let mut told = new;
        for life in lives {
            let found = Record::decode_file(&disk.read(OFFSET));
            let Some(found) = found else {
                return Err(TestCaseError::fail("no state is left"));
            };
            prop_assert!(
                found.offset >= told.offset,
                "{} < {}",
                found.offset,
                told.offset
            );
            prop_assert!(told.length.is_none() || found.length == told.length);
            let data = disk.read(DATA);
            let kept = data.get(..found.offset as usize);
            prop_assert_eq!(kept, Some(&recording(0, found.offset)[..]));

            // What a start does before it tells anything.
            disk.sync_all();
            disk.power_on(life.operations);
            let mut appender = Appender::new(disk.file(DATA), disk.file(OFFSET), found);
            // Ends with an error where the power does.
            let _ = live(&disk, &mut appender, life);
            told = appender.record();
            if let End::PowerCut(fates) = &life.end {
                disk.cut_power(fates);
            }
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 2000,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn nothing_told_is_lost(
            known_length in any::<bool>(),
            lives in prop::collection::vec(life(), 2..6),
        ) {
            survives(known_length, &lives)?;
        }
    }
}
