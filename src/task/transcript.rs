//! The transcript: `transcript.jsonl` in the upload's folder, one
//! [`Segment`] as JSON per line, in order of time.
//!
//! It is written to `transcript.part` segment by segment, so that its length
//! never sits in memory and it can be read along, and gets its name once it is
//! whole and durable.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::protocol::Segment;
use crate::store::{remove_durably, sync_dir};

const FILE: &str = "transcript.jsonl";
const PART: &str = "transcript.part";

/// So much is read along at a time, if no segment is longer.
const PIECE_BYTES: u64 = 16 << 10;

/// A transcript that is being written. Its calls block on the disk.
#[derive(Debug)]
pub struct Part {
    dir: PathBuf,
    file: File,
    bytes: u64,
}

impl Part {
    /// Starts anew; an older unfinished one is forgotten.
    pub fn begin(dir: &Path) -> io::Result<Part> {
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(dir.join(PART))?;
        Ok(Part {
            dir: dir.into(),
            file,
            bytes: 0,
        })
    }

    /// Adds a segment, which can be read along at once; tells how many bytes
    /// there are now.
    pub fn push(&mut self, segment: &Segment) -> io::Result<u64> {
        let mut line = serde_json::to_vec(segment)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.bytes += line.len() as u64;
        Ok(self.bytes)
    }

    /// Makes it the transcript, durably when this returns.
    pub fn finish(self) -> io::Result<()> {
        self.file.sync_all()?;
        std::fs::rename(self.dir.join(PART), self.dir.join(FILE))?;
        sync_dir(&self.dir)
    }

    /// Takes it away.
    pub fn discard(self) {
        // What cannot be removed now is overwritten by the next attempt.
        let _ = std::fs::remove_file(self.dir.join(PART));
    }
}

/// Whether there is one.
pub fn exists(dir: &Path) -> bool {
    dir.join(FILE).exists()
}

/// Takes it away; tells how many bytes of disk that freed.
pub fn remove(dir: &Path) -> io::Result<u64> {
    remove_durably(dir, FILE)
}

/// The segments of a transcript, read as they are asked for.
pub fn read(dir: &Path) -> io::Result<impl Iterator<Item = io::Result<Segment>> + use<>> {
    let lines = BufReader::new(File::open(dir.join(FILE))?).lines();
    Ok(lines.map(|line| Ok(serde_json::from_str(&line?)?)))
}

/// Some segments of a transcript that is being written, or just was: those
/// that begin at `from`, of the bytes up to `end`; and where the next ones
/// begin. None if it is there no longer or was begun anew. Blocks on the disk.
pub fn read_along(dir: &Path, from: u64, end: u64) -> io::Result<(Vec<Segment>, u64)> {
    let file = match File::open(dir.join(PART)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => File::open(dir.join(FILE)),
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
            piece.truncate(last + 1);
            break;
        }
        if piece.len() as u64 >= left {
            return nothing;
        }
        piece.resize(left.min(piece.len() as u64 * 2) as usize, 0);
    }
    let lines = piece.split(|byte| *byte == b'\n');
    // What is none is the end of another attempt's segment.
    let segments = lines.filter_map(|line| serde_json::from_slice(line).ok());
    Ok((segments.collect(), from + piece.len() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transcript_can_be_read_along() {
        let dir = tempfile::tempdir().unwrap();
        let segment = |length| Segment {
            start: 0.5,
            end: 1.0,
            text: "x".repeat(length),
        };
        let mut part = Part::begin(dir.path()).unwrap();
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
    fn only_a_finished_transcript_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let segment = Segment {
            start: 0.5,
            end: 1.0,
            text: "hello".into(),
        };
        let mut part = Part::begin(dir.path()).unwrap();
        part.push(&segment).unwrap();
        assert!(read(dir.path()).is_err());
        part.finish().unwrap();
        let read: Vec<Segment> = read(dir.path()).unwrap().map(Result::unwrap).collect();
        assert_eq!(read, [segment]);
    }
}
