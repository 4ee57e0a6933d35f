//! For tests: a disk in memory that loses, tears and reorders unsynced writes.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

use bytes::Bytes;

use super::appender::SyncFile;

/// A fixed number of files.
#[derive(Debug, Clone)]
pub(super) struct MemoryDisk(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    files: RefCell<Vec<Content>>,
    /// Operations that still succeed.
    operations_left: Cell<usize>,
}

#[derive(Debug, Default, Clone)]
struct Content {
    stable: Vec<u8>,
    /// Unsynced writes, oldest first.
    unsynced: Vec<(usize, Bytes)>,
}

/// A file on the disk.
#[derive(Debug)]
pub(super) struct MemoryFile {
    disk: MemoryDisk,
    index: usize,
}

impl MemoryDisk {
    pub(super) fn new(files: usize) -> MemoryDisk {
        MemoryDisk(Rc::new(Inner {
            files: RefCell::new(vec![Content::default(); files]),
            operations_left: Cell::new(0),
        }))
    }

    pub(super) fn file(&self, index: usize) -> MemoryFile {
        MemoryFile {
            disk: self.clone(),
            index,
        }
    }

    /// Sets the initial content of a file.
    pub(super) fn put_durably(&self, index: usize, content: &[u8]) {
        self.0.files.borrow_mut()[index].stable = content.into();
    }

    /// The content that a program reads, including unsynced writes.
    pub(super) fn read(&self, index: usize) -> Vec<u8> {
        let mut file = self.0.files.borrow()[index].clone();
        file.sync();
        file.stable
    }

    pub(super) fn sync_all(&self) {
        self.0.files.borrow_mut().iter_mut().for_each(Content::sync);
    }

    /// From now on this many operations succeed, and then none.
    pub(super) fn power_on(&self, operations: usize) {
        self.0.operations_left.set(operations);
    }

    /// A power failure: each unsynced write is lost, kept or torn, in any order,
    /// as `fates` decides.
    pub(super) fn fail_power(&self, fates: &[u8]) {
        let mut fates = fates.iter().copied().chain(std::iter::repeat(0));
        let mut fate = || usize::from(fates.next().unwrap_or(0));
        for file in self.0.files.borrow_mut().iter_mut() {
            let mut unsynced = std::mem::take(&mut file.unsynced);
            while !unsynced.is_empty() {
                let (position, bytes) = unsynced.remove(fate() % unsynced.len());
                // More often near the beginning, where the fields of a slot are.
                let part = |at: usize| bytes.len() * at * at / 65536;
                match fate() % 4 {
                    0 => {}
                    1 => file.write(position, &bytes),
                    2 => file.write(position, &bytes[..part(fate())]),
                    _ => {
                        let from = part(fate());
                        file.write(position + from, &bytes[from..]);
                    }
                }
            }
        }
    }

    fn spend(&self) -> io::Result<()> {
        let left = self.0.operations_left.get();
        let left = left.checked_sub(1).ok_or(io::ErrorKind::BrokenPipe)?;
        self.0.operations_left.set(left);
        Ok(())
    }
}

impl Content {
    fn write(&mut self, position: usize, bytes: &[u8]) {
        let end = position + bytes.len();
        if self.stable.len() < end {
            self.stable.resize(end, 0);
        }
        self.stable[position..end].copy_from_slice(bytes);
    }

    fn sync(&mut self) {
        for (position, bytes) in std::mem::take(&mut self.unsynced) {
            self.write(position, &bytes);
        }
    }
}

impl SyncFile for MemoryFile {
    fn write_all(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        // The write in progress at a power failure may reach the disk too.
        let powered = self.disk.spend();
        let bytes = Bytes::copy_from_slice(bytes);
        self.disk.0.files.borrow_mut()[self.index]
            .unsynced
            .push((position as usize, bytes));
        powered
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.spend()?;
        self.disk.0.files.borrow_mut()[self.index].sync();
        Ok(())
    }
}
