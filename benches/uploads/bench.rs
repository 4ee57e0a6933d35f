//! Where everything happens.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::load::pattern::Pattern;

/// The folders of the servers, and what is uploaded to them.
#[derive(Debug)]
pub struct Bench {
    /// Where the other servers are installed.
    pub peers: PathBuf,
    /// What is uploaded.
    pub pattern: Pattern,
}

impl Bench {
    /// The folder that servers work in.
    pub fn folder(&self, place: Place) -> PathBuf {
        match place {
            Place::Disk => self.peers.join("data"),
            Place::Tmpfs => "/dev/shm/scribed-bench".into(),
        }
    }
}

/// Where a server keeps its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Below the target folder.
    Disk,
    /// In memory.
    Tmpfs,
}

/// Writes everything back, so that no server pays for what an earlier one left.
pub fn settle(folder: &Path) -> io::Result<()> {
    Ok(nix::unistd::syncfs(File::open(folder)?)?)
}
