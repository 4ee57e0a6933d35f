//! The recording while it is written: what arrives is gathered into the
//! buffers of the ring and goes to the disk past the page cache, several
//! buffers at a time.
//!
//! Direct writes are made of whole blocks. So the bytes behind the last block
//! boundary, the tail, are kept here; when the recording is synced they are
//! written through the page cache, and when more bytes come they are the
//! beginning of the next buffer.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Once;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::info;

use super::appender::{Growing, Stable};
use super::ring::{self, BLOCK_BYTES, BUFFER_BYTES, Buffer, Buffers, RingFile};

/// Writes of one recording on their way at a time.
const IN_FLIGHT: usize = 4;

/// Less than this goes through the page cache: not worth another descriptor.
const DIRECT_FROM_BYTES: usize = 256 << 10;

/// A recording for which nothing came for this long gathers in vain while
/// others wait.
const PAUSE: Duration = Duration::from_millis(2);

const BLOCK: u64 = BLOCK_BYTES as u64;

/// The data file of an upload, open for appending.
#[derive(Debug)]
pub(super) struct Recording {
    path: PathBuf,
    buffered: Rc<RingFile>,
    direct: Direct,
    /// End of what was appended.
    end: u64,
    gathering: Option<Gathering>,
    /// The bytes from the last block boundary to `end`, while none are gathered.
    tail: Vec<u8>,
    /// `tail` was not read yet from a file that another writer left.
    tail_is_unread: bool,
    /// `tail` is not in the file yet.
    tail_is_new: bool,
    in_flight: VecDeque<JoinHandle<io::Result<()>>>,
    /// A write failed: nobody knows what the file holds.
    has_failed: bool,
}

#[derive(Debug)]
enum Direct {
    /// The file system has no direct writes.
    Impossible,
    /// It seemed to have them; what is gathered is written as if it had not.
    Refused,
    /// Not needed so far.
    Closed,
    Open(Rc<RingFile>),
}

#[derive(Debug)]
struct Gathering {
    buffer: Buffer,
    buffers: Rc<Buffers>,
    wanted: watch::Receiver<usize>,
    /// Where in the file the buffer begins: at a block.
    start: u64,
    filled: usize,
}

impl Recording {
    /// Goes on at `end` of the file at `path`, which is open as `file`.
    pub(super) fn new(path: &Path, file: RingFile, end: u64) -> Recording {
        let direct = match ring::allows_direct_writes(&file) {
            true => Direct::Closed,
            false => {
                tell_once();
                Direct::Impossible
            }
        };
        Recording {
            path: path.into(),
            buffered: Rc::new(file),
            direct,
            end,
            gathering: None,
            tail: Vec::new(),
            tail_is_unread: !end.is_multiple_of(BLOCK),
            tail_is_new: false,
            in_flight: VecDeque::new(),
            has_failed: false,
        }
    }

    /// The file, for what has nothing to do with its content.
    pub(super) fn file(&self) -> &RingFile {
        &self.buffered
    }

    /// Resolves when somebody else needs the buffer that this recording
    /// gathers in; [`Recording::let_go`] gives it.
    pub(super) async fn is_asked_to_let_go(&mut self) {
        let Some(gathering) = &mut self.gathering else {
            return std::future::pending().await;
        };
        if gathering.wanted.wait_for(|count| *count > 0).await.is_err() {
            std::future::pending().await
        }
        tokio::time::sleep(PAUSE).await;
    }

    /// Writes what was gathered, and with it gives the buffer back.
    pub(super) async fn let_go(&mut self) -> io::Result<()> {
        let written = self.write_gathered().await;
        self.has_failed |= written.is_err();
        written
    }

    async fn write_gathered(&mut self) -> io::Result<()> {
        let Some(Gathering {
            buffer,
            buffers,
            start,
            filled,
            ..
        }) = self.gathering.take()
        else {
            return Ok(());
        };
        let blocks = filled - filled % BLOCK_BYTES;
        self.tail = buffer[blocks..filled].to_vec();
        self.tail_is_new = true;
        if blocks == 0 {
            return Ok(());
        }
        if blocks >= DIRECT_FROM_BYTES && matches!(self.direct, Direct::Closed) {
            self.open_direct().await?;
        }
        let buffered = Rc::clone(&self.buffered);
        let direct = match &self.direct {
            Direct::Open(file) => Some(Rc::clone(file)),
            Direct::Closed | Direct::Refused | Direct::Impossible => None,
        };
        self.wait_for_fewer_than(IN_FLIGHT).await?;
        self.in_flight.push_back(ring::spawn(async move {
            match direct {
                Some(file) => file.write_direct(&buffers, buffer, blocks, start).await,
                None => buffered.write_buffer(buffer, blocks, start).await,
            }
        }));
        Ok(())
    }

    /// Closes the file when nothing is on its way to it any more.
    pub(super) async fn close(mut self) -> io::Result<()> {
        // What could not be written was not told to anybody.
        let _ = self.wait_for_fewer_than(1).await;
        if let Direct::Open(file) = self.direct {
            close(file).await?;
        }
        close(self.buffered).await
    }

