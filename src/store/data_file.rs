//! Writes the data file of an upload: received bytes are collected in buffers of
//! the ring and written with direct I/O, several buffers at a time.
//!
//! Direct writes consist of whole blocks. So the bytes after the last block
//! boundary, the tail, are kept in memory: a commit writes them through the page
//! cache, and when more bytes come they are copied to the start of the next
//! buffer.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Once};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::info;

use super::appender::UnflushedTail;
use super::folder::DATA;
use super::ring::{self, BLOCK_BYTES, BUFFER_BYTES, Buffer, Buffers, RingFile};
use crate::blocking;

/// Most writes of one upload in flight at a time.
const MAX_IN_FLIGHT: usize = 4;

/// Smaller writes use buffered I/O: they are not worth another descriptor.
const DIRECT_FROM_BYTES: usize = 256 << 10;

/// While others wait for a buffer, an upload that receives nothing for this long
/// must release its own.
const BUFFER_TIMEOUT: Duration = Duration::from_millis(2);

const BLOCK: u64 = BLOCK_BYTES as u64;

/// Where appending to a data file continues.
#[derive(Debug)]
pub(super) struct AppendPoint {
    path: PathBuf,
    file: Arc<File>,
    /// The position of the next byte.
    end: u64,
    /// The bytes from the last block boundary to `end`.
    tail: Vec<u8>,
}

impl AppendPoint {
    /// Reads the tail of the upload in `dir`, whose data file is open as `file`
    /// and continues at `end`. Blocks on the disk.
    pub(super) fn at(dir: &Path, file: Arc<File>, end: u64) -> io::Result<AppendPoint> {
        let mut tail = vec![0; (end % BLOCK) as usize];
        file.read_exact_at(&mut tail, end - end % BLOCK)?;
        Ok(AppendPoint {
            path: dir.join(DATA),
            file,
            end,
            tail,
        })
    }
}

/// The data file of an upload, open for appending.
#[derive(Debug)]
pub(super) struct DataFile {
    path: PathBuf,
    file: Arc<File>,
    buffered: Option<Rc<RingFile>>,
    direct: Direct,
    /// The position of the next byte.
    end: u64,
    filling: Option<Filling>,
    /// The bytes from the last block boundary to `end`, if there is no buffer.
    tail: Vec<u8>,
    /// `tail` has not been written or given to a commit.
    tail_is_new: bool,
    in_flight: VecDeque<JoinHandle<io::Result<()>>>,
    /// A write failed: the content of the file is unknown.
    has_failed: bool,
}

#[derive(Debug)]
enum Direct {
    /// The file system does not support direct I/O.
    Unsupported,
    /// Not tried yet.
    NotOpened,
    Open(Rc<RingFile>),
}

/// The buffer that received bytes are copied to.

#[derive(Debug)]
struct Filling {
    buffer: Buffer,
    buffers: Rc<Buffers>,
    /// How many uploads wait for a buffer.
    waiting: watch::Receiver<usize>,
    /// The position of the buffer in the file, at a block boundary.
    start: u64,
    filled: usize,
}

impl DataFile {
    /// Continues on this thread's ring.
    pub(super) fn new(point: AppendPoint) -> DataFile {
        DataFile {
            path: point.path,
            file: point.file,
            buffered: None,
            direct: Direct::NotOpened,
            end: point.end,
            filling: None,
            tail: point.tail,
            tail_is_new: false,
            in_flight: VecDeque::new(),
            has_failed: false,
        }
    }

    /// The position of the next byte.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Appends `bytes` to the buffers; they may not be written yet.
    pub(super) async fn append(&mut self, mut bytes: Bytes) -> io::Result<()> {
        while !bytes.is_empty() {
            let filling = self.filling_buffer().await;
            let count = bytes.len().min(BUFFER_BYTES - filling.filled);
            let piece = bytes.split_to(count);
            filling.buffer[filling.filled..][..count].copy_from_slice(&piece);
            filling.filled += count;
            let is_full = filling.filled == BUFFER_BYTES;
            self.end += count as u64;
            if is_full {
                self.release_buffer().await?;
            }
        }
        Ok(())
    }

    /// Resolves when another upload waits for a buffer; then
    /// [`DataFile::release_buffer`] should be called.
    pub(super) async fn buffer_requested(&mut self) {
        let Some(filling) = &mut self.filling else {
            return std::future::pending().await;
        };
        if filling.waiting.wait_for(|count| *count > 0).await.is_err() {
            std::future::pending().await
        }
        tokio::time::sleep(BUFFER_TIMEOUT).await;
    }

    /// Writes the buffer, which is then returned to the pool.
    pub(super) async fn release_buffer(&mut self) -> io::Result<()> {
        let written = self.write_filled().await;
        self.has_failed |= written.is_err();
        written
    }

