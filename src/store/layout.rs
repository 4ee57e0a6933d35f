//! Paths in the state directory.

use std::io;
use std::path::{Path, PathBuf};

use nix::sys::statfs;
use uuid::Uuid;

use super::small_file::sync_dir;

/// Where everything lies, see the [module above](super).
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// What is, or would be, in this state directory.
    pub fn at(root: &Path) -> Layout {
        Layout { root: root.into() }
    }

    /// Makes the folders that are missing, readable by our user alone.
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

    /// The file whose lock tells that a daemon uses this directory.
    pub fn daemon_lock(&self) -> PathBuf {
        self.root.join("lock")
    }

    /// Folders of uploads that exist for clients.
    pub fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    /// Folders of uploads that do not exist yet.
    pub fn creating(&self) -> PathBuf {
        self.root.join("creating")
    }

    /// Folders of uploads that exist no longer.
    pub fn removing(&self) -> PathBuf {
        self.root.join("removing")
    }

    /// Folders that could not be understood.
    pub fn damaged(&self) -> PathBuf {
        self.root.join("damaged")
    }

    /// What others are still to be told.
    pub fn callbacks(&self) -> PathBuf {
        self.root.join("callbacks")
    }

    /// The secret that this is signed with, unless the configuration has one.
    pub fn callback_secret(&self) -> PathBuf {
        self.root.join("callback-secret")
    }

    /// The folder of one upload.
    pub fn upload(&self, id: Uuid) -> PathBuf {
        self.uploads().join(id.to_string())
    }

    /// The folder of one upload while it is being created.
    pub fn creation(&self, id: Uuid) -> PathBuf {
        self.creating().join(id.to_string())
    }

    /// Bytes of disk space that can still be taken; space that uploads have
    /// reserved is taken.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let disk = nix::sys::statvfs::statvfs(&self.root)?;
        Ok(disk.blocks_available() * disk.fragment_size())
    }

    /// Whether the file system is one of those on which durability is tested.
    pub fn is_on_tested_file_system(&self) -> io::Result<bool> {
        let found = statfs::statfs(&self.root)?.filesystem_type();
        Ok([statfs::EXT4_SUPER_MAGIC, statfs::XFS_SUPER_MAGIC].contains(&found))
    }

    /// Makes durable all that was written to the file system so far, also by
    /// processes that were killed. Blocks on the disk.
    pub fn sync(&self) -> io::Result<()> {
        let root = std::fs::File::open(&self.root)?;
        Ok(nix::unistd::syncfs(root)?)
    }

    /// The id whose folder has this name; only our own spelling counts, so
    /// that one upload has one name.
    pub fn id_of(name: &std::ffi::OsStr) -> Option<Uuid> {
        let name = name.to_str()?;
        let id = Uuid::try_parse(name).ok()?;
        (id.to_string() == name).then_some(id)
    }
}
