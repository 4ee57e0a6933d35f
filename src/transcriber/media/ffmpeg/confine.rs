//! Confinement of the child: it can read its input, compute and write its output;
//! the kernel refuses everything else that a compromised decoder might try.
//! Memory is allocated before the fork; between fork and exec only system calls
//! are made.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::libc;

use super::super::limits::FFMPEG_BYTES;
use super::super::sandbox::{self, Children};

/// ffmpeg with its two hundred libraries maps about 400 MB of addresses.
const ADDRESS_SPACE_BYTES: u64 = 1024 * 1024 * 1024;

/// Of each thread, which counts as memory although most of it is never used.
/// ffmpeg 7 has one thread for each part of its work.
const STACK_BYTES: u64 = 2 * 1024 * 1024;

/// The dynamic linker opens libraries one at a time.
const FILES_MAX: u64 = 64;

/// The limits of one child.
pub struct Confinement {
    cpu_s: u64,
    /// Files and folders that may be read and executed.
    executable: Vec<PathBuf>,
}

impl Confinement {
    /// Confines `program`, which may use `cpu_s` seconds of CPU time.
    pub fn new(program: &Path, cpu_s: u64) -> Self {
        Self {
            cpu_s,
            executable: vec![program.to_owned()],
        }
    }

    /// Test programs need an interpreter and tools.
    #[cfg(test)]
    pub fn allow(&mut self, path: &Path) {
        self.executable.push(path.to_owned());
    }

    /// Makes `command` confine itself when started. The child dies with the
    /// thread that starts it.
    pub fn apply(&self, command: &mut Command) -> io::Result<()> {
        command.env_clear().current_dir("/").process_group(0);
        // Each arena of each thread reserves address space.
        command.env("MALLOC_ARENA_MAX", "1");
        let same = |limit| libc::rlimit {
            rlim_cur: limit,
            rlim_max: limit,
        };
        let limits = [
            (
                libc::RLIMIT_CPU,
                libc::rlimit {
                    rlim_cur: self.cpu_s,
                    // At the soft limit the child gets SIGXCPU, which identifies
                    // the reason.
                    rlim_max: self.cpu_s + 1,
                },
            ),
            (libc::RLIMIT_AS, same(ADDRESS_SPACE_BYTES)),
            (libc::RLIMIT_DATA, same(FFMPEG_BYTES)),
            (libc::RLIMIT_STACK, same(STACK_BYTES)),
            (libc::RLIMIT_FSIZE, same(0)),
            (libc::RLIMIT_NOFILE, same(FILES_MAX)),
            (libc::RLIMIT_CORE, same(0)),
            (libc::RLIMIT_MEMLOCK, same(0)),
        ];
        // None, too, if the kernel has no Landlock.
        let files: Option<OwnedFd> =
            sandbox::file_rules(&self.executable, "ffmpeg").and_then(Into::into);
        let filters = sandbox::filters(Children::None, "ffmpeg");
        let parent = std::process::id();
        let confine = move || {
            // SAFETY: `prctl`, `getppid`, `setrlimit` and `close_range` are
            // system calls with numbers and one pointer to a value of this
            // closure as arguments.
            unsafe {
                check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
                if libc::getppid() as u32 != parent {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
                for (resource, limit) in &limits {
                    check(libc::setrlimit(*resource, limit))?;
                }
                check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
                // Close-on-exec, since std keeps one descriptor open to report
                // the result of the exec.
                let first: libc::c_uint = 3;
                check(libc::syscall(
                    libc::SYS_close_range,
                    first,
                    libc::c_uint::MAX,
                    libc::CLOSE_RANGE_CLOEXEC,
                ) as libc::c_int)?;
                if let Some(files) = &files {
                    check(
                        libc::syscall(libc::SYS_landlock_restrict_self, files.as_raw_fd(), 0)
                            as libc::c_int,
                    )?;
                }
            }
            for filter in &filters {
                // Two system calls.
                seccompiler::apply_filter(filter)
                    .map_err(|_| io::Error::from(io::ErrorKind::PermissionDenied))?;
            }
            Ok(())
        };
        // SAFETY: the closure only makes system calls: it allocates nothing,
        // takes no lock, and an `io::Error` of a kind or a number is a plain
        // value.
        unsafe { command.pre_exec(confine) };
        Ok(())
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
