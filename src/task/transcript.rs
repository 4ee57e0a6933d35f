//! The transcript: `transcript.jsonl` in the upload's folder, one
//! [`Segment`] as JSON per line, in order of time.
//!
//! It is written to `transcript.part` segment by segment, so that its length
//! never sits in memory, and gets its name once it is whole and durable.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::protocol::Segment;
use crate::store::{remove_durably, sync_dir};

const FILE: &str = "transcript.jsonl";
const PART: &str = "transcript.part";

/// A transcript that is being written. Its calls block on the disk.
#[derive(Debug)]
pub struct Part {
    dir: PathBuf,
    file: BufWriter<File>,
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
            file: BufWriter::new(file),
        })
    }

    /// Adds a segment.
    pub fn push(&mut self, segment: &Segment) -> io::Result<()> {
        serde_json::to_writer(&mut self.file, segment)?;
        self.file.write_all(b"\n")
    }

    /// Makes it the transcript, durably when this returns.
    pub fn finish(self) -> io::Result<()> {
        let file = self.file.into_inner().map_err(|error| error.into_error())?;
        file.sync_all()?;
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

#[cfg(test)]
mod tests {
    use super::*;

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
