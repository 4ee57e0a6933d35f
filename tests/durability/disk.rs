//! A disk that remembers: a file served by FUSE, to be put under a loop device.
//!
//! Every write and every flush that completes is logged, in the order of
//! completion. Writes complete out of order, on several threads. A flush takes
//! a while, and what it makes durable are the writes that had completed when it
//! arrived; those that complete beside it may be lost.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, KernelConfig, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData,
    ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request, WriteFlags,
};

use crate::random::Random;

const WRITERS: usize = 4;
const WRITE_MAX_US: usize = 300;
const FLUSH_MIN_US: usize = 1000;
const FLUSH_MAX_US: usize = 2500;
const REQUEST_MAX_BYTES: u32 = 1 << 20;

/// Something that the disk completed.
#[derive(Debug)]
pub enum Entry {
    /// Bytes came to lie at this position.
    Write {
        /// Bytes from the start of the disk.
        at: u64,
        /// What.
        bytes: Box<[u8]>,
    },
    /// The first so many entries are durable.
    Flush {
        /// How many.
        covers: usize,
    },
}

/// What the disk did and what it shall fail at.
#[derive(Debug, Default)]
pub struct Recording {
    entries: Mutex<Vec<Entry>>,
    failing_writes: AtomicU64,
    /// How many of the writes that contain what.
    failing_content: Mutex<(u64, Vec<u8>)>,
    failing_flushes: AtomicU64,
    flush_lasts_ms: AtomicU64,
    /// Whether flushes wait, and who waits for that to change.
    holds_flushes: (Mutex<bool>, Condvar),
}

impl Recording {
    /// How much was completed by now.
    pub fn position(&self) -> usize {
        self.entries().len()
    }

    /// How many flushes were completed by now.
    pub fn flushes(&self) -> usize {
        let entries = self.entries();
        let flushes = entries
            .iter()
            .filter(|entry| matches!(entry, Entry::Flush { .. }));
        flushes.count()
    }

    /// The next so many writes fail with EIO.
    pub fn fail_writes(&self, count: u64) {
        self.failing_writes.store(count, Ordering::SeqCst);
    }

    /// The next so many flushes fail with EIO.
    pub fn fail_flushes(&self, count: u64) {
        self.failing_flushes.store(count, Ordering::SeqCst);
    }

    /// The next so many writes that contain `content` fail with EIO.
    pub fn fail_writes_of(&self, count: u64, content: &[u8]) {
        let failing = self.failing_content.lock();
        *failing.unwrap_or_else(PoisonError::into_inner) = (count, content.into());
    }

    /// Whether this write fails; counts it.
    fn fails_write(&self, data: &[u8]) -> bool {
        let failing = self.failing_content.lock();
        let (left, content) = &mut *failing.unwrap_or_else(PoisonError::into_inner);
        let hit = *left > 0 && data.windows(content.len()).any(|part| part == content);
        *left -= u64::from(hit);
        hit || fails(&self.failing_writes)
    }

    /// From now on each flush takes so much longer.
    pub fn slow_flushes(&self, longer: Duration) {
        let longer_ms = longer.as_millis() as u64;
        self.flush_lasts_ms.store(longer_ms, Ordering::SeqCst);
    }

    /// From now on flushes wait (`true`), or go on (`false`).
    pub fn hold_flushes(&self, holds: bool) {
        let (held, changed) = &self.holds_flushes;
        *held.lock().unwrap_or_else(PoisonError::into_inner) = holds;
        changed.notify_all();
    }

    fn wait_while_held(&self) {
        let (held, changed) = &self.holds_flushes;
        let held = held.lock().unwrap_or_else(PoisonError::into_inner);
        drop(changed.wait_while(held, |held| *held));
    }

    /// Takes everything away that was logged.
    pub fn take(&self) -> Vec<Entry> {
        std::mem::take(&mut self.entries())
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether this one fails; counts it.
fn fails(left: &AtomicU64) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
        left.checked_sub(1)
    })
    .is_ok()
}

/// The served disk. Nothing may use it any more when it is dropped.
pub struct Disk {
    folder: PathBuf,
    recording: Arc<Recording>,
    session: Option<BackgroundSession>,
}