    async fn open_direct(&mut self) -> io::Result<()> {
        self.direct = match RingFile::open_direct(&self.path).await {
            Ok(file) => Direct::Open(Rc::new(file)),
            // A file system that passes on the promise of one below it.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                tell_once();
                Direct::Refused
            }
            Err(error) => return Err(error),
        };
        Ok(())
    }

    async fn wait_for_fewer_than(&mut self, count: usize) -> io::Result<()> {
        let mut outcome = Ok(());
        while self.in_flight.len() >= count
            && let Some(write) = self.in_flight.pop_front()
        {
            let written = write.await.map_err(io::Error::other).flatten();
            self.has_failed |= written.is_err();
            outcome = outcome.and(written);
        }
        outcome
    }

    async fn gather(&mut self) -> io::Result<&mut Gathering> {
        let gathering = match self.gathering.take() {
            Some(gathering) => gathering,
            None => {
                let start = self.end - self.end % BLOCK;
                if self.tail_is_unread {
                    let length = (self.end - start) as usize;
                    self.tail = self.buffered.read(start, length).await?;
                    self.tail_is_unread = false;
                }
                let buffers = ring::buffers();
                let mut buffer = buffers.take().await;
                buffer[..self.tail.len()].copy_from_slice(&self.tail);
                Gathering {
                    buffer,
                    wanted: buffers.wanted(),
                    buffers,
                    start,
                    filled: self.tail.len(),
                }
            }
        };
        Ok(self.gathering.insert(gathering))
    }
}

impl Growing for Recording {
    async fn append(&mut self, mut bytes: Bytes) -> io::Result<()> {
        if let Direct::Impossible = self.direct {
            let end = self.end + bytes.len() as u64;
            self.buffered.write_all(bytes, self.end).await?;
            self.end = end;
            return Ok(());
        }
        while !bytes.is_empty() {
            let gathering = self.gather().await?;
            let count = bytes.len().min(BUFFER_BYTES - gathering.filled);
            let piece = bytes.split_to(count);
            gathering.buffer[gathering.filled..][..count].copy_from_slice(&piece);
            gathering.filled += count;
            let is_full = gathering.filled == BUFFER_BYTES;
            self.end += count as u64;
            if is_full {
                self.let_go().await?;
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.let_go().await?;
        self.wait_for_fewer_than(1).await?;
        if self.tail_is_new && !self.tail.is_empty() {
            let tail = Bytes::copy_from_slice(&self.tail);
            let position = self.end - self.end % BLOCK;
            self.buffered.write_all(tail, position).await?;
        }
        self.tail_is_new = false;
        match self.has_failed {
            true => Err(io::Error::other("an earlier write failed")),
            false => Ok(()),
        }
    }

    async fn sync(&mut self) -> io::Result<()> {
        self.buffered.sync_data().await
    }
}

async fn close(file: Rc<RingFile>) -> io::Result<()> {
    match Rc::try_unwrap(file) {
        Ok(file) => file.close().await,
        // A write that failed with its task still holds it, for a moment.
        Err(_) => Ok(()),
    }
}

fn tell_once() {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| {
        info!("the state directory's file system has no direct writes: uploads go through the page cache");
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: usize = 5 * BUFFER_BYTES + 12_345;

    fn content() -> Bytes {
        (0..LENGTH)
            .map(|at| (at ^ at >> 8 ^ at >> 16) as u8)
            .collect::<Vec<u8>>()
            .into()
    }

    /// Sizes of every kind: small, odd, of blocks, larger than a buffer.
    fn pieces(seed: usize) -> impl Iterator<Item = usize> {
        let sizes = [
            1,
            4095,
            4096,
            4097,
            100_000,
            BUFFER_BYTES,
            415_000,
            BUFFER_BYTES + 1,
            65_536,
        ];
        (seed..).map(move |at| sizes[at * 7 % sizes.len()])
    }

    async fn write(path: &Path, seed: usize, is_refused: bool) {
        let content = content();
        RingFile::create(path)
            .await
            .unwrap()
            .preallocate(LENGTH as u64)
            .await
            .unwrap();
        let (mut end, mut synced) = (0, 0);
        let mut pieces = pieces(seed);
        while end < LENGTH {
            let file = RingFile::open(path).await.unwrap();
            let mut recording = Recording::new(path, file, synced as u64);
            if is_refused {
                recording.direct = Direct::Refused;
            }
            end = synced;
            for round in 0..4 {
                let count = pieces.next().unwrap().min(LENGTH - end);
                recording
                    .append(content.slice(end..end + count))
                    .await
                    .unwrap();
                end += count;
                if round % 2 == seed % 2 {
                    recording.flush().await.unwrap();
                    recording.sync().await.unwrap();
                    synced = end;
                    assert!(
                        std::fs::read(path).unwrap()[..end] == content[..end],
                        "{end}"
                    );
                }
            }
            // What was not synced is written once more by the next one.
            recording.close().await.unwrap();
        }
    }

    #[test]
    fn every_byte_is_in_its_place_whatever_the_pieces() {
        let disk = std::env::temp_dir;
        for (dir, is_refused) in [(disk(), false), (disk(), true), ("/dev/shm".into(), false)] {
            let dir = tempfile::tempdir_in(dir).unwrap();
            ring::run(async {
                // More at a time than there are buffers.
                let writers: Vec<_> = (0..9)
                    .map(|seed| {
                        let path = dir.path().join(seed.to_string());
                        ring::spawn(async move { write(&path, seed, is_refused).await })
                    })
                    .collect();
                for writer in writers {
                    writer.await.unwrap();
                }
            })
            .unwrap();
        }
    }
}
