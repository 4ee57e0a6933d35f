//! The real daemon with its state directory on a disk under test.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::daemon::Daemon;

/// What transcribes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// The real one.
    Real,
    /// A program that takes what it is told and never says anything.
    Mute,
}

/// Uploads expire only where a test says so, and small disks have little to spare.
const CONFIGURATION: &str = "[upload]\nidle_expiry = \"1day\"\nreserve_free = \"1MiB\"\n";

/// Where the state directory is on a mounted disk.
pub fn state_dir(disk: &Path) -> PathBuf {
    disk.join("state")
}

/// Starts the daemon on that disk and waits until it listens.
pub fn start(disk: &Path, engine: Engine) -> Daemon {
    let folder = folder(disk, "");
    let mute = folder.path().join("mute");
    match engine {
        Engine::Real => Daemon::start_unready(folder, &[]),
        Engine::Mute => {
            // Ends with the daemon, whose stream is its input.
            fs::write(&mute, "#!/bin/sh\nexec cat >/dev/null\n").expect("a script");
            fs::set_permissions(&mute, fs::Permissions::from_mode(0o755)).expect("its mode");
            let arguments: [&OsStr; 2] = ["--engine".as_ref(), mute.as_ref()];
            Daemon::start_unready(folder, &arguments)
        }
    }
}

/// A folder for a daemon with its state directory on that disk and this in its
/// configuration.
pub fn folder(disk: &Path, configuration: &str) -> TempDir {
    let folder = Daemon::folder();
    let state = state_dir(disk);
    if !state.exists() {
        fs::create_dir(&state).expect("a state directory");
        let disk = fs::File::open(disk).expect("the disk's root");
        disk.sync_all().expect("the state directory is durable");
    }
    symlink(&state, folder.path().join("state")).expect("a link to the state directory");
    let configuration = format!("{CONFIGURATION}{configuration}");
    fs::write(folder.path().join("scribed.toml"), configuration).expect("a configuration");
    folder
}
