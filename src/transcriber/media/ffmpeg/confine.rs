//! Confinement of the child: it can read its input, compute and write its output;
//! the kernel refuses everything else that a compromised decoder might try.
//! Memory is allocated before the fork; between fork and exec only system calls
//! are made.

#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreatedAttr, Scope,
};
use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

/// ffmpeg with its two hundred libraries maps about 400 MB of addresses (less
/// than 40 MB of memory); the rest is for decoders and the probed input.
const ADDRESS_SPACE_BYTES: u64 = 1024 * 1024 * 1024;

/// The dynamic linker opens libraries one at a time.
const FILES_MAX: u64 = 64;

/// The dynamic linker's library folders, which hold nothing else.
const LIBRARIES: [&str; 6] = [
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/lib",
    "/lib64",
];

/// The dynamic linker's cache.
const LIBRARY_CACHE: &str = "/etc/ld.so.cache";

/// The limits of one child.
pub struct Confinement {
    cpu_s: u64,
    /// Files and folders that may be read and executed.
    executable: Vec<PathBuf>,
}

impl Confinement {
    /// Confines `program`, which may use `cpu_s` seconds of CPU time.
    pub fn new(program: &Path, cpu_s: u64) -> Self {
        let libraries = LIBRARIES.iter().map(PathBuf::from);
        Self {
            cpu_s,
            executable: libraries.chain([program.to_owned()]).collect(),
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
            (libc::RLIMIT_FSIZE, same(0)),
            (libc::RLIMIT_NOFILE, same(FILES_MAX)),
            (libc::RLIMIT_CORE, same(0)),
            (libc::RLIMIT_MEMLOCK, same(0)),
        ];
        let files = self.files();
        let filters = filters();
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

    /// The Landlock ruleset; `None` if the kernel has no Landlock.
    fn files(&self) -> Option<OwnedFd> {
        let made = || -> Result<Option<OwnedFd>, landlock::RulesetError> {
            let all = AccessFs::from_all(ABI::V5);
            let mut ruleset = Ruleset::default()
                .set_compatibility(CompatLevel::BestEffort)
                .handle_access(all)?
                .handle_access(AccessNet::from_all(ABI::V4))?
                .scope(Scope::from_all(ABI::V6))?
                .create()?;
            let read: BitFlags<AccessFs> = AccessFs::ReadFile.into();
            for path in &self.executable {
                // Not every system has all of them.
                if let Ok(path) = PathFd::new(path) {
                    ruleset = ruleset.add_rule(PathBeneath::new(path, read | AccessFs::Execute))?;
                }
            }
            if let Ok(path) = PathFd::new(LIBRARY_CACHE) {
                ruleset = ruleset.add_rule(PathBeneath::new(path, read))?;
            }
            Ok(ruleset.into())
        };
        match made() {
            Ok(Some(rules)) => Some(rules),
            Ok(None) => {
                tracing::info!(
                    "this kernel has no Landlock: ffmpeg runs without file access rules"
                );
                None
            }
            Err(error) => {
                tracing::warn!("ffmpeg runs without file access rules: {error}");
                None
            }
        }
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// System calls that no decoder needs.
const REFUSED: &[libc::c_long] = &[
    // other machines and processes
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_shmget,
    libc::SYS_msgget,
    libc::SYS_semget,
    libc::SYS_mq_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    // the kernel's less worn paths
    libc::SYS_bpf,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_mount,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_memfd_create,
];

/// seccomp filters; none on processors that seccompiler does not support.
fn filters() -> Vec<BpfProgram> {
    let Ok(architecture) = std::env::consts::ARCH.try_into() else {
        return Vec::new();
    };
    let program = |rules: BTreeMap<i64, Vec<SeccompRule>>, errno: libc::c_int| {
        let action = SeccompAction::Errno(errno as u32);
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, architecture);
        filter.and_then(BpfProgram::try_from)
    };
    let mut refused: BTreeMap<i64, Vec<SeccompRule>> =
        REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    let is_process = SeccompCondition::new(
        0,
        SeccompCmpArgLen::Qword,
        SeccompCmpOp::MaskedEq(libc::CLONE_THREAD as u64),
        0,
    );
    // It may query its own limits, and cannot raise them.
    let is_another = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, 0);
    let rule = |condition| SeccompRule::new(vec![condition]);
    let rules = is_process.and_then(rule).and_then(|process| {
        let another = is_another.and_then(rule)?;
        Ok((process, another))
    });
    let made = rules.map(|(process, another)| {
        refused.insert(libc::SYS_clone, vec![process]);
        refused.insert(libc::SYS_prlimit64, vec![another]);
        // The flags of clone3 are behind a pointer, which seccomp cannot read; on
        // ENOSYS libc uses clone.
        let unknown = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
        [
            program(refused, libc::EPERM),
            program(unknown, libc::ENOSYS),
        ]
    });
    match made.and_then(|programs| programs.into_iter().collect()) {
        Ok(programs) => programs,
        Err(error) => {
            tracing::warn!("ffmpeg runs without a system call filter: {error}");
            Vec::new()
        }
    }
}
