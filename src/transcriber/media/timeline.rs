//! Places decoded samples on the timeline, at the model's rate: inserts silence
//! where packets are missing or late, cuts where they overlap.

use super::resample::Resampler;
use super::{MediaError, SAMPLE_RATE, is_digital_silence};

/// Packet times are rounded and jitter: samples are moved only if they are this
/// far off. (The first packet is placed exactly.)
const TOLERANCE_S: f64 = 0.1;
/// The first packet may be this late or early without being moved.
const FIRST_TOLERANCE_S: f64 = 0.001;
/// A packet further back than this is not an overlap: the clock was reset, and
/// its samples follow what came before.
const OVERLAP_MAX_S: f64 = 2.0;
/// Silence is output in blocks of this length.
const SILENCE_STEP_SAMPLES: u64 = SAMPLE_RATE as u64;
/// After this many seconds of zeros, further ones are not resampled; shorter
/// pauses go through the filter.
const ZEROS_S: f64 = 5.0;

/// Creating a resampler costs as much as resampling this many of its blocks.
const MAKING_BLOCKS: u64 = 4;
/// At the end of a segment this many blocks are padded with zeros.
const ENDING_BLOCKS: u64 = 2;
/// Allowed overhead, in frames, for each frame of audio, and without any: no
/// recording changes its rate or is interrupted with each of its packets.
const WORK_PER_FRAME: u64 = 16;
const WORK_MIN_FRAMES: u64 = 1 << 22;

/// One recording, from its start.
#[derive(Default)]
pub struct Timeline {
    /// The resampler of the current segment, if there is one.
    resampler: Option<Resampler>,
    /// That of the previous segment, for reuse at the same rate.
    spare: Option<Resampler>,
    /// Overhead of creating resamplers and ending segments, and the audio it was
    /// spent on.
    work_frames: u64,
    audio_frames: u64,
    /// Input of the segment, in frames of its rate.
    segment_frames: u64,
    /// Zeros at the end of the segment.
    zero_frames: u64,
    /// There are so many that further ones are not resampled.
    in_zeros: bool,
    /// Start of the segment: samples output before it.
    segment_start_samples: u64,
    /// Silence still to be output before what comes next.
    silence_samples: u64,
    /// Added to packet times.
    shift_s: f64,
    begun: bool,
}

impl Timeline {
    /// Position of the next samples, in seconds from the start of the recording.
    pub fn position_s(&self) -> f64 {
        let before = self.segment_start_samples + self.silence_samples;
        let segment_s = self.resampler.as_ref().map_or(0.0, |resampler| {
            self.segment_frames as f64 / f64::from(resampler.rate())
        });
        before as f64 / f64::from(SAMPLE_RATE) + segment_s
    }

    /// Whether [`Timeline::silence`] has silence left to output.
    pub fn is_silent(&self) -> bool {
        self.silence_samples > 0
    }

    /// Appends the next block of silence.
    pub fn silence(&mut self, out: &mut Vec<f32>) {
        let step = self.silence_samples.min(SILENCE_STEP_SAMPLES);
        out.resize(out.len() + step as usize, 0.0);
        self.silence_samples -= step;
        self.segment_start_samples += step;
    }

    /// Begins an appended file, whose times start at 0 again.
    pub fn begin_part(&mut self) {
        self.shift_s = self.position_s();
    }

    /// How far a packet at `time_s` is ahead of the samples before it, in
    /// seconds.
    pub fn gap_s(&self, time_s: f64) -> f64 {
        time_s + self.shift_s - self.position_s()
    }

    /// Moves to the packet at `time_s` and fills a gap before it. Returns how
    /// many of its frames (at `rate`) overlap with earlier ones and must not be
    /// pushed.
    pub fn go_to(&mut self, time_s: f64, rate: u32, out: &mut Vec<f32>) -> Result<u64, MediaError> {
        let gap_s = self.gap_s(time_s);
        let tolerance_s = match self.begun {
            true => TOLERANCE_S,
            false => FIRST_TOLERANCE_S,
        };
        if gap_s < -OVERLAP_MAX_S {
            self.shift_s -= gap_s;
            return Ok(0);
        }
        if gap_s < -tolerance_s {
            return Ok((-gap_s * f64::from(rate)).round() as u64);
        }
        if gap_s > tolerance_s {
            self.insert(gap_s, out)?;
        }
        Ok(0)
    }

    /// Inserts silence of this duration.
    pub fn insert(&mut self, duration_s: f64, out: &mut Vec<f32>) -> Result<(), MediaError> {
        let end_s = self.position_s() + duration_s;
        self.end_segment(out)?;
        let end_samples = (end_s * f64::from(SAMPLE_RATE)).round() as u64;
        self.silence_samples = end_samples.saturating_sub(self.segment_start_samples);
        self.begun = true;
        Ok(())
    }

