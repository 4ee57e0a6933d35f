//! The order of writes that makes an upload durable: for every commit the data
//! first, then the record that tells of it, each on stable storage before the
//! next step begins. So a record never tells of bytes that a power cut can
//! take away.

use std::io;

use bytes::Bytes;

use super::moment::Moment;
use super::record::{Record, SLOT_BYTES};
use super::sabotage::Rule;

/// A file of which nothing is on stable storage until it is synced.
pub(super) trait Stable {
    /// Writes all of `bytes` at `position`.
    async fn write_all(&self, bytes: Bytes, position: u64) -> io::Result<()>;

    /// Everything written so far is on stable storage when this returns.
    async fn sync_data(&self) -> io::Result<()>;
}

/// A file that only grows.
pub(super) trait Growing {
    /// Adds `bytes` at the end.
    async fn append(&mut self, bytes: Bytes) -> io::Result<()>;

    /// Everything appended so far is in the file when this returns.
    async fn flush(&mut self) -> io::Result<()>;

    /// Everything flushed so far is on stable storage when this returns.
    async fn sync(&mut self) -> io::Result<()>;
}

/// A recording that grows, and its offset record.
#[derive(Debug)]
pub(super) struct Appender<D, F> {
    pub(super) data: D,
    pub(super) offset: F,
    record: Record,
    /// End of what was written, at or behind `record.offset`.
    written: u64,
}

impl<D: Growing, F: Stable> Appender<D, F> {
    /// Goes on from `record`, which is on stable storage.
    pub(super) fn new(data: D, offset: F, record: Record) -> Appender<D, F> {
        Appender {
            data,
            offset,
            written: record.offset,
            record,
        }
    }

    /// The last state that is durable.
    pub(super) fn record(&self) -> &Record {
        &self.record
    }

    /// Where the next byte goes.
    pub(super) fn position(&self) -> u64 {
        self.written
    }

    /// Appends `bytes`, not durable yet. The caller sees to the length.
    pub(super) async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        let count = bytes.len() as u64;
        self.data.append(bytes).await?;
        self.written += count;
        Ok(())
    }

    /// Makes everything written so far durable. After an error nothing more
    /// may be told of this upload than [`Appender::record`] says, and nothing
    /// more be written to it.
    pub(super) async fn commit(&mut self, now: Moment) -> io::Result<()> {
        if self.written == self.record.offset {
            return Ok(());
        }
        let next = self.record.advanced(self.written, now);
        if Rule::DataBeforeRecord.is_broken() {
            self.put(next).await?;
            self.data.flush().await?;
            return self.data.sync().await;
        }
        self.data.flush().await?;
        if !Rule::DataSync.is_broken() {
            self.data.sync().await?;
        }
        self.put(next).await
    }

    /// Makes durable how long the whole will be; as [`Appender::commit`]. What
    /// was written and not committed does not count yet.
    pub(super) async fn measure(&mut self, length: u64, now: Moment) -> io::Result<()> {
        self.put(self.record.measured(length, now)).await
    }

    /// Takes back a state that could not be synced, as far as the file can be
    /// written to at all: whoever reads it finds the last durable one.
    pub(super) async fn withdraw(&self) -> io::Result<()> {
        let empty = Bytes::from_static(&[0; SLOT_BYTES]);
        let position = self.record.next_position();
        self.offset.write_all(empty, position).await
    }

    async fn put(&mut self, next: Record) -> io::Result<()> {
        self.offset
            .write_all(next.encode().into(), next.position())
            .await?;
        #[cfg(test)]
        if faults::SYNC_FAILS.get() {
            return Err(io::ErrorKind::Other.into());
        }
        self.offset.sync_data().await?;
        self.record = next;
        Ok(())
    }
}

/// What tests make go wrong on their own thread.
#[cfg(test)]
pub(crate) mod faults {
    use std::cell::Cell;

    thread_local! {
        /// Records are written but cannot be synced.
        pub(crate) static SYNC_FAILS: Cell<bool> = const { Cell::new(false) };
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

    /// Goes on until the work or the power is over.
    async fn live(appender: &mut Appender<MemoryFile, MemoryFile>, life: &Life) -> io::Result<()> {
        for (number, writes) in life.commits.iter().enumerate() {
            if number == life.measured_after && appender.record().length.is_none() {
                appender.measure(LENGTH, NOW).await?;
            }
            for count in writes {
                let count = u64::from(*count).min(LENGTH - appender.position());
                appender
                    .write(recording(appender.position(), count))
                    .await?;
            }
            appender.commit(NOW).await?;
        }
        Ok(())
    }

    /// Several lives of one upload, each ended by a kill or a power cut.
    fn survives(known_length: bool, lives: &[Life]) -> Result<(), TestCaseError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
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
            let data = disk.file(DATA).at(found.offset);
            let mut appender = Appender::new(data, disk.file(OFFSET), found);
            // Ends with an error where the power does.
            let _ = runtime.block_on(live(&mut appender, life));
            told = *appender.record();
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
