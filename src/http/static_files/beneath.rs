//! Opens regular files below one folder and nothing else: no symbolic link leads
//! out of it, and nothing that is not a file is opened for its content.

use std::fs::{self, File as StdFile};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};
use tower_http::services::fs::{Backend, File};

use crate::blocking;

/// How often the kernel is asked again while others rename folders (openat2(2),
/// EAGAIN).
const TRIES: usize = 16;

type Pending<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

/// The files below a folder. Paths are relative to it. Symbolic links are followed
/// if they are relative and stay below it; the kernel decides, at the moment of
/// opening. The folder itself may be a link, and may be replaced at any time.
#[derive(Debug, Clone)]
pub(super) struct Beneath(Arc<Path>);

impl Beneath {
    pub(super) fn new(folder: &Path) -> Beneath {
        Beneath(folder.into())
    }

    /// Opens a file or a folder. Anything else is not found. Blocks on the disk.
    fn look(&self, path: &Path, flags: OFlag) -> io::Result<(StdFile, fs::Metadata)> {
        let folder = StdFile::open(&self.0)?;
        let path = match path.as_os_str().is_empty() {
            true => Path::new("."),
            false => path,
        };
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        let opened = (0..TRIES)
            .map(|_| openat2(&folder, path, how))
            .find(|opened| !matches!(opened, Err(Errno::EAGAIN)));
        let file = match opened.unwrap_or(Err(Errno::EAGAIN)) {
            Ok(file) => StdFile::from(file),
            // A way out; a loop of links; a socket.
            Err(Errno::EXDEV | Errno::ELOOP | Errno::ENXIO) => return Err(not_found()),
            Err(errno) => return Err(errno.into()),
        };
        let metadata = file.metadata()?;
        match metadata.is_file() || metadata.is_dir() {
            true => Ok((file, metadata)),
            false => Err(not_found()),
        }
    }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Backend for Beneath {
    type File = RegularFile;
    type Metadata = fs::Metadata;
    type OpenFuture = Pending<RegularFile>;
    type MetadataFuture = Pending<fs::Metadata>;

    fn open(&self, path: PathBuf) -> Self::OpenFuture {
        let this = self.clone();
        Box::pin(async move {
            // Without O_NONBLOCK a FIFO would block the thread.
            let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
            let (file, metadata) = blocking::run(move || this.look(&path, flags)).await?;
            Ok(RegularFile {
                file: tokio::fs::File::from_std(file),
                metadata,
            })
        })
    }

    fn metadata(&self, path: PathBuf) -> Self::MetadataFuture {
        let this = self.clone();
        Box::pin(async move {
            let found = blocking::run(move || this.look(&path, OFlag::O_PATH)).await;
            found.map(|(_, metadata)| metadata)
        })
    }
}

/// An open file.
#[derive(Debug)]
pub(super) struct RegularFile {
    file: tokio::fs::File,
    metadata: fs::Metadata,
}

impl AsyncRead for RegularFile {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.file).poll_read(context, buffer)
    }
}

impl AsyncSeek for RegularFile {
    fn start_seek(mut self: Pin<&mut Self>, position: io::SeekFrom) -> io::Result<()> {
        Pin::new(&mut self.file).start_seek(position)
    }

    fn poll_complete(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Pin::new(&mut self.file).poll_complete(context)
    }
}

impl File for RegularFile {
    type Metadata = fs::Metadata;
    type MetadataFuture<'a> = std::future::Ready<io::Result<fs::Metadata>>;

    fn metadata(&self) -> Self::MetadataFuture<'_> {
        std::future::ready(Ok(self.metadata.clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::sys::stat::Mode;

    use super::*;

    #[test]
    fn nothing_but_files_below_the_folder_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, secret) = (dir.path().join("pages"), dir.path().join("secret"));
        fs::create_dir_all(folder.join("assets")).unwrap();
        fs::write(folder.join("assets/logo.svg"), "logo").unwrap();
        fs::write(&secret, "secret").unwrap();
        symlink("assets/logo.svg", folder.join("inside")).unwrap();
        symlink("../secret", folder.join("outside")).unwrap();
        symlink(&secret, folder.join("absolute")).unwrap();
        symlink("..", folder.join("up")).unwrap();
        symlink("loop", folder.join("loop")).unwrap();
        symlink("/proc/self", folder.join("proc")).unwrap();
        nix::unistd::mkfifo(&folder.join("fifo"), Mode::S_IRWXU).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
        let linked = dir.path().join("current");
        symlink("pages", &linked).unwrap();
        let reading = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        for root in [&folder, &linked] {
            let pages = Beneath::new(root);
            for flags in [reading, OFlag::O_PATH] {
                let look = |path: &str| pages.look(Path::new(path), flags);
                for path in ["assets/logo.svg", "inside"] {
                    assert_eq!(look(path).unwrap().1.len(), 4, "{path}");
                }
                for path in ["", "assets"] {
                    assert!(look(path).unwrap().1.is_dir(), "{path}");
                }
                for path in [
                    "missing",
                    "outside",
                    "absolute",
                    "up/secret",
                    "../secret",
                    "loop",
                    "proc/environ",
                    "fifo",
                    "socket",
                    &format!("/{}", secret.display()),
                ] {
                    let error = look(path).unwrap_err();
                    assert_eq!(error.kind(), io::ErrorKind::NotFound, "{path}");
                }
            }
        }
    }
}
