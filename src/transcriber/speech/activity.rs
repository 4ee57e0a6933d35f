//! Whether there is anything in a window for the model to hear.

/// Placeholder until measured.
pub fn may_hold_speech(samples: &[f32]) -> bool {
    samples.iter().any(|s| s.abs() > 1e-4)
}
