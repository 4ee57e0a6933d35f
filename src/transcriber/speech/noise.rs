//! A sound in which nothing is said.

/// White noise at -65 dB.
pub(super) fn faint_noise(samples: usize) -> Vec<f32> {
    const AMPLITUDE: f32 = 1e-3;
    let mut seed: u32 = 1;
    (0..samples)
        .map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((seed >> 16) as f32 / 32_768.0 - 1.0) * AMPLITUDE
        })
        .collect()
}
