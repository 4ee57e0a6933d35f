//! The order of writes that makes an upload durable: every commit writes the
//! data first, then the record of the new offset, and syncs each before the next
//! step. So a record never covers bytes that a power failure can destroy.
//! Everything here blocks on the disk.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;

use super::moment::Moment;
use super::record::{Record, SLOT_BYTES};
use super::sabotage::Rule;

/// A file whose writes are on stable storage only after a sync.
pub(super) trait SyncFile {
    /// Writes all of `bytes` at `position`.
    fn write_all(&self, bytes: &[u8], position: u64) -> io::Result<()>;

    /// Makes everything written so far durable.
    fn sync_data(&self) -> io::Result<()>;
}

impl SyncFile for Arc<File> {
    fn write_all(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.write_all_at(bytes, position)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }
}

/// The last bytes of a recording, which are not written to its file yet.
#[derive(Debug, Default)]
pub(super) struct UnflushedTail {
    pub(super) bytes: Bytes,
    /// Their position in the file.
    pub(super) position: u64,
}

/// The files of an upload, open for appending.
#[derive(Debug)]
pub(super) struct Appender<F> {
    data: F,
    offset: F,
    record: Record,
}

impl<F: SyncFile> Appender<F> {
    /// Continues from `record`, which must be durable.
    pub(super) fn new(data: F, offset: F, record: Record) -> Appender<F> {
        Appender {
            data,
            offset,
            record,
        }
    }

    /// The file of the recording.
    pub(super) fn data(&self) -> &F {
        &self.data
    }

    /// The last durable state.
    pub(super) fn record(&self) -> Record {
        self.record
    }

    /// Makes the recording durable up to `end`: the bytes in its file and those
    /// in `tail`. After an error only the state in [`Appender::record`] may be
    /// reported to clients, and nothing more may be written to the upload.
    pub(super) fn commit(&mut self, end: u64, tail: &UnflushedTail, now: Moment) -> io::Result<()> {
        if end == self.record.offset {
            return Ok(());
        }
        let next = self.record.advanced(end, now);
        if Rule::DataBeforeRecord.is_broken() {
            self.put(next)?;
            self.data.write_all(&tail.bytes, tail.position)?;
            return self.data.sync_data();
        }
        self.data.write_all(&tail.bytes, tail.position)?;
        if !Rule::DataSync.is_broken() {
            self.data.sync_data()?;
        }
        self.put(next)
    }

    /// Makes the length of the upload durable; errors as in
    /// [`Appender::commit`]. Does not commit data.
    pub(super) fn set_length(&mut self, length: u64, now: Moment) -> io::Result<()> {
        self.put(self.record.with_length(length, now))
    }

    /// Marks the upload as complete with `length` bytes, which another open file
    /// has written; errors as in [`Appender::commit`].
    pub(super) fn complete(&mut self, length: u64, now: Moment) -> io::Result<()> {
        if !Rule::DataSync.is_broken() {
            self.data.sync_data()?;
        }
        self.put(self.record.completed(length, now))
    }

    /// Erases a record that could not be synced, so that readers find the last
    /// durable one. Fails if the file cannot be written to.
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

/// Fault injection for tests, per thread and for the blocking operations that
/// the thread starts.
#[cfg(test)]
pub(crate) mod faults {
    use std::cell::Cell;

    thread_local! {
        /// Whether syncing a record fails after it has been written.
        pub(crate) static SYNC_FAILS: Cell<bool> = const { Cell::new(false) };
    }

    /// Wraps work for another thread so that the same faults are injected there.
    pub(crate) fn inherit<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
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

    /// How a daemon ends, after a number of file operations.
    #[derive(Debug, Clone)]
    enum End {
        /// kill -9: its writes are in the page cache.
        Killed,
        /// Power failure; these bytes decide what happens to each unsynced write.
        PowerFailure(Vec<u8>),
    }

    #[derive(Debug, Clone)]
    struct Run {
        /// Sizes of the writes before each commit.
        commits: Vec<Vec<u16>>,
        /// After how many commits the length is set, if it was not known.
        length_after: usize,
        operations: usize,
        end: End,
    }

    fn run() -> impl Strategy<Value = Run> {
        let end = prop_oneof![
            Just(End::Killed),
            prop::collection::vec(any::<u8>(), 0..40).prop_map(End::PowerFailure),
        ];
        let commits = prop::collection::vec(prop::collection::vec(1..3000u16, 0..4), 1..6);
        (commits, 0..4usize, 0..40usize, end).prop_map(
            |(commits, length_after, operations, end)| Run {
                commits,
                length_after,
                operations,
                end,
            },
        )
    }

    /// Content of the recording in which missing or misplaced bytes are visible.
    fn recording(from: u64, count: u64) -> Bytes {
        (from..from + count)
            .map(|at| (at % 251 + 1) as u8)
            .collect::<Vec<u8>>()
            .into()
    }

    /// Writes and commits until all is done or the operations run out. The last
    /// write before a commit is its unflushed tail.
    fn execute(
        disk: &MemoryDisk,
        appender: &mut Appender<MemoryFile>,
        run: &Run,
    ) -> io::Result<()> {
        let data = disk.file(DATA);
        for (number, writes) in run.commits.iter().enumerate() {
            if number == run.length_after && appender.record().length.is_none() {
                appender.set_length(LENGTH, NOW)?;
            }
            let mut end = appender.record().offset;
            let mut tail = UnflushedTail::default();
            for count in writes {
                data.write_all(&tail.bytes, tail.position)?;
                let count = u64::from(*count).min(LENGTH - end);
                tail = UnflushedTail {
                    bytes: recording(end, count),
                    position: end,
                };
                end += count;
            }
            appender.commit(end, &tail, NOW)?;
        }
        Ok(())
    }

    /// Several runs with one upload, each ended by a kill or a power failure.
    fn check_runs(known_length: bool, runs: &[Run]) -> Result<(), TestCaseError> {
        let disk = MemoryDisk::new(2);
        let new = Record::new(known_length.then_some(LENGTH), NOW);
        disk.put_durably(OFFSET, &new.encode_file());
        let mut reported = new;
        for run in runs {
            let found = Record::decode_file(&disk.read(OFFSET));
            let Some(found) = found else {
                return Err(TestCaseError::fail("no valid record"));
            };
            prop_assert!(
                found.offset >= reported.offset,
                "{} < {}",
                found.offset,
                reported.offset
            );
            prop_assert!(reported.length.is_none() || found.length == reported.length);
            let data = disk.read(DATA);
            let kept = data.get(..found.offset as usize);
            prop_assert_eq!(kept, Some(&recording(0, found.offset)[..]));

            // What start-up does before it reports any state.
            disk.sync_all();
            disk.power_on(run.operations);
            let mut appender = Appender::new(disk.file(DATA), disk.file(OFFSET), found);
            // Fails when the operations run out.
            let _ = execute(&disk, &mut appender, run);
            reported = appender.record();
            if let End::PowerFailure(fates) = &run.end {
                disk.fail_power(fates);
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
        fn no_reported_byte_is_lost(
            known_length in any::<bool>(),
            runs in prop::collection::vec(run(), 2..6),
        ) {
            check_runs(known_length, &runs)?;
        }
    }
}
