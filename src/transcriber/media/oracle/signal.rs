//! Signal processing for [`super::compare`]. Tests are not optimised, so these
//! are plain loops of at most a few million iterations.

use std::ops::Range;

use super::super::SAMPLE_RATE;

/// Samples per element of [`Band::coarse`].
pub const COARSE: usize = 8;

/// A signal and its part below 4 kHz, where decoders agree; above they may add
/// their own noise.
pub struct Band<'a> {
    /// The signal itself.
    pub all: &'a [f32],
    low: Vec<f32>,
    /// Every second sample of `low`, starting with the first and with the second.
    halves: [Vec<f32>; 2],
    /// Means of [`COARSE`] samples of `low`.
    coarse: Vec<f32>,
}

impl<'a> Band<'a> {
    /// The bands of these samples.
    pub fn new(all: &'a [f32]) -> Self {
        let low = low_pass(all);
        let half = |first: usize| low.iter().skip(first).step_by(2).copied().collect();
        Self {
            all,
            halves: [half(0), half(1)],
            coarse: low
                .chunks_exact(COARSE)
                .map(|samples| samples.iter().sum::<f32>() / COARSE as f32)
                .collect(),
            low,
        }
    }

    /// Mean power below 4 kHz, without DC.
    pub fn power(&self, range: Range<usize>) -> f64 {
        variance(&self.low[range])
    }

    /// The same for every 10 ms.
    pub fn frame_powers(&self, range: Range<usize>) -> Vec<f64> {
        frame_powers(&self.low[range])
    }

    /// Mean power above 4 kHz.
    pub fn treble_power(&self, range: Range<usize>) -> f64 {
        let sum: f64 = self.all[range.clone()]
            .iter()
            .zip(&self.low[range.clone()])
            .map(|(all, low)| f64::from(all - low).powi(2))
            .sum();
        sum / range.len() as f64
    }

    /// Correlation of `range` with the part of `other` that is `offset` later: 1
    /// for the same waveform at any level and polarity, 0 for uncorrelated ones.
    pub fn correlation(&self, range: &Range<usize>, other: &Band<'_>, offset: isize) -> f64 {
        correlation(
            &self.halves[0],
            &(range.start.div_ceil(2)..range.end / 2),
            &other.halves[offset.rem_euclid(2) as usize],
            offset.div_euclid(2),
        )
    }

    /// The same, coarsely: `offset` counts [`COARSE`] samples.
    pub fn coarse_correlation(&self, range: &Range<usize>, other: &Band<'_>, offset: isize) -> f64 {
        correlation(
            &self.coarse,
            &(range.start / COARSE..(range.end / COARSE).min(self.coarse.len())),
            &other.coarse,
            offset,
        )
    }
}

fn correlation(these: &[f32], range: &Range<usize>, others: &[f32], offset: isize) -> f64 {
    // What lies outside is ignored, if it is less than half.
    let start = (range.start as isize).max(-offset);
    let end = (range.end as isize).min(others.len() as isize - offset);
    if end < start + range.len() as isize / 2 || end <= start {
        return 0.0;
    }
    let here = &these[start as usize..end as usize];
    let there = &others[(start + offset) as usize..];
    let (mut a, mut b, mut aa, mut bb, mut ab) = (0.0_f64, 0.0, 0.0, 0.0, 0.0);
    for (x, y) in here.iter().zip(there) {
        let (x, y) = (f64::from(*x), f64::from(*y));
        a += x;
        b += y;
        aa += x * x;
        bb += y * y;
        ab += x * y;
    }
    let count = here.len() as f64;
    let power = (aa - a * a / count) * (bb - b * b / count);
    if power <= 1e-20 {
        return 0.0;
    }
    ((ab - a * b / count) / power.sqrt()).abs()
}

/// Position of the maximum of a parabola through three points, the middle one
/// highest.
pub fn peak(before: f64, here: f64, behind: f64) -> f64 {
    let bend = 2.0 * here - before - behind;
    if bend <= 0.0 || before > here || behind > here {
        return here;
    }
    (here + (behind - before).powi(2) / (8.0 * bend)).min(1.0)
}

/// Power of every 10 ms, without DC.
pub fn frame_powers(samples: &[f32]) -> Vec<f64> {
    samples
        .chunks(SAMPLE_RATE as usize / 100)
        .map(variance)
        .collect()
}

/// Longest runs of elements for which `holds`.
pub fn runs<T>(elements: &[T], holds: impl Fn(&T) -> bool) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (index, element) in elements.iter().enumerate() {
        if !holds(element) {
            continue;
        }
        match runs.last_mut() {
            Some(run) if run.end == index => run.end += 1,
            _ => runs.push(index..index + 1),
        }
    }
    runs
}

/// The part below 4 kHz.
pub fn low_pass(samples: &[f32]) -> Vec<f32> {
    const HALF: usize = 7;
    // A windowed sinc; symmetric, so that it adds no delay.
    let mut taps = [0.0_f32; HALF + 1];
    for (distance, tap) in taps.iter_mut().enumerate() {
        let at = std::f32::consts::PI * distance as f32;
        let sinc = match distance {
            0 => 0.5,
            _ => (at / 2.0).sin() / at,
        };
        *tap = sinc * (0.5 + 0.5 * (at / (HALF + 1) as f32).cos());
    }
    let padding = [0.0; HALF];
    let padded = [&padding, samples, &padding].concat();
    let mut low = vec![0.0; samples.len()];
    for (distance, tap) in taps.iter().enumerate() {
        // In a half-band filter every second tap is zero.
        if distance > 0 && distance % 2 == 0 {
            continue;
        }
        let (left, right) = (&padded[HALF - distance..], &padded[HALF + distance..]);
        for (low, (left, right)) in low.iter_mut().zip(left.iter().zip(right)) {
            let pair = if distance == 0 { *left } else { left + right };
            *low += pair * tap;
        }
    }
    low
}

fn variance(samples: &[f32]) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    let (mut sum, mut squares) = (0.0, 0.0);
    for sample in samples {
        let sample = f64::from(*sample);
        sum += sample;
        squares += sample * sample;
    }
    let count = samples.len() as f64;
    (squares / count - (sum / count).powi(2)).max(0.0)
}