    /// Writes the appended bytes except for a rest of less than 256 KiB, and
    /// waits for all writes.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        if self.filled_bytes() >= DIRECT_FROM_BYTES {
            self.release_buffer().await?;
        }
        self.wait_for_fewer_than(1).await?;
        match self.has_failed {
            true => Err(io::Error::other("an earlier write failed")),
            false => Ok(()),
        }
    }

    /// Takes the rest after [`DataFile::flush`], for the commit to write.
    pub(super) fn take_unflushed_tail(&mut self) -> UnflushedTail {
        if let Some(filling) = self.filling.take() {
            self.tail = filling.buffer[..filling.filled].to_vec();
            self.tail_is_new = true;
        }
        let bytes = Bytes::from(std::mem::take(&mut self.tail));
        let position = self.end - bytes.len() as u64;
        self.tail = bytes[bytes.len() - (self.end % BLOCK) as usize..].to_vec();
        match std::mem::take(&mut self.tail_is_new) {
            true => UnflushedTail { bytes, position },
            false => UnflushedTail::default(),
        }
    }

    fn filled_bytes(&self) -> usize {
        self.filling.as_ref().map_or(0, |some| some.filled)
    }

    /// Waits for the writes in flight.
    pub(super) async fn close(mut self) {
        // Errors do not matter: these bytes have not been reported to clients.
        let _ = self.wait_for_fewer_than(1).await;
    }

    async fn write_filled(&mut self) -> io::Result<()> {
        let Some(Filling {
            buffer,
            buffers,
            start,
            filled,
            ..
        }) = self.filling.take()
        else {
            return Ok(());
        };
        let blocks = filled - filled % BLOCK_BYTES;
        self.tail = buffer[blocks..filled].to_vec();
        self.tail_is_new = true;
        if blocks == 0 {
            return Ok(());
        }
        if blocks >= DIRECT_FROM_BYTES && matches!(self.direct, Direct::NotOpened) {
            self.open_direct().await?;
        }
        let file = match &self.direct {
            Direct::Open(file) => Rc::clone(file),
            Direct::NotOpened | Direct::Unsupported => self.buffered()?,
        };
        self.wait_for_fewer_than(MAX_IN_FLIGHT).await?;
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
                // A stacked file system that reports the alignment of the one
                // below it but does not support O_DIRECT.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(None),
                opened => opened.map(Some),
            }
        });
        self.direct = match opened.await? {
            Some(file) => Direct::Open(Rc::new(RingFile::direct(file))),
            None => {
                log_once();
                Direct::Unsupported
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

    async fn filling_buffer(&mut self) -> &mut Filling {
        let filling = match self.filling.take() {
            Some(filling) => filling,
            None => {
                let buffers = ring::buffers();
                let mut buffer = buffers.take().await;
                buffer[..self.tail.len()].copy_from_slice(&self.tail);
                Filling {
                    buffer,
                    waiting: buffers.waiting(),
                    buffers,
                    start: self.end - self.end % BLOCK,
                    filled: self.tail.len(),
                }
            }
        };
        self.filling.insert(filling)
    }
}

/// Whether whole blocks can be written with direct I/O (statx(2), STATX_DIOALIGN).
fn allows_direct_writes(file: &File) -> bool {
    use rustix::fs::{AtFlags, StatxFlags, statx};
    let aligned = |bytes: u32| bytes > 0 && BLOCK_BYTES.is_multiple_of(bytes as usize);
    statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN)
        .is_ok_and(|found| aligned(found.stx_dio_mem_align) && aligned(found.stx_dio_offset_align))
}

fn log_once() {
    static LOGGED: Once = Once::new();
    LOGGED.call_once(|| {
        info!("the state directory's file system does not support direct I/O; uploads are written through the page cache");
    });
}

#[cfg(test)]
mod tests {
    use super::super::reservation::reserve;
    use super::*;

    const LENGTH: usize = 5 * BUFFER_BYTES + 12_345;

    fn content() -> Bytes {
        (0..LENGTH)
            .map(|at| (at ^ at >> 8 ^ at >> 16) as u8)
            .collect::<Vec<u8>>()
            .into()
    }

    /// Sizes of all kinds: small, odd, whole blocks, larger than a buffer.
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

    async fn write(dir: &Path, seed: usize, is_unsupported: bool) {
        let content = content();
        std::fs::create_dir(dir).unwrap();
        let path = &dir.join(DATA);
        reserve(&File::create_new(path).unwrap(), LENGTH as u64).unwrap();
        let (mut end, mut synced) = (0, 0);
        let mut pieces = pieces(seed);
        while end < LENGTH {
            let file = Arc::new(File::options().read(true).write(true).open(path).unwrap());
            let point = AppendPoint::at(dir, Arc::clone(&file), synced as u64);
            let mut recording = DataFile::new(point.unwrap());
            if is_unsupported {
                recording.direct = Direct::Unsupported;
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
                    let tail = recording.take_unflushed_tail();
                    file.write_all_at(&tail.bytes, tail.position).unwrap();
                    synced = end;
                    assert!(
                        std::fs::read(path).unwrap()[..end] == content[..end],
                        "{end}"
                    );
                }
            }
            // What was not synced is written again in the next round.
            recording.close().await;
        }
    }

    #[test]
    fn every_byte_is_in_its_place_for_all_sizes_of_writes() {
        let disk = std::env::temp_dir;
        for (dir, is_unsupported) in [(disk(), false), (disk(), true), ("/dev/shm".into(), false)] {
            let dir = tempfile::tempdir_in(dir).unwrap();
            ring::run(async {
                // More writers than buffers.
                let writers: Vec<_> = (0..9)
                    .map(|seed| {
                        let path = dir.path().join(seed.to_string());
                        ring::spawn(async move { write(&path, seed, is_unsupported).await })
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
