//! Opens regular files and nothing else.
//!
//! Other programs may have created files in the state directory: opening a FIFO
//! would block, and a symbolic link would give another file's content.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::libc::{O_NOFOLLOW, O_NONBLOCK};

/// Far longer than any file of ours that is read whole.
const READ_MAX_BYTES: u64 = 16 << 20;

/// Opens the regular file at `path` for reading. Anything else is an error of
/// kind `InvalidData`, and takes no time. Blocks on the disk.
pub fn open(path: &Path) -> io::Result<File> {
    open_with(path, File::options().read(true))
}

/// The same with these options, whose custom flags are replaced.
pub fn open_with(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let file = open_unchecked(path, options)?;
    length(&file)?;
    Ok(file)
}

/// The content of a regular file. Blocks on the disk.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let file = open_unchecked(path, File::options().read(true))?;
    let length = length(&file)?;
    if length > READ_MAX_BYTES {
        let error = format!("it is longer than {READ_MAX_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, error));
    }
    let mut content = Vec::with_capacity(length as usize);
    // Without a limit it would ask for the length once more.
    file.take(length).read_to_end(&mut content)?;
    Ok(content)
}

/// Opens a file for `pread`, which fails for what is not a file, but for a
/// device. One system call less, for what every HEAD does.
pub fn open_unchecked(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let opened = options.custom_flags(O_NOFOLLOW | O_NONBLOCK).open(path);
    opened.map_err(|error| match error.raw_os_error() {
        // A symbolic link; a FIFO without a reader, or a socket.
        Some(nix::libc::ELOOP | nix::libc::ENXIO) => irregular(),
        _ => error,
    })
}

fn length(file: &File) -> io::Result<u64> {
    let regular = file
        .metadata()
        .map(|metadata| metadata.is_file().then_some(metadata.len()));
    regular?.ok_or_else(irregular)
}

fn irregular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is not a regular file")
}

#[cfg(test)]
mod tests {
    use nix::sys::stat::Mode;

    use super::*;

    #[test]
    fn only_regular_files_are_opened_and_nothing_blocks() {
        let dir = tempfile::tempdir().unwrap();
        let [file, link, fifo, socket] =
            ["file", "link", "fifo", "socket"].map(|name| dir.path().join(name));
        std::fs::write(&file, "content").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        nix::unistd::mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert_eq!(read(&file).unwrap(), b"content");
        let long = dir.path().join("long");
        let made = File::create(&long).unwrap();
        made.set_len(READ_MAX_BYTES + 1).unwrap();
        assert_eq!(read(&long).unwrap_err().kind(), io::ErrorKind::InvalidData);
        let device = Path::new("/dev/zero");
        for path in [&*link, &fifo, &socket, device, dir.path()] {
            for options in [
                File::options().read(true),
                File::options().write(true).create(true),
                File::options().read(true).write(true),
            ] {
                let refused = open_with(path, options);
                let is_folder = path == dir.path();
                let kind = refused.unwrap_err().kind();
                let is_refused = kind == io::ErrorKind::InvalidData
                    || is_folder && kind == io::ErrorKind::IsADirectory;
                assert!(is_refused, "{path:?} {options:?}: {kind:?}");
            }
        }
        let missing = open(&dir.path().join("missing")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
