//! Times in transcripts.

/// Whole milliseconds, rounded; never negative.
pub fn milliseconds(seconds: f64) -> u64 {
    (seconds.max(0.0) * 1000.0).round() as u64
}
