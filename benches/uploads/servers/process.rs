//! What a process has used, from proc(5).

use std::collections::HashMap;
use std::fs;

/// `USER_HZ`, the unit of times in /proc.
const TICKS_PER_S: f64 = 100.0;

/// CPU seconds that a process and its descendants, also those that ended and
/// were waited for, have used so far.
pub fn cpu_seconds(pid: u32) -> f64 {
    let stats: HashMap<u32, (u32, u64)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
            Some((pid, parent_and_ticks(pid)?))
        })
        .collect();
    let descends = |mut process: u32| loop {
        match stats.get(&process) {
            _ if process == pid => return true,
            Some(&(parent, _)) => process = parent,
            None => return false,
        }
    };
    let ticks = stats.iter().filter(|(process, _)| descends(**process));
    ticks.map(|(_, (_, ticks))| *ticks as f64).sum::<f64>() / TICKS_PER_S
}

/// The most memory the process itself ever had resident, MiB.
pub fn peak_rss_mib(pid: u32) -> Option<f64> {
    mib_of(pid, "VmHWM:")
}

/// What it has resident now, MiB.
pub fn rss_mib(pid: u32) -> Option<f64> {
    mib_of(pid, "VmRSS:")
}

fn mib_of(pid: u32, name: &str) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024.0)
}

fn parent_and_ticks(pid: u32) -> Option<(u32, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before `)` may contain anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = (11..15).map(|field| fields.get(field)?.parse::<u64>().ok());
    Some((fields.get(1)?.parse().ok()?, ticks.sum::<Option<u64>>()?))
}
