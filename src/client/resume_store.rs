//! Stores the URLs of unfinished uploads, so that a later run can resume them:
//! one small file per recording and server, in the user's state directory.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::Server;

/// Identifies a recording and a server. A file whose size or modification time
/// has changed is a different recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Identity {
    server: String,
    path: PathBuf,
    size_bytes: u64,
    modified: SystemTime,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    identity: Identity,
    location: String,
}

/// The stored upload of one recording. Errors are ignored: without the file a
/// later run cannot resume the upload and starts a new one.
#[derive(Debug)]
pub(super) struct ResumeStore {
    file: Option<PathBuf>,
    identity: Identity,
}

impl ResumeStore {
    pub(super) fn of(
        server: &Server,
        path: &Path,
        metadata: &std::fs::Metadata,
    ) -> io::Result<ResumeStore> {
        let identity = Identity {
            server: server.to_string(),
            path: path.canonicalize()?,
            size_bytes: metadata.len(),
            modified: metadata.modified()?,
        };
        let mut hasher = DefaultHasher::new();
        (&identity.server, &identity.path).hash(&mut hasher);
        let name = format!("{:016x}.json", hasher.finish());
        Ok(ResumeStore {
            file: directory().map(|directory| directory.join(name)),
            identity,
        })
    }

    /// The URL of the unfinished upload.
    pub(super) fn load(&self) -> Option<String> {
        let json = std::fs::read(self.file.as_ref()?).ok()?;
        let entry: Entry = serde_json::from_slice(&json).ok()?;
        (entry.identity == self.identity).then_some(entry.location)
    }

    pub(super) fn save(&self, location: &str) {
        let entry = Entry {
            identity: self.identity.clone(),
            location: location.to_owned(),
        };
        if let (Some(file), Ok(json)) = (&self.file, serde_json::to_vec(&entry)) {
            let _ = file.parent().map(std::fs::create_dir_all);
            let _ = std::fs::write(file, json);
        }
    }

    pub(super) fn remove(&self) {
        if let Some(file) = &self.file {
            let _ = std::fs::remove_file(file);
        }
    }
}

/// The directory in the state directory of the XDG base directory specification.
fn directory() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let state = state.filter(|path| path.is_absolute());
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state"));
    Some(state.or_else(home)?.join("scribed/uploads"))
}