    /// Appends audio at `rate`. Silence before it must have been output.
    pub fn push(
        &mut self,
        samples: &[f32],
        rate: u32,
        out: &mut Vec<f32>,
    ) -> Result<(), MediaError> {
        debug_assert!(!self.is_silent());
        if samples.is_empty() {
            return Ok(());
        }
        self.begun = true;
        let is_zero = is_digital_silence(samples);
        let length_s = samples.len() as f64 / f64::from(rate);
        let zeros_s = self.zero_frames as f64 / f64::from(rate);
        self.in_zeros = is_zero && (self.in_zeros || zeros_s > ZEROS_S);
        if self.in_zeros {
            // Digital silence is not resampled, and its length stays exact.
            Resampler::check(rate)?;
            return self.insert(length_s, out);
        }
        let resampler = match self.resampler.take() {
            Some(resampler) if resampler.rate() == rate => resampler,
            changed => {
                self.resampler = changed;
                self.end_segment(out)?;
                self.resampler_for(rate)?
            }
        };
        self.segment_frames += samples.len() as u64;
        self.audio_frames += samples.len() as u64;
        self.zero_frames = match is_zero {
            true => self.zero_frames + samples.len() as u64,
            false => 0,
        };
        self.resampler.insert(resampler).push(samples, out)
    }

    fn resampler_for(&mut self, rate: u32) -> Result<Resampler, MediaError> {
        if let Some(spare) = self.spare.take_if(|spare| spare.rate() == rate) {
            return Ok(spare);
        }
        let resampler = Resampler::new(rate)?;
        self.count_work(MAKING_BLOCKS * resampler.block_frames())?;
        Ok(resampler)
    }

    fn count_work(&mut self, frames: u64) -> Result<(), MediaError> {
        self.work_frames += frames;
        match self.work_frames > WORK_MIN_FRAMES + WORK_PER_FRAME * self.audio_frames {
            true => Err(MediaError::Interrupted),
            false => Ok(()),
        }
    }

    /// Ends the recording: appends what is still in the filter.
    pub fn finish(&mut self, out: &mut Vec<f32>) -> Result<(), MediaError> {
        self.end_segment(out)
    }

