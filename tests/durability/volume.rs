//! Real file systems on loop devices. Whatever happens, they are unmounted and
//! detached when dropped.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::Duration;

use nix::unistd::{Whence, lseek};
use tempfile::TempDir;

use crate::disk::{Disk, Recording};
use crate::support::random::Random;

/// A file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// With its journal, in its usual mode.
    Ext4,
    /// As mkfs makes it.
    Xfs,
}

impl Kind {
    /// Large enough for the workload, small enough to be copied often; xfs
    /// wants 300 MB at least.
    fn size_bytes(self) -> u64 {
        match self {
            Kind::Ext4 => 160 << 20,
            Kind::Xfs => 300 << 20,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Ext4 => "ext4",
            Kind::Xfs => "xfs",
        }
    }

    /// A new, empty one of that size in a file.
    fn make(self, image: &Path, size_bytes: u64) {
        File::create(image)
            .and_then(|file| file.set_len(size_bytes))
            .expect("an image");
        match self {
            // Nothing may be written later that no test has asked for.
            Kind::Ext4 => command(&["mkfs.ext4", "-q", "-E"])
                .arg("lazy_itable_init=0,lazy_journal_init=0")
                .arg(image)
                .succeed(),
            Kind::Xfs => command(&["mkfs.xfs", "-q"]).arg(image).succeed(),
        };
    }

    /// One disk is mounted beside its copies.
    fn options(self) -> &'static str {
        match self {
            Kind::Ext4 => "noatime",
            Kind::Xfs => "noatime,nouuid",
        }
    }
}

/// A folder in memory, for images.
pub fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let base = match memory.is_dir() {
        true => memory.to_owned(),
        false => std::env::temp_dir(),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix("scribed-disk-");
    builder.tempdir_in(base).expect("a folder for images")
}

/// A mounted file system.
pub struct Mounted {
    place: PathBuf,
}

impl Mounted {
    /// Mounts an image file; its loop device goes with it.
    pub fn image(kind: Kind, image: &Path, place: &Path) -> Result<Mounted, String> {
        Mounted::with(kind, image, place, &format!("loop,{}", kind.options()))
    }

