//! Cutting a stream of samples into windows for the model.

use super::SAMPLE_RATE;

/// Whisper looks at this much at a time.
const WINDOW_MAX_SAMPLES: usize = 30 * SAMPLE_RATE;
/// A cut is looked for in this much of the end of a full window.
const CUT_RANGE_SAMPLES: usize = 10 * SAMPLE_RATE;
const FRAME_SAMPLES: usize = SAMPLE_RATE / 100;
/// The stretch whose quietness decides: as long as a pause between words.
const QUIET_FRAMES: usize = 25;

/// A stretch of the recording, [`SAMPLE_RATE`] samples a second.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// Where it begins in the recording.
    pub start_samples: u64,
    /// At most 30 s.
    pub samples: Vec<f32>,
}

impl Window {
    /// Where it begins in the recording.
    pub fn start_s(&self) -> f64 {
        self.start_samples as f64 / SAMPLE_RATE as f64
    }

    /// Where it ends in the recording.
    pub fn end_s(&self) -> f64 {
        (self.start_samples + self.samples.len() as u64) as f64 / SAMPLE_RATE as f64
    }
}

/// Collects samples and gives them back in windows, none lost and none twice.
#[derive(Debug, Default)]
pub struct Cutter {
    pending: Vec<f32>,
    start_samples: u64,
}

impl Cutter {
    /// Takes samples as they come.
    pub fn push(&mut self, samples: &[f32]) {
        self.pending.extend_from_slice(samples);
    }

    /// Seconds of audio pushed so far.
    pub fn pushed_s(&self) -> f64 {
        (self.start_samples + self.pending.len() as u64) as f64 / SAMPLE_RATE as f64
    }

    /// The next window, once it is known that more audio follows it.
    pub fn next_window(&mut self) -> Option<Window> {
        if self.pending.len() <= WINDOW_MAX_SAMPLES {
            return None;
        }
        let cut = quietest_place(&self.pending[..WINDOW_MAX_SAMPLES]);
        let rest = self.pending.split_off(cut);
        let samples = std::mem::replace(&mut self.pending, rest);
        let start_samples = self.start_samples;
        self.start_samples += samples.len() as u64;
        Some(Window {
            start_samples,
            samples,
        })
    }

    /// What is left at the end of the recording.
    pub fn finish(mut self) -> (Vec<Window>, f64) {
        let duration_s = self.pushed_s();
        let mut windows: Vec<Window> = std::iter::from_fn(|| self.next_window()).collect();
        if !self.pending.is_empty() {
            windows.push(Window {
                start_samples: self.start_samples,
                samples: self.pending,
            });
        }
        (windows, duration_s)
    }
}

/// The middle of the quietest stretch in the last part of `samples`; of equally
/// quiet ones the last, for fewer windows are fewer passes of the model.
fn quietest_place(samples: &[f32]) -> usize {
    let range_start = samples.len() - CUT_RANGE_SAMPLES;
    let energies: Vec<f32> = samples[range_start..]
        .chunks_exact(FRAME_SAMPLES)
        .map(energy)
        .collect();
    let mut quietest = f32::INFINITY;
    let mut place = samples.len();
    for (index, stretch) in energies.windows(QUIET_FRAMES).enumerate() {
        let energy = stretch.iter().sum();
        if energy <= quietest {
            quietest = energy;
            place = range_start + (index + QUIET_FRAMES / 2) * FRAME_SAMPLES;
        }
    }
    place
}

/// Without the constant part: many sound cards add one.
fn energy(frame: &[f32]) -> f32 {
    let mean = frame.iter().sum::<f32>() / frame.len() as f32;
    frame.iter().map(|sample| (sample - mean).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Loud noise with pauses at the given seconds.
    fn recording(duration_s: f64, pauses: &[(f64, f64)]) -> Vec<f32> {
        let mut seed: u32 = 7;
        (0..(duration_s * SAMPLE_RATE as f64) as usize)
            .map(|index| {
                let time_s = index as f64 / SAMPLE_RATE as f64;
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = (seed >> 16) as f32 / 32_768.0 - 1.0;
                let silent = pauses
                    .iter()
                    .any(|(start_s, end_s)| (*start_s..*end_s).contains(&time_s));
                noise * if silent { 0.001 } else { 0.3 }
            })
            .collect()
    }

    fn cut(samples: &[f32], piece_samples: usize) -> Vec<Window> {
        let mut cutter = Cutter::default();
        let mut windows = Vec::new();
        for piece in samples.chunks(piece_samples) {
            cutter.push(piece);
            windows.extend(std::iter::from_fn(|| cutter.next_window()));
        }
        let (rest, duration_s) = cutter.finish();
        windows.extend(rest);
        assert_eq!(duration_s, samples.len() as f64 / SAMPLE_RATE as f64);
        windows
    }

    #[test]
    fn windows_are_the_recording_in_pieces_of_at_most_30_s() {
        for duration_s in [0.0, 0.5, 29.99, 30.0, 30.01, 61.0, 95.3] {
            let samples = recording(duration_s, &[(12.0, 12.5), (41.0, 41.4)]);
            for piece_samples in [333, 16_000, 1 << 20] {
                let windows = cut(&samples, piece_samples);
                let mut at_samples = 0;
                for window in &windows {
                    assert_eq!(window.start_samples, at_samples);
                    assert!(
                        !window.samples.is_empty() && window.samples.len() <= WINDOW_MAX_SAMPLES
                    );
                    at_samples += window.samples.len() as u64;
                }
                let whole: Vec<f32> = windows
                    .into_iter()
                    .flat_map(|window| window.samples)
                    .collect();
                assert!(
                    whole == samples,
                    "{duration_s} s in pieces of {piece_samples}"
                );
            }
        }
    }

    #[test]
    fn cuts_fall_into_pauses() {
        let pauses = [(10.0, 10.6), (23.0, 23.4), (27.0, 27.1), (45.0, 45.5)];
        let windows = cut(&recording(60.0, &pauses), 4000);
        let cuts: Vec<f64> = windows[1..].iter().map(Window::start_s).collect();
        assert_eq!(cuts.len(), 2, "{cuts:?}");
        assert!((23.0..23.4).contains(&cuts[0]), "{cuts:?}");
        assert!((45.0..45.5).contains(&cuts[1]), "{cuts:?}");
    }

    #[test]
    fn in_silence_windows_are_long() {
        let windows = cut(&vec![0.0; 65 * SAMPLE_RATE], 4000);
        assert_eq!(windows.len(), 3);
        assert!(windows[0].end_s() > 29.5);
    }
}