    /// Afterwards all input of the segment has been output, to the sample.
    fn end_segment(&mut self, out: &mut Vec<f32>) -> Result<(), MediaError> {
        if let Some(mut resampler) = self.resampler.take() {
            let frames = std::mem::take(&mut self.segment_frames);
            self.zero_frames = 0;
            self.segment_start_samples +=
                (frames * u64::from(SAMPLE_RATE)).div_ceil(u64::from(resampler.rate()));
            resampler.finish(out)?;
            self.count_work(ENDING_BLOCKS * resampler.block_frames())?;
            self.spare = Some(resampler);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The output of packets (time, rate, samples).
    fn played(packets: &[(Option<f64>, u32, Vec<f32>)]) -> Vec<f32> {
        let mut timeline = Timeline::default();
        let mut out = Vec::new();
        for (time_s, rate, samples) in packets {
            let mut skip = 0;
            if let Some(time_s) = time_s {
                skip = timeline.go_to(*time_s, *rate, &mut out).unwrap() as usize;
            }
            while timeline.is_silent() {
                timeline.silence(&mut out);
            }
            let samples = &samples[skip.min(samples.len())..];
            timeline.push(samples, *rate, &mut out).unwrap();
        }
        timeline.finish(&mut out).unwrap();
        while timeline.is_silent() {
            timeline.silence(&mut out);
        }
        let position = (timeline.position_s() * 16_000.0).round();
        assert_eq!(position, out.len() as f64);
        out
    }

    fn tone(rate: u32, duration_s: f64) -> Vec<f32> {
        (0..(f64::from(rate) * duration_s) as usize)
            .map(|index| (index as f32 * 2000.0 / rate as f32).sin() * 0.5)
            .collect()
    }

    /// Segments of samples, in hundredths of a second.
    fn segments(samples: &[f32]) -> Vec<(usize, usize)> {
        let loud: Vec<bool> = samples
            .chunks(160)
            .map(|chunk| chunk.iter().any(|sample| sample.abs() > 0.05))
            .collect();
        let mut found: Vec<(usize, usize)> = Vec::new();
        for (index, _) in loud.iter().enumerate().filter(|(_, loud)| **loud) {
            match found.last_mut() {
                Some((_, end)) if *end == index => *end += 1,
                _ => found.push((index, index + 1)),
            }
        }
        found
    }

    #[test]
    fn audio_is_placed_at_packet_times() {
        let one = |rate| tone(rate, 1.0);
        for rate in [8_000, 16_000, 44_100] {
            for (name, packets, expected, length) in [
                (
                    "in a row",
                    vec![(None, rate, one(rate)), (None, rate, one(rate))],
                    vec![(0, 200)],
                    2.0,
                ),
                (
                    "late",
                    vec![(Some(6.0), rate, one(rate)), (Some(7.0), rate, one(rate))],
                    vec![(600, 800)],
                    8.0,
                ),
                (
                    "a gap",
                    vec![(Some(0.0), rate, one(rate)), (Some(3.5), rate, one(rate))],
                    vec![(0, 100), (350, 450)],
                    4.5,
                ),
                (
                    "jitter",
                    vec![(Some(0.0), rate, one(rate)), (Some(1.05), rate, one(rate))],
                    vec![(0, 200)],
                    2.0,
                ),
                (
                    "an overlap",
                    vec![(Some(0.0), rate, one(rate)), (Some(0.5), rate, one(rate))],
                    vec![(0, 150)],
                    1.5,
                ),
                (
                    "inside",
                    vec![
                        (Some(0.0), rate, tone(rate, 3.0)),
                        (Some(1.5), rate, one(rate)),
                        (Some(3.0), rate, one(rate)),
                    ],
                    vec![(0, 400)],
                    4.0,
                ),
                (
                    "a clock reset",
                    vec![
                        (Some(0.0), rate, tone(rate, 5.0)),
                        (Some(0.0), rate, one(rate)),
                        (Some(3.0), rate, one(rate)),
                    ],
                    vec![(0, 600), (800, 900)],
                    9.0,
                ),
                (
                    "another rate",
                    vec![(None, rate, one(rate)), (None, 22_050, one(22_050))],
                    vec![(0, 200)],
                    2.0,
                ),
                (
                    "before the start",
                    vec![(Some(-0.5), rate, one(rate))],
                    vec![(0, 50)],
                    0.5,
                ),
                (
                    "zeros",
                    vec![
                        (None, rate, one(rate)),
                        (None, rate, vec![0.0; 3 * rate as usize]),
                        (None, rate, vec![0.0; 3 * rate as usize]),
                        (None, rate, vec![0.0; 40 * rate as usize]),
                        (None, rate, vec![0.0; 9 * rate as usize]),
                        (None, rate, one(rate)),
                    ],
                    vec![(0, 100), (5600, 5700)],
                    57.0,
                ),
            ] {
                let out = played(&packets);
                assert!(
                    (out.len() as f64 / 16_000.0 - length).abs() < 0.001,
                    "{name}: {}",
                    out.len()
                );
                // The filter rings briefly at hard edges.
                let found = segments(&out);
                let near = |one: usize, other: usize| one.abs_diff(other) <= 1;
                let all_near = found.iter().zip(&expected).all(|(found, expected)| {
                    near(found.0, expected.0) && near(found.1, expected.1)
                });
                assert!(
                    found.len() == expected.len() && all_near,
                    "{name} at {rate} Hz: {found:?}"
                );
            }
        }
    }

    #[test]
    fn frequent_rate_changes_and_gaps_are_refused() {
        let samples = tone(8_000, 0.001);
        let mut out = Vec::new();
        let mut timeline = Timeline::default();
        let refused =
            (4_000..384_000).position(|rate| timeline.push(&samples, rate, &mut out).is_err());
        assert!(
            refused.is_some_and(|changes| (100..2_000).contains(&changes)),
            "{refused:?}"
        );
        // A word now and then for a day is accepted.
        let mut timeline = Timeline::default();
        for index in 0..100_000 {
            timeline.work_frames += (MAKING_BLOCKS + ENDING_BLOCKS) * 1_764;
            timeline.audio_frames += 4_410;
            timeline
                .count_work(0)
                .unwrap_or_else(|error| panic!("{index}: {error}"));
        }
    }

    #[test]
    fn times_stay_exact_over_many_gaps() {
        let packets: Vec<_> = (0..200)
            .map(|index| (Some(f64::from(index) * 1.37), 44_100, tone(44_100, 0.7)))
            .collect();
        let out = played(&packets);
        let length_s = 199.0 * 1.37 + 0.7;
        assert!((out.len() as f64 / 16_000.0 - length_s).abs() < 0.001);
    }

    #[test]
    fn a_day_of_silence_is_output_in_blocks() {
        let mut timeline = Timeline::default();
        let mut out = Vec::new();
        timeline.go_to(86_400.0, 48_000, &mut out).unwrap();
        let mut samples = 0;
        while timeline.is_silent() {
            out.clear();
            timeline.silence(&mut out);
            assert!(out.len() <= 16_000);
            samples += out.len();
        }
        assert_eq!(samples, 86_400 * 16_000);
    }
}
