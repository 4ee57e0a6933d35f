//! The transcript: `transcript.jsonl` in the upload's folder, one
//! [`Segment`] as JSON per line, in order of time.
//!
//! It is written to `transcript.part` segment by segment, so that its length
//! never sits in memory and it can be read along, and gets its name once it is
//! whole and durable. Until then `transcript.reached` holds how much of it is
//! durable, written from time to time, so that what was transcribed before a crash is not
//! transcribed again.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::protocol::wire::FRAME_MAX_BYTES;
use crate::protocol::{Reached, Segment};
use crate::render::{Read, Segments};
use crate::store::regular_file;
use crate::store::{Free, remove_durably, replace_durably, sync_dir};

const FILE: &str = "transcript.jsonl";
const PART: &str = "transcript.part";
const REACHED: &str = "transcript.reached";

/// How often: a crash costs at most so much work and a window.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(5);

/// `transcript.reached`.
#[derive(Debug, Serialize, Deserialize)]
struct Checkpoint {
    /// Bytes of the part that are durable.
    bytes: u64,
    /// What they were made by and from.
    made_by: String,
    reached: Reached,
}

/// So much is read along at a time, if no segment is longer.
const PIECE_BYTES: u64 = 16 << 10;

/// Longest line: a segment comes in one frame.
const LINE_MAX_BYTES: u64 = 2 * FRAME_MAX_BYTES as u64;

/// A transcript that is being written. Its calls block on the disk.
#[derive(Debug)]
pub struct Part {
    dir: PathBuf,
    file: File,
    bytes: u64,
    keep_free_bytes: u64,
    /// See [`Part::begin`].
    made_by: String,
    /// When the last checkpoint was written.
    written_at: Option<Instant>,
    /// The next checkpoint.
    unwritten: Option<Checkpoint>,
}

impl Part {
    /// Goes on with an unfinished one that was `made_by` the same model in the
    /// same way, and returns how far that had come; else starts anew.
    pub fn begin(dir: &Path, made_by: &str) -> io::Result<(Part, Option<Reached>)> {
        let mut options = File::options();
        options.write(true).create(true).truncate(false).mode(0o600);
        let mut file = regular_file::open_with(&dir.join(PART), &mut options)?;
        let length = file.metadata()?.len();
        let checkpoint = checkpoint(dir)?
            .filter(|checkpoint| checkpoint.made_by == made_by && checkpoint.bytes <= length);
        let bytes = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.bytes);
        file.set_len(bytes)?;
        file.seek(SeekFrom::End(0))?;
        let part = Part {
            dir: dir.into(),
            file,
            bytes,
            keep_free_bytes: 0,
            made_by: made_by.to_owned(),
            written_at: None,
            unwritten: None,
        };
        Ok((part, checkpoint.map(|checkpoint| checkpoint.reached)))
    }

    /// The same, which takes no more disk space once only so much is left.
    pub fn keeping_free(self, keep_free_bytes: u64) -> Part {
        Part {
            keep_free_bytes,
            ..self
        }
    }

    /// The segments so far are all of this much audio; makes that durable from
    /// time to time.
    pub fn reached(&mut self, reached: Reached) -> io::Result<()> {
        self.unwritten = Some(Checkpoint {
            bytes: self.bytes,
            made_by: self.made_by.clone(),
            reached,
        });
        let written = self.written_at.map(|at| at.elapsed());
        match written.is_some_and(|ago| ago < CHECKPOINT_EVERY) {
            true => Ok(()),
            false => self.checkpoint(),
        }
    }

    /// Leaves it as it is: the next attempt goes on from what was reached last.
    pub fn pause(mut self) -> io::Result<()> {
        self.checkpoint()
    }

    fn checkpoint(&mut self) -> io::Result<()> {
        if let Some(checkpoint) = self.unwritten.take() {
            self.file.sync_data()?;
            replace_durably(&self.dir, REACHED, &serde_json::to_vec(&checkpoint)?)?;
            self.written_at = Some(Instant::now());
        }
        Ok(())
    }

    /// How many bytes there are.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds a segment, which can be followed at once; returns how many bytes
    /// there are now. [`io::ErrorKind::StorageFull`] if the disk has no space for it.
    pub fn push(&mut self, segment: &Segment) -> io::Result<u64> {
        let mut line = serde_json::to_vec(segment)?;
        line.push(b'\n');
        let needed_bytes = self.keep_free_bytes.saturating_add(line.len() as u64);
        if Free::at(&self.dir)?.bytes < needed_bytes {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write_all(&line)?;
        self.bytes = self.bytes.saturating_add(line.len() as u64);
        Ok(self.bytes)
    }

    /// Makes it the transcript, durably when this returns.
    pub fn finish(self) -> io::Result<()> {
        self.file.sync_all()?;
        // First, so that it never counts for another one.
        forget_checkpoint(&self.dir)?;
        std::fs::rename(self.dir.join(PART), self.dir.join(FILE))?;
        sync_dir(&self.dir)
    }

    /// Removes it.
    pub fn discard(self) {
        // What cannot be removed now is overwritten by the next attempt.
        let _ = forget_checkpoint(&self.dir);
        let _ = std::fs::remove_file(self.dir.join(PART));
    }
}

