//! Kernel locks (open-file-description locks, fcntl(2)). They belong to one
//! opened file: two opens conflict, in one process or in two, and the kernel
//! drops them with the last descriptor, so none goes stale.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

/// Takes the exclusive lock of `file`; false if another open file holds it.
pub fn try_lock(file: impl AsFd) -> io::Result<bool> {
    let whole_file = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    match fcntl(file, FcntlArg::F_OFD_SETLK(&whole_file)) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Opens or creates the file at `path` and locks it; `None` if another process
/// holds the lock. The lock is held until the file is dropped.
pub fn hold(path: &Path) -> io::Result<Option<File>> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    Ok(try_lock(&file)?.then_some(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_exclusive_and_never_stale() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = hold(&path).unwrap();
        assert!(held.is_some());
        assert!(hold(&path).unwrap().is_none());
        drop(held);
        assert!(hold(&path).unwrap().is_some());
    }
}
