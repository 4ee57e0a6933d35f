//! Joining partial uploads: their bytes are put one after the other into the
//! recording of a final one, which becomes whole by one write of its record.
//! Until then it is what it was, and a crash costs nothing but the work.
//! Everything here blocks on the disk.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use uuid::Uuid;

use super::Layout;
use super::appender::Appender;
use super::folder::{OpenError, Parked, open_recording};
use super::moment::Moment;
use super::record::Record;
use super::recording::reserve;
use super::writer::{open_for_writing, set_aside};

/// So much is copied at a time; somebody may want to stop in between.
const STEP_BYTES: u64 = 64 << 20;

/// Why uploads cannot be joined.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The final upload.
    #[error(transparent)]
    Whole(OpenError),
    /// One of the partial ones.
    #[error("{0}: {1}")]
    Part(Uuid, OpenError),
    /// Some are not complete, or somebody writes to them.
    #[error("not all partial uploads are complete")]
    Waiting,
}

/// A final upload in the making; it and all its parts are held locked.
#[derive(Debug)]
pub struct Join {
    layout: Layout,
    dir: PathBuf,
    files: Appender<Arc<File>>,
    /// Each once.
    parts: Vec<Parked>,
    /// Where the parts' bytes lie and how many there are, in order.
    order: Vec<(PathBuf, u64)>,
    /// How many of `order` are copied whole, and how much of the next one.
    copied: usize,
    position: u64,
    length: u64,
}

impl Join {
    /// Locks everything that takes part.
    pub fn begin(layout: &Layout, id: Uuid, parts: &[Uuid]) -> Result<Join, JoinError> {
        let whole = Parked::lock(layout, id).map_err(JoinError::Whole)?;
        let record = whole.record;
        let (dir, offset) = whole.into_parts();
        let data = open_for_writing(&dir).map_err(|error| JoinError::Whole(error.into()))?;
        let mut distinct = parts.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let mut locked = Vec::with_capacity(distinct.len());
        for part in &distinct {
            match Parked::lock(layout, *part) {
                Ok(parked) if parked.record.is_finished() => locked.push(parked),
                Ok(_) | Err(OpenError::Locked) => return Err(JoinError::Waiting),
                Err(error) => return Err(JoinError::Part(*part, error)),
            }
        }
        let order: Vec<(PathBuf, u64)> = parts
            .iter()
            .filter_map(|part| {
                let at = distinct.binary_search(part).ok()?;
                Some((layout.upload(*part), locked[at].record.offset))
            })
            .collect();
        Ok(Join {
            layout: layout.clone(),
            dir,
            files: Appender::new(Arc::new(data), Arc::new(offset), record),
            parts: locked,
            copied: 0,
            position: 0,
            length: order
                .iter()
                .fold(0, |sum, (_, length)| sum.saturating_add(*length)),
            order,
        })
    }

    /// Bytes of the whole.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The state of the final upload.
    pub fn record(&self) -> Record {
        self.files.record()
    }

    /// Copies some more bytes; false when all are there. The kernel does it:
    /// it shares blocks where the file system can do that and they lie
    /// evenly, and copies the others. The first step takes the disk space for
    /// all of them.
    pub fn step(&mut self) -> io::Result<bool> {
        if self.copied == 0 && self.position == 0 {
            self.files.data().set_len(self.length)?;
            reserve(self.files.data(), self.length)?;
        }
        let Some((dir, length)) = self.order.get(self.copied) else {
            return Ok(false);
        };
        let before: u64 = self.order[..self.copied]
            .iter()
            .map(|(_, length)| length)
            .sum();
        let start = self.position - before;
        let count = STEP_BYTES.min(length - start);
        let mut part = open_recording(dir)?;
        part.seek(SeekFrom::Start(start))?;
        let mut whole: &File = self.files.data();
        whole.seek(SeekFrom::Start(self.position))?;
        if io::copy(&mut part.take(count), &mut whole)? != count {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.position += count;
        self.copied += usize::from(start + count == *length);
        Ok(true)
    }

    /// Makes the whole durable; then the parts may go. After an error nobody
    /// knows what the disk holds of it: it is set aside.
    pub fn finish(mut self) -> io::Result<Record> {
        let now = Moment::now();
        if let Err(error) = self.files.complete(self.length, now) {
            set_aside(&self.layout, &self.dir, &self.files)?;
            return Err(error);
        }
        for part in &mut self.parts {
            // It merely lives longer if this is lost.
            let _ = part.mark_joined(now);
        }
        Ok(self.files.record())
    }
}
