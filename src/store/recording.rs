//! The recording while it is written: what arrives is gathered into the
//! buffers of the ring and goes to the disk past the page cache, several
//! buffers at a time.
//!
//! Direct writes are made of whole blocks. So the bytes behind the last block
//! boundary, the tail, are kept here: a commit writes them through the page
//! cache, and when more bytes come they are the beginning of the next buffer.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Once};
use std::time::Duration;

use bytes::Bytes;
use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::info;

use super::appender::Loose;
use super::folder::DATA;
use super::ring::{self, BLOCK_BYTES, BUFFER_BYTES, Buffer, Buffers, RingFile};
use crate::blocking;

/// Writes of one recording on their way at a time.
const IN_FLIGHT: usize = 4;

/// Less than this goes through the page cache: not worth another descriptor.
const DIRECT_FROM_BYTES: usize = 256 << 10;

/// A recording for which nothing came for this long gathers in vain while
/// others wait.
const PAUSE: Duration = Duration::from_millis(2);

const BLOCK: u64 = BLOCK_BYTES as u64;

/// A recording that somebody is about to add to.
#[derive(Debug)]
pub(super) struct Begun {
    path: PathBuf,
    file: Arc<File>,
    /// Where to go on.
    end: u64,
    /// The bytes before that, from the last block boundary on.
    tail: Vec<u8>,
}

impl Begun {
    /// That of the upload in `dir`, which is open as `file` and goes on at
    /// `end`. Blocks on the disk.
    pub(super) fn at(dir: &Path, file: Arc<File>, end: u64) -> io::Result<Begun> {
        let mut tail = vec![0; (end % BLOCK) as usize];
        file.read_exact_at(&mut tail, end - end % BLOCK)?;
        Ok(Begun {
            path: dir.join(DATA),
            file,
            end,
            tail,
        })
    }
}

/// The data file of an upload, open for appending.
#[derive(Debug)]
pub(super) struct Recording {
    path: PathBuf,
    file: Arc<File>,
    buffered: Option<Rc<RingFile>>,
    direct: Direct,
    /// End of what was appended.
    end: u64,
    gathering: Option<Gathering>,
    /// The bytes from the last block boundary to `end`, while none are gathered.
    tail: Vec<u8>,
    /// `tail` is not in the file yet, or was not left to a commit.
    tail_is_new: bool,
    in_flight: VecDeque<JoinHandle<io::Result<()>>>,
    /// A write failed: nobody knows what the file holds.
    has_failed: bool,
}

#[derive(Debug)]
enum Direct {
    /// The file system has no direct writes.
    Impossible,
    /// Not tried so far.
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
    /// Goes on with it on this thread's ring.
    pub(super) fn new(begun: Begun) -> Recording {
        Recording {
            path: begun.path,
            file: begun.file,
            buffered: None,
            direct: Direct::Closed,
            end: begun.end,
            gathering: None,
            tail: begun.tail,
            tail_is_new: false,
            in_flight: VecDeque::new(),
            has_failed: false,
        }
    }

    /// Where the next byte goes.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Adds `bytes`; not in the file yet.
    pub(super) async fn append(&mut self, mut bytes: Bytes) -> io::Result<()> {
        while !bytes.is_empty() {
            let gathering = self.gather().await;
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

    /// Writes what was appended, but for a rest of less than 256 KiB, and waits
    /// until it is in the file.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        if self.gathered() >= DIRECT_FROM_BYTES {
            self.let_go().await?;
        }
        self.wait_for_fewer_than(1).await?;
        match self.has_failed {
            true => Err(io::Error::other("an earlier write failed")),
            false => Ok(()),
        }
    }

    /// The rest, after [`Recording::flush`]: it is left to the commit.
    pub(super) fn take_loose(&mut self) -> Loose {
        if let Some(gathering) = self.gathering.take() {
            self.tail = gathering.buffer[..gathering.filled].to_vec();
            self.tail_is_new = true;
        }
        let bytes = Bytes::from(std::mem::take(&mut self.tail));
        let position = self.end - bytes.len() as u64;
        self.tail = bytes[bytes.len() - (self.end % BLOCK) as usize..].to_vec();
        match std::mem::take(&mut self.tail_is_new) {
            true => Loose { bytes, position },
            false => Loose::default(),
        }
    }