impl Disk {
    /// Serves `image` at the empty folder `folder`.
    pub fn serve(image: &Path, folder: &Path, random: &mut Random) -> io::Result<Disk> {
        let image = Arc::new(File::options().read(true).write(true).open(image)?);
        let recording = Arc::new(Recording::default());
        let mut writers = Vec::new();
        for _ in 0..WRITERS {
            let (sender, writes) = mpsc::channel::<PendingWrite>();
            let (image, recording) = (Arc::clone(&image), Arc::clone(&recording));
            let mut random = random.fork();
            thread::spawn(move || {
                for write in writes {
                    nap(random.below(WRITE_MAX_US));
                    write.complete(&image, &recording);
                }
            });
            writers.push(sender);
        }
        let (flusher, flushes) = mpsc::channel::<PendingFlush>();
        let (logged, mut delays) = (Arc::clone(&recording), random.fork());
        thread::spawn(move || {
            for flush in flushes {
                nap(delays.between(FLUSH_MIN_US, FLUSH_MAX_US));
                let longer_ms = logged.flush_lasts_ms.load(Ordering::SeqCst);
                thread::sleep(Duration::from_millis(longer_ms));
                logged.wait_while_held();
                flush.complete(&logged);
            }
        });
        let server = Server {
            size_bytes: image.metadata()?.len(),
            image,
            recording: Arc::clone(&recording),
            writers,
            turns: Mutex::new(random.fork()),
            flusher,
        };
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("recording-disk".into())];
        let session = fuser::spawn_mount(server, folder, &config)?;
        Ok(Disk {
            folder: folder.into(),
            recording,
            session: Some(session),
        })
    }

    /// The file to put a loop device on.
    pub fn file(&self) -> PathBuf {
        self.folder.join(DISK)
    }

    /// What it remembers.
    pub fn recording(&self) -> &Arc<Recording> {
        &self.recording
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        crate::volume::unmount(&self.folder);
        if let Some(session) = self.session.take() {
            // Already unmounted; its threads end.
            let _ = session.umount_and_join();
        }
    }
}

fn nap(microseconds: usize) {
    thread::sleep(Duration::from_micros(microseconds as u64));
}

struct PendingWrite {
    at: u64,
    bytes: Box<[u8]>,
    reply: ReplyWrite,
}

impl PendingWrite {
    fn complete(self, image: &File, recording: &Recording) {
        if let Err(error) = image.write_all_at(&self.bytes, self.at) {
            eprintln!("the recording disk cannot write: {error}");
            return self.reply.error(Errno::EIO);
        }
        let count = self.bytes.len() as u32;
        recording.entries().push(Entry::Write {
            at: self.at,
            bytes: self.bytes,
        });
        self.reply.written(count);
    }
}

struct PendingFlush {
    /// Entries that were completed when it arrived.
    covers: usize,
    reply: ReplyEmpty,
}

impl PendingFlush {
    fn complete(self, recording: &Recording) {
        if fails(&recording.failing_flushes) {
            return self.reply.error(Errno::EIO);
        }
        let covers = self.covers;
        recording.entries().push(Entry::Flush { covers });
        self.reply.ok();
    }
}

const DISK: &str = "disk";
const DISK_INODE: INodeNo = INodeNo(2);
const FOREVER: Duration = Duration::from_secs(1 << 20);

struct Server {
    image: Arc<File>,
    size_bytes: u64,
    recording: Arc<Recording>,
    writers: Vec<mpsc::Sender<PendingWrite>>,
    turns: Mutex<Random>,
    flusher: mpsc::Sender<PendingFlush>,
}

impl Server {
    fn attributes(&self, inode: INodeNo) -> FileAttr {
        let (kind, size) = match inode {
            DISK_INODE => (FileType::RegularFile, self.size_bytes),
            _ => (FileType::Directory, 0),
        };
        FileAttr {
            ino: inode,
            size,
            blocks: size / 512,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind,
            perm: 0o600,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}

impl Filesystem for Server {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // The error is the nearest size that would do; the kernel's own is fine too.
        let _ = config.set_max_write(REQUEST_MAX_BYTES);
        Ok(())
    }

    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match name == DISK {
            true => reply.entry(&FOREVER, &self.attributes(DISK_INODE), Generation(0)),
            false => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&FOREVER, &self.attributes(inode));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let mut bytes = vec![0; size as usize];
        match self.image.read_at(&mut bytes, offset) {
            Ok(count) => reply.data(&bytes[..count]),
            Err(error) => reply.error(error.into()),
        }
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        if self.recording.fails_write(data) {
            return reply.error(Errno::EIO);
        }
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = turns.pick(&self.writers).send(PendingWrite {
            at: offset,
            bytes: data.into(),
            reply,
        });
        // The request of a writer that is gone is answered by its drop.
        drop(sent);
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let covers = self.recording.position();
        drop(self.flusher.send(PendingFlush { covers, reply }));
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }
}
