//! What is measured, and the numbers that it gives.

use std::io;

/// What is counted per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// 10^6 bytes.
    Megabytes,
    /// Whole uploads.
    Uploads,
    /// Requests.
    Requests,
    /// Transcribed recordings.
    Tasks,
    /// Messages to listeners.
    Messages,
    /// Seconds of sound per second of CPU.
    RealTime,
}

/// What one measurement gave.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Units per second until the last answer.
    pub rate: f64,
    /// Units per second until everything was on the disk, synced by whom ever.
    pub on_disk_rate: Option<f64>,
    /// Median latency.
    pub p50_ms: f64,
    /// Latency that 99 of 100 keep.
    pub p99_ms: f64,
    /// CPU seconds of the server per 10^9 bytes.
    pub cpu_s_per_gb: Option<f64>,
    /// The most memory the server had resident.
    pub peak_rss_mib: Option<f64>,
    /// What only some workloads have: a name and a number.
    pub extra: Option<(&'static str, f64)>,
}

/// What one measurement gave.
pub type Outcome = io::Result<Sample>;

/// The value that this share of all do not exceed; not a number without any.
pub fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() as f64 * share).ceil() as usize;
    values
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or(f64::NAN)
}
