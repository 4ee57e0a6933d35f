//! The limit of the engine's memory that the service manager has set
//! (`MemoryMax=`, systemd.resource-control(5)), so that a model too large for it is
//! refused: loaded, it would end in the engine being killed, again and again.

use std::fs;
use std::path::Path;

use bytesize::ByteSize;

/// What decoding a recording may take beside the model.
const DECODING_BYTES: u64 = 256 << 20;

/// Where systemd mounts control groups (version 2).
const GROUPS: &str = "/sys/fs/cgroup";

/// Memory that the engine needs with a model file of this size: its states and
/// buffers take up to half as much again.
fn needed_bytes(model_bytes: u64) -> u64 {
    model_bytes
        .saturating_add(model_bytes / 2)
        .saturating_add(DECODING_BYTES)
}

/// An error, for the administrator, if the model does not fit below the limit.
pub fn check(model_bytes: u64) -> Result<(), String> {
    let group = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    match limit_bytes(Path::new(GROUPS), &group) {
        Some(limit_bytes) => fits(model_bytes, limit_bytes),
        None => Ok(()),
    }
}

fn fits(model_bytes: u64, limit_bytes: u64) -> Result<(), String> {
    let needed_bytes = needed_bytes(model_bytes);
    match needed_bytes > limit_bytes {
        true => Err(format!(
            "it needs about {} of memory and the engine may have {}: raise MemoryMax= (systemctl edit scribed-transcriber.service), then restart it",
            ByteSize(needed_bytes),
            ByteSize(limit_bytes)
        )),
        false => Ok(()),
    }
}

/// The lowest limit of the group in `membership` (proc_pid_cgroup(5)) and those
/// above it; `None` if there is none.
fn limit_bytes(groups: &Path, membership: &str) -> Option<u64> {
    let group = membership
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))?;
    Path::new(group)
        .ancestors()
        .filter_map(|group| {
            let limit = fs::read_to_string(groups.join(group).join("memory.max")).ok()?;
            // "max" is no number.
            limit.trim().parse().ok()
        })
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_limit_of_a_group_and_those_above_it_counts() {
        let folder = tempfile::tempdir().unwrap();
        let groups = folder.path();
        let unit = groups.join("system.slice/engine.service");
        fs::create_dir_all(&unit).unwrap();
        let membership = "1:name=systemd:/x\n0::/system.slice/engine.service\n";
        assert_eq!(limit_bytes(groups, membership), None);
        fs::write(unit.join("memory.max"), "max\n").unwrap();
        assert_eq!(limit_bytes(groups, membership), None);
        fs::write(unit.join("memory.max"), "6442450944\n").unwrap();
        assert_eq!(limit_bytes(groups, membership), Some(6 << 30));
        fs::write(groups.join("system.slice/memory.max"), "4096\n").unwrap();
        assert_eq!(limit_bytes(groups, membership), Some(4096));
        assert_eq!(limit_bytes(groups, "4:memory:/old\n"), None);
    }

    #[test]
    fn whispers_largest_model_fits_into_the_unit_and_a_larger_one_does_not() {
        let unit = include_str!("../../systemd/scribed-transcriber.service");
        let limit = unit
            .lines()
            .find_map(|line| line.strip_prefix("MemoryMax="))
            .and_then(|limit| limit.strip_suffix('G'))
            .and_then(|gib| gib.parse::<u64>().ok());
        let limit_bytes = limit.unwrap() << 30;
        // ggml-large-v3.bin
        fits(3_095_033_483, limit_bytes).unwrap();
        let refusal = fits(6_200_000_000, limit_bytes).unwrap_err();
        assert!(
            refusal.contains("MemoryMax=") && refusal.contains("6.0 GiB"),
            "{refusal}"
        );
    }
}
