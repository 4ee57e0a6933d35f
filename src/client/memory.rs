//! What is remembered of an unfinished upload, so that a later run goes on
//! with it: one small file per recording and server, in the user's state
//! directory.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::Server;

/// Which recording at which server; another size or time is another recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Identity {
    server: String,
    path: PathBuf,
    size_bytes: u64,
    modified: SystemTime,
}

#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    identity: Identity,
    location: String,
}

/// The memory of one recording. Memory is a convenience: where it cannot be
/// kept, an upload only cannot be resumed by a later run.
#[derive(Debug)]
pub(super) struct Memory {
    file: Option<PathBuf>,
    identity: Identity,
}

impl Memory {
    pub(super) fn of(
        server: &Server,
        path: &Path,
        metadata: &std::fs::Metadata,
    ) -> io::Result<Memory> {
        let identity = Identity {
            server: server.to_string(),
            path: path.canonicalize()?,
            size_bytes: metadata.len(),
            modified: metadata.modified()?,
        };
        let mut hasher = DefaultHasher::new();
        (&identity.server, &identity.path).hash(&mut hasher);
        let name = format!("{:016x}.json", hasher.finish());
        Ok(Memory {
            file: directory().map(|directory| directory.join(name)),
            identity,
        })
    }

    /// Where the upload was begun.
    pub(super) fn recall(&self) -> Option<String> {
        let json = std::fs::read(self.file.as_ref()?).ok()?;
        let remembered: Remembered = serde_json::from_slice(&json).ok()?;
        (remembered.identity == self.identity).then_some(remembered.location)
    }

    pub(super) fn remember(&self, location: &str) {
        let remembered = Remembered {
            identity: self.identity.clone(),
            location: location.to_owned(),
        };
        if let (Some(file), Ok(json)) = (&self.file, serde_json::to_vec(&remembered)) {
            let _ = file.parent().map(std::fs::create_dir_all);
            let _ = std::fs::write(file, json);
        }
    }

    pub(super) fn forget(&self) {
        if let Some(file) = &self.file {
            let _ = std::fs::remove_file(file);
        }
    }
}

/// The XDG base directory specification's place for state.
fn directory() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let state = state.filter(|path| path.is_absolute());
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state"));
    Some(state.or_else(home)?.join("scribed/uploads"))
}
