//! Paths in the state directory.

use std::io;
use std::path::{Path, PathBuf};

use nix::sys::statfs;
use uuid::Uuid;

use super::small_file::sync_dir;

/// What a disk has left.
#[derive(Debug, Clone, Copy)]
pub struct Free {
    /// Space in bytes.
    pub bytes: u64,
    /// Number of files.
    pub files: u64,
}

impl Free {
    /// Of the disk that holds this path.
    pub fn at(path: &Path) -> io::Result<Free> {
        let disk = nix::sys::statvfs::statvfs(path)?;
        Ok(Free {
            bytes: disk.blocks_available().saturating_mul(disk.fragment_size()),
            // Some file systems have no limit.
            files: match disk.files() {
                0 => u64::MAX,
                _ => disk.files_available(),
            },
        })
    }
}

/// The paths in a state directory, see the [module above](super).
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The layout of this state directory, which need not exist.
    pub fn at(root: &Path) -> Layout {
        Layout { root: root.into() }
    }

    /// Creates the missing directories, accessible only to this user.
    pub fn prepare(root: &Path) -> io::Result<Layout> {
        use std::os::unix::fs::DirBuilderExt;
        let layout = Layout::at(root);
        let is_new = !root.exists();
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        for dir in [
            layout.creating(),
            layout.uploads(),
            layout.removing(),
            layout.damaged(),
            layout.callbacks(),
        ] {
            builder.create(dir)?;
        }
        sync_dir(root)?;
        if is_new {
            let parent = root.parent().filter(|path| *path != Path::new(""));
            sync_dir(parent.unwrap_or(Path::new(".")))?;
        }
        Ok(layout)
    }

    /// The lock file that a daemon holds while it uses this directory.
    pub fn daemon_lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// The directory of existing uploads.
    pub fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    /// The directory of uploads that are being created.
    pub fn creating(&self) -> PathBuf {
        self.root.join("creating")
    }

    /// The directory of uploads that are being removed.
    pub fn removing(&self) -> PathBuf {
        self.root.join("removing")
    }

    /// The directory of damaged uploads.
    pub fn damaged(&self) -> PathBuf {
        self.root.join("damaged")
    }

    /// The directory of pending callbacks.
    pub fn callbacks(&self) -> PathBuf {
        self.root.join("callbacks")
    }

    /// The file of the webhook secret, unless the configuration names one.
    pub fn callback_secret(&self) -> PathBuf {
        self.root.join("callback-secret")
    }

    /// The file that exists once there have been access tokens.
    pub fn tokens_record(&self) -> PathBuf {
        self.root.join("had-tokens")
    }

    /// The directory of one upload.
    pub fn upload(&self, id: Uuid) -> PathBuf {
        self.uploads().join(id.to_string())
    }

    /// The directory of one upload while it is being created.
    pub fn creation(&self, id: Uuid) -> PathBuf {
        self.creating().join(id.to_string())
    }

    /// What the disk has left, without the space that uploads have reserved.
    pub fn free(&self) -> io::Result<Free> {
        Free::at(&self.root)
    }

    /// The time of the last sweep is that of this file.
    pub fn last_sweep(&self) -> PathBuf {
        self.root.join("last-sweep")
    }

    /// Whether durability is tested on this file system (ext4 or xfs).
    pub fn is_on_tested_file_system(&self) -> io::Result<bool> {
        let found = statfs::statfs(&self.root)?.filesystem_type();
        Ok([statfs::EXT4_SUPER_MAGIC, statfs::XFS_SUPER_MAGIC].contains(&found))
    }

    /// Syncs the file system (syncfs(2)), including the writes of processes that
    /// were killed. Blocks on the disk.
    pub fn sync(&self) -> io::Result<()> {
        let root = std::fs::File::open(&self.root)?;
        Ok(nix::unistd::syncfs(root)?)
    }

    /// The id of the upload whose directory has this name; `None` unless the name
    /// is the canonical form of a UUID.
    pub fn id_of(name: &std::ffi::OsStr) -> Option<Uuid> {
        let name = name.to_str()?;
        let id = Uuid::try_parse(name).ok()?;
        (id.to_string() == name).then_some(id)
    }
}