    fn gathered(&self) -> usize {
        self.gathering.as_ref().map_or(0, |some| some.filled)
    }

    /// Waits until nothing is on its way to the file any more.
    pub(super) async fn close(mut self) {
        // What could not be written was not told to anybody.
        let _ = self.wait_for_fewer_than(1).await;
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
        let file = match &self.direct {
            Direct::Open(file) => Rc::clone(file),
            Direct::Closed | Direct::Impossible => self.buffered()?,
        };
        self.wait_for_fewer_than(IN_FLIGHT).await?;
        self.in_flight.push_back(ring::spawn(async move {
            file.write(&buffers, buffer, blocks, start).await
        }));
        Ok(())
    }

    async fn open_direct(&mut self) -> io::Result<()> {
        let (path, file) = (self.path.clone(), Arc::clone(&self.file));
        let opened = blocking::run(move || {
            if !allows_direct_writes(&file) {
                return Ok(None);
            }
            let mut options = File::options();
            options
                .write(true)
                .custom_flags(nix::libc::O_DIRECT | nix::libc::O_NOFOLLOW);
            match options.open(path) {
                // A file system that passes on the promise of one below it.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(None),
                opened => opened.map(Some),
            }
        });
        self.direct = match opened.await? {
            Some(file) => Direct::Open(Rc::new(RingFile::direct(file))),
            None => {
                tell_once();
                Direct::Impossible
            }
        };
        Ok(())
    }

    fn buffered(&mut self) -> io::Result<Rc<RingFile>> {
        if let Some(file) = &self.buffered {
            return Ok(Rc::clone(file));
        }
        let file = Rc::new(RingFile::buffered(self.file.try_clone()?));
        Ok(Rc::clone(self.buffered.insert(file)))
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

    async fn gather(&mut self) -> &mut Gathering {
        let gathering = match self.gathering.take() {
            Some(gathering) => gathering,
            None => {
                let buffers = ring::buffers();
                let mut buffer = buffers.take().await;
                buffer[..self.tail.len()].copy_from_slice(&self.tail);
                Gathering {
                    buffer,
                    wanted: buffers.wanted(),
                    buffers,
                    start: self.end - self.end % BLOCK,
                    filled: self.tail.len(),
                }
            }
        };
        self.gathering.insert(gathering)
    }
}

/// Reserves disk space for `[0, length)` and makes the file at least that long.
/// Blocks on the disk.
pub(super) fn reserve(file: &File, length: u64) -> io::Result<()> {
    if length == 0 {
        return Ok(());
    }
    let bytes = i64::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?;
    loop {
        match fallocate(file, FallocateFlags::empty(), 0, bytes) {
            Err(Errno::EINTR) => {}
            outcome => return Ok(outcome?),
        }
    }
}

/// Whether whole blocks can be written past the page cache (statx(2),
/// STATX_DIOALIGN).
fn allows_direct_writes(file: &File) -> bool {
    use rustix::fs::{AtFlags, StatxFlags, statx};
    let aligned = |bytes: u32| bytes > 0 && BLOCK_BYTES.is_multiple_of(bytes as usize);
    statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN)
        .is_ok_and(|found| aligned(found.stx_dio_mem_align) && aligned(found.stx_dio_offset_align))
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

    async fn write(dir: &Path, seed: usize, is_refused: bool) {
        let content = content();
        std::fs::create_dir(dir).unwrap();
        let path = &dir.join(DATA);
        reserve(&File::create_new(path).unwrap(), LENGTH as u64).unwrap();
        let (mut end, mut synced) = (0, 0);
        let mut pieces = pieces(seed);
        while end < LENGTH {
            let file = Arc::new(File::options().read(true).write(true).open(path).unwrap());
            let begun = Begun::at(dir, Arc::clone(&file), synced as u64);
            let mut recording = Recording::new(begun.unwrap());
            if is_refused {
                recording.direct = Direct::Impossible;
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
                    let loose = recording.take_loose();
                    file.write_all_at(&loose.bytes, loose.position).unwrap();
                    synced = end;
                    assert!(
                        std::fs::read(path).unwrap()[..end] == content[..end],
                        "{end}"
                    );
                }
            }
            // What was not synced is written once more by the next one.
            recording.close().await;
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
