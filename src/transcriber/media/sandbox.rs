//! What the kernel refuses to a process that decodes: files by Landlock, system
//! calls by seccomp.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use nix::libc;
use nix::sys::prctl::set_no_new_privs;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

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

/// Which processes a confined one may start and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Children {
    /// None.
    None,
    /// Programs that its file rules allow it to execute.
    Allowed,
}

/// Confines this process, for good: its main thread and whatever it starts from
/// now on. It may read and execute `executable` and libraries, and start
/// children. What the kernel does not support is logged and left out. Call it
/// while there is one thread.
pub fn confine_self(executable: &[PathBuf], name: &str) -> io::Result<()> {
    set_no_new_privs()?;
    if let Some(rules) = file_rules(executable, name) {
        let status = rules.restrict_self().map_err(io::Error::other)?;
        if status.ruleset == RulesetStatus::NotEnforced {
            tracing::info!("this kernel has no Landlock: {name} runs without file access rules");
        }
    }
    for filter in filters(Children::Allowed, name) {
        seccompiler::apply_filter(&filter).map_err(io::Error::other)?;
    }
    Ok(())
}

/// The Landlock ruleset by which only `executable` and libraries can be read and
/// executed; `None` with a line in the log if it cannot be made. A kernel without
/// Landlock makes one that is nothing.
pub fn file_rules(executable: &[PathBuf], name: &str) -> Option<RulesetCreated> {
    let made = || -> Result<RulesetCreated, RulesetError> {
        let mut ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(ABI::V5))?
            .handle_access(AccessNet::from_all(ABI::V4))?
            .scope(Scope::from_all(ABI::V6))?
            .create()?;
        let read: BitFlags<AccessFs> = AccessFs::ReadFile.into();
        let libraries = LIBRARIES.iter().map(Path::new);
        for path in libraries.chain(executable.iter().map(PathBuf::as_path)) {
            // Not every system has all of them.
            if let Ok(path) = PathFd::new(path) {
                ruleset = ruleset.add_rule(PathBeneath::new(path, read | AccessFs::Execute))?;
            }
        }
        if let Ok(path) = PathFd::new(LIBRARY_CACHE) {
            ruleset = ruleset.add_rule(PathBeneath::new(path, read))?;
        }
        Ok(ruleset)
    };
    made()
        .inspect_err(|error| tracing::warn!("{name} runs without file access rules: {error}"))
        .ok()
}

/// System calls that no decoder needs.
const REFUSED: &[libc::c_long] = &[
    // other machines and processes
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
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

/// Those that start and end other programs. (Rust's library learns through a pair
/// of sockets whether one could be executed.)
const REFUSED_TO_ONE: &[libc::c_long] = &[
    libc::SYS_socketpair,
    libc::SYS_kill,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
];

/// seccomp filters; none on processors that seccompiler does not support.
pub fn filters(children: Children, name: &str) -> Vec<BpfProgram> {
    let Ok(architecture) = std::env::consts::ARCH.try_into() else {
        return Vec::new();
    };
    let program = |rules: BTreeMap<i64, Vec<SeccompRule>>, errno: libc::c_int| {
        let action = SeccompAction::Errno(errno as u32);
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, architecture);
        filter.and_then(BpfProgram::try_from)
    };
    let is_alone = children == Children::None;
    let more: &[libc::c_long] = if is_alone { REFUSED_TO_ONE } else { &[] };
    let calls = REFUSED.iter().chain(more);
    let mut refused: BTreeMap<i64, Vec<SeccompRule>> =
        calls.map(|call| (*call, Vec::new())).collect();
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
        if is_alone {
            refused.insert(libc::SYS_clone, vec![process]);
        }
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
            tracing::warn!("{name} runs without a system call filter: {error}");
            Vec::new()
        }
    }
}
