//! Joins partial uploads: copies their bytes one after the other into the
//! recording of a final upload, which one write of its record completes. A crash
//! before that write loses only the copying. Everything here blocks on the disk.

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
use super::reservation::reserve;
use super::writer::{open_for_writing, set_aside};

/// How much one step copies; the caller may stop between steps.
const STEP_BYTES: u64 = 64 << 20;

/// Why uploads cannot be joined.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The final upload cannot be opened.
    #[error(transparent)]
    Whole(OpenError),
    /// A partial upload cannot be opened.
    #[error("{0}: {1}")]
    Part(Uuid, OpenError),
    /// Some partial uploads are not complete, or are locked by a writer.
    #[error("not all partial uploads are complete")]
    Waiting,
}

/// A final upload that is being joined; it and all its parts are locked.
#[derive(Debug)]
pub struct Join {
    layout: Layout,
    dir: PathBuf,
    files: Appender<Arc<File>>,
    /// The distinct partial uploads.
    parts: Vec<Parked>,
    /// Directory and length of each part, in the order of concatenation.
    order: Vec<(PathBuf, u64)>,
    /// How many entries of `order` are completely copied.
    copied: usize,
    /// How many bytes are copied.
    position: u64,
    length: u64,
}

impl Join {
    /// Locks the final upload and its parts.
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

    /// The length of the final upload in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The state of the final upload.
    pub fn record(&self) -> Record {
        self.files.record()
    }

    /// Copies up to 64 MiB more; returns false when everything is copied. The
    /// kernel copies (copy_file_range(2)): it shares blocks if the file system
    /// supports it and they are aligned. The first step reserves the disk space
    /// for all bytes.
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

    /// Makes the final upload durable; then the parts may be removed. After an
    /// error the state on disk is unknown, and the upload is set aside.
    pub fn finish(mut self) -> io::Result<Record> {
        let now = Moment::now();
        if let Err(error) = self.files.complete(self.length, now) {
            set_aside(&self.layout, &self.dir, &self.files)?;
            return Err(error);
        }
        for part in &mut self.parts {
            // If this fails the part only lives longer.
            let _ = part.mark_joined(now);
        }
        Ok(self.files.record())
    }
}