/// One that cannot be read is as good as none.
fn checkpoint(dir: &Path) -> io::Result<Option<Checkpoint>> {
    match regular_file::read(&dir.join(REACHED)) {
        Ok(json) => Ok(serde_json::from_slice(&json).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn forget_checkpoint(dir: &Path) -> io::Result<()> {
    match remove_durably(dir, REACHED) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether there is one.
pub fn exists(dir: &Path) -> bool {
    dir.join(FILE).exists()
}

/// How many bytes a finished one has.
pub fn bytes(dir: &Path) -> io::Result<u64> {
    Ok(std::fs::metadata(dir.join(FILE))?.len())
}

/// Removes it; returns how many bytes of disk that freed.
pub fn remove(dir: &Path) -> io::Result<u64> {
    remove_durably(dir, FILE)
}

/// Opens a complete transcript. It can be read as often as is necessary, also
/// after it was deleted or replaced. Blocks on the disk, and so do its segments.
pub fn open(dir: &Path) -> io::Result<Read> {
    let file = Arc::new(regular_file::open(&dir.join(FILE))?);
    Ok(Arc::new(move || -> Segments {
        let bytes = Bytes {
            file: Arc::clone(&file),
            position: 0,
        };
        let mut lines = BufReader::with_capacity(PIECE_BYTES as usize, bytes);
        let mut line = Vec::new();
        Box::new(std::iter::from_fn(move || {
            next(&mut lines, &mut line).transpose()
        }))
    }))
}

/// The next segment.
fn next(lines: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<Segment>> {
    line.clear();
    lines.take(LINE_MAX_BYTES).read_until(b'\n', line)?;
    match line.is_empty() {
        true => Ok(None),
        // What is longer than a line can be is none.
        false => Ok(Some(serde_json::from_slice(line)?)),
    }
}

/// The bytes of a file, from a position of their own.
struct Bytes {
    file: Arc<File>,
    position: u64,
}

impl io::Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.position)?;
        self.position = self.position.saturating_add(count as u64);
        Ok(count)
    }
}

/// Some segments of a transcript that is being written, or just was: those
/// that begin at `from`, of the bytes up to `end`; and where the next ones
/// begin. None if it is there no longer or was begun anew. Blocks on the disk.
pub fn read_along(dir: &Path, from: u64, end: u64) -> io::Result<(Vec<Segment>, u64)> {
    let file = match regular_file::open(&dir.join(PART)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            regular_file::open(&dir.join(FILE))
        }
        opened => opened,
    };
    let nothing = Ok((Vec::new(), end));
    let file = match file {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return nothing,
        opened => opened?,
    };
    let left = end.saturating_sub(from);
    let mut piece = vec![0; left.min(PIECE_BYTES) as usize];
    loop {
        match file.read_exact_at(&mut piece, from) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return nothing,
            read => read?,
        }
        let whole = piece.iter().rposition(|byte| *byte == b'\n');
        if let Some(last) = whole {
            piece.truncate(last.saturating_add(1));
            break;
        }
        if piece.len() as u64 >= left {
            return nothing;
        }
        piece.resize(left.min((piece.len() as u64).saturating_mul(2)) as usize, 0);
    }
    let lines = piece.split(|byte| *byte == b'\n');
    // What is none is the end of another attempt's segment.
    let segments = lines.filter_map(|line| serde_json::from_slice(line).ok());
    let next = from.saturating_add(piece.len() as u64);
    Ok((segments.collect(), next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(dir: &Path) -> Vec<Segment> {
        let read = open(dir).unwrap();
        let all = || -> Vec<Segment> { read().map(Result::unwrap).collect() };
        assert_eq!(all(), all(), "as often as it is read");
        all()
    }

    #[test]
    fn an_open_transcript_stays_what_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let write = |text: &str| {
            let (mut part, _) = Part::begin(dir.path(), "base").unwrap();
            for text in [text, "end"] {
                let text = text.to_owned();
                part.push(&Segment {
                    text,
                    ..Segment::default()
                })
                .unwrap();
            }
            part.finish().unwrap();
        };
        let texts = |segments: Segments| -> Vec<String> {
            segments.map(|segment| segment.unwrap().text).collect()
        };
        write("first");
        let read = open(dir.path()).unwrap();
        let mut begun = read();
        assert_eq!(begun.next().unwrap().unwrap().text, "first");
        write("second");
        assert_eq!(texts(begun), ["end"]);
        assert_eq!(texts(read()), ["first", "end"]);
        assert_eq!(texts(open(dir.path()).unwrap()()), ["second", "end"]);
        remove(dir.path()).unwrap();
        assert_eq!(texts(read()), ["first", "end"]);
        assert_eq!(
            open(dir.path()).err().map(|error| error.kind()),
            Some(io::ErrorKind::NotFound)
        );
    }

    #[test]
    fn a_damaged_line_is_an_error_and_takes_no_memory() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create(dir.path().join(FILE)).unwrap();
        file.set_len(64 << 30).unwrap();
        assert!(open(dir.path()).unwrap()().next().unwrap().is_err());
        let file = File::open(dir.path().join(FILE)).unwrap();
        let (mut lines, mut line) = (BufReader::new(file), Vec::new());
        next(&mut lines, &mut line).unwrap_err();
        assert_eq!(line.len() as u64, LINE_MAX_BYTES);
    }

    #[test]
    fn a_transcript_can_be_read_along() {
        let dir = tempfile::tempdir().unwrap();
        let segment = |length| Segment {
            start: 0.5,
            end: 1.0,
            text: "x".repeat(length),
            ..Segment::default()
        };
        let (mut part, _) = Part::begin(dir.path(), "base").unwrap();
        let lengths = [1, 3, 2 * PIECE_BYTES as usize + 1, 5, PIECE_BYTES as usize];
        let ends = lengths.map(|length| part.push(&segment(length)).unwrap());
        let all = |from, end| {
            let (mut found, mut position) = (Vec::new(), from);
            while position < end {
                let (some, next) = read_along(dir.path(), position, end).unwrap();
                assert!(next > position);
                position = next;
                found.extend(some.iter().map(|segment| segment.text.len()));
            }
            assert_eq!(position, end);
            found
        };
        assert_eq!(all(0, ends[1]), lengths[..2]);
        assert_eq!(all(ends[1], ends[4]), lengths[2..]);
        part.finish().unwrap();
        assert_eq!(all(0, ends[4]), lengths, "it has its name now");
        assert_eq!(all(ends[4], ends[4] + 9), [0; 0], "begun anew");
        std::fs::remove_file(dir.path().join(FILE)).unwrap();
        assert_eq!(all(0, ends[4]), [0; 0], "deleted");
    }

    #[test]
    fn a_transcript_leaves_the_disk_some_space() {
        let dir = tempfile::tempdir().unwrap();
        let (part, _) = Part::begin(dir.path(), "base").unwrap();
        let mut part = part.keeping_free(u64::MAX);
        let refused = part.push(&Segment::default()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        let mut part = part.keeping_free(0);
        part.push(&Segment::default()).unwrap();
        part.finish().unwrap();
        assert_eq!(all(dir.path()).len(), 1, "nothing of the other");
    }

    #[test]
    fn only_a_finished_transcript_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let segment = Segment {
            start: 0.5,
            end: 1.0,
            text: "hello".into(),
            ..Segment::default()
        };
        let (mut part, reached) = Part::begin(dir.path(), "base").unwrap();
        assert_eq!(reached, None);
        part.push(&segment).unwrap();
        assert!(open(dir.path()).is_err());
        part.finish().unwrap();
        assert_eq!(all(dir.path()), [segment]);
    }

    #[test]
    fn what_was_transcribed_before_a_crash_is_gone_on_with() {
        let dir = tempfile::tempdir().unwrap();
        let segment = |start| Segment {
            start,
            end: start + 0.5,
            text: "hello".into(),
            ..Segment::default()
        };
        let reached = Reached {
            done_s: 10.0,
            last_end_s: 1.0,
            language: Some("en".into()),
        };
        let (mut part, _) = Part::begin(dir.path(), "base").unwrap();
        part.push(&segment(0.5)).unwrap();
        part.reached(reached.clone()).unwrap();
        // Lost: no checkpoint says how much of the audio this is all of.
        part.push(&segment(11.0)).unwrap();
        drop(part);

        let (mut part, known) = Part::begin(dir.path(), "base").unwrap();
        assert_eq!(known, Some(reached));
        part.push(&segment(12.0)).unwrap();
        drop(part);
        let (mut part, known) = Part::begin(dir.path(), "base").unwrap();
        assert!(known.is_some(), "as often as need be");
        part.push(&segment(13.0)).unwrap();
        part.finish().unwrap();
        assert_eq!(all(dir.path()), [segment(0.5), segment(13.0)]);
        let (_, known) = Part::begin(dir.path(), "base").unwrap();
        assert_eq!(known, None, "of a finished one nothing is left");
    }

    #[test]
    fn what_another_model_made_or_what_is_damaged_counts_for_nothing() {
        let reached = || Reached {
            done_s: 10.0,
            last_end_s: 1.0,
            language: None,
        };
        type Damage = fn(&Path);
        let cases: [(&str, Damage); 4] = [
            ("large", |_| {}),
            ("base", |dir| {
                std::fs::write(dir.join(REACHED), "{").unwrap()
            }),
            ("base", |dir| std::fs::write(dir.join(PART), "").unwrap()),
            ("base", |dir| std::fs::remove_file(dir.join(PART)).unwrap()),
        ];
        for (made_by, damage) in cases {
            let dir = tempfile::tempdir().unwrap();
            let (mut part, _) = Part::begin(dir.path(), "base").unwrap();
            part.push(&Segment {
                start: 0.0,
                end: 1.0,
                text: "hello".into(),
                ..Segment::default()
            })
            .unwrap();
            part.reached(reached()).unwrap();
            drop(part);
            damage(dir.path());
            let (part, known) = Part::begin(dir.path(), made_by).unwrap();
            assert_eq!(known, None, "{made_by}");
            part.finish().unwrap();
            assert_eq!(all(dir.path()), [], "it starts anew");
        }
    }
}
