//! The limit of the child's memory.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::media::{DECODER_BYTES, FFMPEG_BYTES};

/// What Rust's allocator prints before it ends the process.
pub const EXHAUSTED: &str = "memory allocation of ";

/// Raises the score by which the kernel selects what it ends when memory runs
/// out: a recording rather than the model.
const OOM_SCORE: &str = "1000";

/// Limits what this process allocates from now on to [`DECODER_BYTES`]. Counted
/// are private writable mappings (`RLIMIT_DATA`): neither the program nor its
/// libraries, of which a build for GPUs maps gigabytes.
///
/// The hard limit leaves room for that of ffmpeg, which is set when it starts.
pub fn limit() -> io::Result<()> {
    // Optional: the limit is what counts.
    let _ = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    let soft = data_bytes()?.saturating_add(DECODER_BYTES);
    let (_, hard) = getrlimit(Resource::RLIMIT_DATA)?;
    let hard = soft.max(FFMPEG_BYTES).min(hard);
    setrlimit(Resource::RLIMIT_DATA, soft.min(hard), hard)?;
    Ok(())
}

/// Private writable mappings that this process has already (proc_pid_status(5)).
fn data_bytes() -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.map(|kib| kib.saturating_mul(1024))
        .ok_or_else(|| io::Error::other("/proc/self/status has no VmData"))
}