    fn with(kind: Kind, what: &Path, place: &Path, options: &str) -> Result<Mounted, String> {
        std::fs::create_dir_all(place).map_err(|error| error.to_string())?;
        let mut mount = command(&["mount", "-t", kind.name(), "-o", options]);
        let output = mount.arg(what).arg(place).run();
        match output.status.success() {
            true => Ok(Mounted {
                place: place.into(),
            }),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.place
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        unmount(&self.place);
    }
}

/// Unmounts. The kernel may take a moment to let go of a killed process's files.
pub fn unmount(place: &Path) {
    for _ in 0..500 {
        if command(&["umount"]).arg(place).run().status.success() {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    eprintln!("{} is still in use, unmounted lazily", place.display());
    command(&["umount", "--lazy"]).arg(place).run();
}

struct Loop {
    device: PathBuf,
}

impl Loop {
    fn attach(file: &Path) -> Loop {
        let mut losetup = command(&["losetup", "--find", "--show", "--direct-io=on"]);
        let output = losetup.arg(file).succeed();
        let device = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Loop {
            device: device.into(),
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        command(&["losetup", "--detach"]).arg(&self.device).run();
    }
}

/// An empty file system on a recording disk. Dropped in this order.
pub struct Recorded {
    mounted: Option<Mounted>,
    device: Loop,
    disk: Disk,
    kind: Kind,
    folder: TempDir,
}

impl Recorded {
    /// Makes and mounts one.
    pub fn new(kind: Kind, random: &mut Random) -> Recorded {
        let folder = folder();
        let path = |name| folder.path().join(name);
        kind.make(&path("image"), kind.size_bytes());
        copy_sparse(&path("image"), &path("base")).expect("a copy of the image");
        std::fs::create_dir(path("served")).expect("a folder");
        let disk = Disk::serve(&path("image"), &path("served"), random)
            .expect("a FUSE file system (needs root and /dev/fuse)");
        let device = Loop::attach(&disk.file());
        let mut recorded = Recorded {
            mounted: None,
            device,
            disk,
            kind,
            folder,
        };
        recorded.mount();
        recorded
    }

    /// Unmounts it, as far as the disk lets it, and mounts it again.
    pub fn mount(&mut self) {
        self.mounted = None;
        let place = self.folder.path().join("mounted");
        let mounted = Mounted::with(self.kind, &self.device.device, &place, self.kind.options());
        self.mounted = Some(mounted.unwrap_or_else(|error| panic!("cannot mount: {error}")));
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.mounted.as_ref().expect("it is mounted").path()
    }

    /// What the disk remembers.
    pub fn recording(&self) -> &std::sync::Arc<Recording> {
        self.disk.recording()
    }

    /// Ends it; what is left is the disk as it was before its first mount.
    pub fn unmount(self) -> Base {
        let Recorded {
            mounted,
            device,
            disk,
            kind,
            folder,
        } = self;
        drop(mounted);
        drop(device);
        drop(disk);
        std::fs::remove_file(folder.path().join("image")).expect("the image can be removed");
        Base { kind, folder }
    }
}

/// A disk as it was before anything was recorded, in a folder with room for more.
pub struct Base {
    /// Its file system.
    pub kind: Kind,
    folder: TempDir,
}

impl Base {
    /// The image. It may be changed.
    pub fn image(&self) -> PathBuf {
        self.folder.path().join("base")
    }

    /// Room for another file or folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// A small file system that nobody records, to be filled.
pub struct Small {
    mounted: Mounted,
    _folder: TempDir,
}

impl Small {
    /// Makes and mounts one of that size.
    pub fn new(kind: Kind, size_bytes: u64) -> Small {
        let folder = folder();
        let image = folder.path().join("image");
        kind.make(&image, size_bytes);
        let mounted = Mounted::image(kind, &image, &folder.path().join("mounted"))
            .unwrap_or_else(|error| panic!("cannot mount: {error}"));
        Small {
            mounted,
            _folder: folder,
        }
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.mounted.path()
    }
}

/// Copies a file with its holes.
pub fn copy_sparse(from: &Path, to: &Path) -> io::Result<()> {
    let source = File::open(from)?;
    let target = File::create(to)?;
    let length = source.metadata()?.len();
    target.set_len(length)?;
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    while let Ok(begin) = lseek(&source, at as i64, Whence::SeekData) {
        let begin = begin as u64;
        let end = lseek(&source, begin as i64, Whence::SeekHole)? as u64;
        at = begin;
        while at < end {
            let count = buffer.len().min((end - at) as usize);
            source.read_exact_at(&mut buffer[..count], at)?;
            target.write_all_at(&buffer[..count], at)?;
            at += count as u64;
        }
    }
    Ok(())
}

/// A program with its first arguments.
fn command(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}

trait Run {
    fn run(&mut self) -> Output;
    fn succeed(&mut self) -> Output;
}

impl Run for Command {
    fn run(&mut self) -> Output {
        self.output()
            .unwrap_or_else(|error| panic!("{self:?}: {error} (is it installed?)"))
    }

    fn succeed(&mut self) -> Output {
        let output = self.run();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{self:?}: {stderr}");
        output
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_the_same_and_no_larger() {
        use std::os::unix::fs::MetadataExt;
        let folder = folder();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        let file = File::create(&from).unwrap();
        file.set_len(10 << 20).unwrap();
        file.write_all_at(b"one", 5000).unwrap();
        file.write_all_at(b"two", (10 << 20) - 3).unwrap();
        copy_sparse(&from, &to).unwrap();
        assert!(std::fs::read(&from).unwrap() == std::fs::read(&to).unwrap());
        assert!(to.metadata().unwrap().blocks() * 512 < 1 << 20);
    }
}
