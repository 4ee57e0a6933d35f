//! A recording named on the command line: a file, or standard input as `-`.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use uuid::Uuid;

use super::terminal::Failure;
use crate::content::LOOK_BYTES;
use crate::engine_client::extension_of;
use crate::task::refusal;

/// Stands for standard input.
const STANDARD_INPUT: &str = "-";

/// A seekable recording.
pub(super) struct RecordingFile {
    /// Opened for reading, at its start.
    pub file: File,
    /// The extension of its name, if any.
    pub extension: Option<String>,
}

impl RecordingFile {
    /// Opens `path`. A pipe is copied to an unnamed file in the directory for
    /// temporary files, which exists until this process ends. Files that are
    /// certainly not recordings are rejected.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let unreadable = |error: io::Error| format!("cannot read {}: {error}", path.display());
        let mut file = match path.as_os_str() == STANDARD_INPUT {
            true => spool(io::stdin().lock()).map_err(unreadable)?,
            false => {
                let file = File::open(path).map_err(unreadable)?;
                match file.metadata()?.is_file() {
                    true => file,
                    false => spool(file).map_err(unreadable)?,
                }
            }
        };
        let mut start = Vec::new();
        Read::take(&file, LOOK_BYTES as u64)
            .read_to_end(&mut start)
            .map_err(unreadable)?;
        file.rewind()?;
        if let Some(refusal) = refusal(&start) {
            return Err(format!("{}: {refusal}", path.display()).into());
        }
        Ok(Self {
            file,
            extension: extension_of(path),
        })
    }
}

/// Copies a pipe to an unnamed temporary file.
fn spool(mut pipe: impl Read) -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("scribed-{}", Uuid::new_v4()));
    let mut copy = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    std::fs::remove_file(&path)?;
    io::copy(&mut pipe, &mut copy)?;
    copy.rewind()?;
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_becomes_seekable() {
        let mut copy = spool(&b"RIFF and so on"[..]).unwrap();
        let mut all = String::new();
        copy.read_to_string(&mut all).unwrap();
        assert_eq!(all, "RIFF and so on");
        copy.seek(io::SeekFrom::Start(5)).unwrap();
        all.clear();
        copy.read_to_string(&mut all).unwrap();
        assert_eq!(all, "and so on");
    }
}
