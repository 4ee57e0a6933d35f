//! Shortening long pauses: fewer windows, and nothing for the model to make up
//! words about.

use std::collections::VecDeque;

use super::activity::{Activity, FRAME_SAMPLES, Listener, SAMPLE_RATE};

/// What remains at either side of a long pause, half a second: the ends of
/// words are faint, and the model needs to hear that a sentence is over.
pub const SIDE_FRAMES: usize = SAMPLE_RATE / 2 / FRAME_SAMPLES;

/// A little audio that is kept.
#[derive(Debug)]
pub struct Frame {
    /// Where it begins in the recording.
    pub start_samples: u64,
    /// [`FRAME_SAMPLES`], fewer at the very end of the recording.
    pub samples: Vec<f32>,
    /// What is heard in it.
    pub activity: Activity,
}

/// Takes samples, gives frames: all but the middles of long pauses, in order.
#[derive(Default)]
pub struct Pauses {
    listener: Listener,
    /// Less than a frame, not judged yet.
    incomplete: Vec<f32>,
    heard_samples: u64,
    /// Silent frames up to now.
    silent_frames: usize,
    /// The latest frames of a pause that is longer than its first side: they are
    /// kept only if they turn out to be its last side.
    held_back: VecDeque<Frame>,
}

impl Pauses {
    /// Appends to `kept` what is sure to be kept.
    pub fn push(&mut self, mut samples: &[f32], kept: &mut Vec<Frame>) {
        while !samples.is_empty() {
            let missing = FRAME_SAMPLES - self.incomplete.len();
            let (taken, rest) = samples.split_at(missing.min(samples.len()));
            self.incomplete.extend_from_slice(taken);
            samples = rest;
            if self.incomplete.len() == FRAME_SAMPLES {
                self.hear(kept);
            }
        }
    }

    /// The recording is over: appends what is left.
    pub fn finish(&mut self, kept: &mut Vec<Frame>) {
        if !self.incomplete.is_empty() {
            self.hear(kept);
        }
        kept.extend(self.held_back.drain(..));
    }

    /// Samples of the recording so far.
    pub fn pushed_samples(&self) -> u64 {
        self.heard_samples + self.incomplete.len() as u64
    }

    /// In the middle of a pause that is being shortened.
    pub fn in_long_pause(&self) -> bool {
        self.silent_frames > 2 * SIDE_FRAMES
    }

    fn hear(&mut self, kept: &mut Vec<Frame>) {
        let samples = std::mem::take(&mut self.incomplete);
        let frame = Frame {
            start_samples: self.heard_samples,
            activity: self.listener.judge(&samples),
            samples,
        };
        self.heard_samples += frame.samples.len() as u64;
        if !frame.activity.silent {
            self.silent_frames = 0;
            kept.extend(self.held_back.drain(..));
            kept.push(frame);
            return;
        }
        self.silent_frames += 1;
        if self.silent_frames <= SIDE_FRAMES {
            kept.push(frame);
            return;
        }
        self.held_back.push_back(frame);
        if self.held_back.len() > SIDE_FRAMES {
            self.held_back.pop_front();
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Loud noise with pauses at the given seconds.
    pub fn recording(duration_s: f64, pauses: &[(f64, f64)]) -> Vec<f32> {
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

    #[test]
    fn only_the_middles_of_long_pauses_go() {
        let samples = recording(20.0, &[(5.0, 5.9), (8.0, 14.0)]);
        let mut pauses = Pauses::default();
        let mut kept = Vec::new();
        for piece in samples.chunks(1000) {
            pauses.push(piece, &mut kept);
        }
        pauses.finish(&mut kept);
        assert_eq!(pauses.pushed_samples(), samples.len() as u64);
        let mut gaps = Vec::new();
        let mut at_samples = 0;
        for frame in &kept {
            if frame.start_samples != at_samples {
                gaps.push((
                    at_samples as f64 / 16_000.0,
                    frame.start_samples as f64 / 16_000.0,
                ));
            }
            let start = frame.start_samples as usize;
            assert_eq!(frame.samples, samples[start..start + frame.samples.len()]);
            at_samples = frame.start_samples + frame.samples.len() as u64;
        }
        assert_eq!(at_samples, samples.len() as u64);
        let [(from_s, to_s)] = gaps[..] else {
            panic!("{gaps:?}")
        };
        assert!(
            (8.4..9.0).contains(&from_s) && (13.4..13.6).contains(&to_s),
            "{gaps:?}"
        );
    }
}
