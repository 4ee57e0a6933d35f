//! Resamples from any rate to the model's.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler as _};

use super::limits::RATES;
use super::{MediaError, SAMPLE_RATE};

/// Length of an input block. Longer blocks have a steeper filter: this one passes
/// everything below 7.5 kHz at any rate.
const BLOCK_MS: u32 = 40;

/// Resamples one segment of constant rate; duration and times are preserved.
pub struct Resampler {
    rate: u32,
    fft: Option<Fft<f32>>,
    block: Vec<f32>,
    resampled: Vec<f32>,
    /// Output samples to drop: the filter's delay.
    delay_samples: usize,
    taken_samples: u64,
    given_samples: u64,
}

impl Resampler {
    /// Refuses rates out of range.
    pub fn check(rate: u32) -> Result<(), MediaError> {
        match RATES.contains(&rate) {
            true => Ok(()),
            false => Err(MediaError::SampleRate(rate)),
        }
    }

    /// Resamples from `rate` to [`SAMPLE_RATE`].
    pub fn new(rate: u32) -> Result<Self, MediaError> {
        Self::check(rate)?;
        let fft = if rate == SAMPLE_RATE {
            None
        } else {
            let block_samples = (rate * BLOCK_MS / 1000) as usize;
            let fft = Fft::new(
                rate as usize,
                SAMPLE_RATE as usize,
                block_samples,
                1,
                FixedSync::Both,
            )
            .map_err(|error| MediaError::Resample(error.to_string()))?;
            Some(fft)
        };
        Ok(Self {
            rate,
            resampled: vec![0.0; fft.as_ref().map_or(0, |fft| fft.output_frames_max())],
            delay_samples: fft.as_ref().map_or(0, |fft| fft.output_delay()),
            fft,
            block: Vec::new(),
            taken_samples: 0,
            given_samples: 0,
        })
    }

    /// Input rate.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Resamples `input` and appends the available output to `out`.
    pub fn push(&mut self, mut input: &[f32], out: &mut Vec<f32>) -> Result<(), MediaError> {
        let Some(fft) = &self.fft else {
            out.extend_from_slice(input);
            return Ok(());
        };
        let block_samples = fft.input_frames_next();
        self.taken_samples += input.len() as u64;
        while !input.is_empty() {
            let (taken, rest) = input.split_at(input.len().min(block_samples - self.block.len()));
            self.block.extend_from_slice(taken);
            input = rest;
            if self.block.len() == block_samples {
                self.resample_block(out)?;
            }
        }
        Ok(())
    }

    /// Input frames that are resampled at once.
    pub fn block_frames(&self) -> u64 {
        self.fft
            .as_ref()
            .map_or(0, |fft| fft.input_frames_max() as u64)
    }

    /// Ends the segment: appends what is still in the filter. Another segment may
    /// follow.
    pub fn finish(&mut self, out: &mut Vec<f32>) -> Result<(), MediaError> {
        if self.fft.is_none() {
            return Ok(());
        }
        let owed_samples =
            (self.taken_samples * u64::from(SAMPLE_RATE)).div_ceil(u64::from(self.rate));
        while self.given_samples < owed_samples {
            self.resample_block(out)?;
        }
        let surplus_samples = (self.given_samples - owed_samples) as usize;
        out.truncate(out.len() - surplus_samples);
        if let Some(fft) = &mut self.fft {
            fft.reset();
            self.delay_samples = fft.output_delay();
        }
        (self.taken_samples, self.given_samples) = (0, 0);
        Ok(())
    }

    fn resample_block(&mut self, out: &mut Vec<f32>) -> Result<(), MediaError> {
        let Some(fft) = &mut self.fft else {
            return Ok(());
        };
        let failed = |error: &dyn std::fmt::Display| MediaError::Resample(error.to_string());
        let partial = Indexing::new().partial_len(self.block.len());
        let input = InterleavedSlice::new(&self.block, 1, self.block.len())
            .map_err(|error| failed(&error))?;
        let resampled_samples = self.resampled.len();
        let mut output = InterleavedSlice::new_mut(&mut self.resampled, 1, resampled_samples)
            .map_err(|error| failed(&error))?;
        let (_, ready_samples) = fft
            .process_into_buffer(&input, &mut output, Some(&partial))
            .map_err(|error| failed(&error))?;
        self.block.clear();
        let dropped_samples = self.delay_samples.min(ready_samples);
        self.delay_samples -= dropped_samples;
        out.extend_from_slice(&self.resampled[dropped_samples..ready_samples]);
        self.given_samples += (ready_samples - dropped_samples) as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resample(input: &[f32], rate: u32) -> Vec<f32> {
        let mut resampler = Resampler::new(rate).unwrap();
        let mut out = Vec::new();
        for piece in input.chunks(1000) {
            resampler.push(piece, &mut out).unwrap();
        }
        resampler.finish(&mut out).unwrap();
        out
    }

    #[test]
    fn a_tone_keeps_its_length_pitch_and_position() {
        for rate in [
            4_000, 8_000, 11_025, 16_000, 22_050, 44_100, 44_101, 48_000, 96_000, 384_000,
        ] {
            let tone = |index: usize, rate: u32| {
                let time_s = index as f32 / rate as f32;
                (std::f32::consts::TAU * 440.0 * time_s).sin()
                    * (std::f32::consts::PI * time_s / 2.0).sin()
            };
            let input: Vec<f32> = (0..2 * rate as usize)
                .map(|index| tone(index, rate))
                .collect();
            let output = resample(&input, rate);
            assert_eq!(output.len(), 2 * SAMPLE_RATE as usize, "{rate} Hz");
            // The same tone sample by sample: pitch, level and delay in one test.
            // A delay of one sample would differ by 0.17.
            let worst = output
                .iter()
                .enumerate()
                .map(|(index, sample)| (sample - tone(index, SAMPLE_RATE)).abs())
                .fold(0.0, f32::max);
            assert!(worst < 0.2, "{rate} Hz differs by {worst}");
        }
    }

    #[test]
    fn segments_are_independent() {
        let mut resampler = Resampler::new(44_100).unwrap();
        let input: Vec<f32> = (0..10_000)
            .map(|index| (index as f32 / 9.0).sin())
            .collect();
        let expected = resample(&input, 44_100);
        for _ in 0..3 {
            let mut out = Vec::new();
            resampler.push(&input, &mut out).unwrap();
            resampler.finish(&mut out).unwrap();
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn short_input_is_resampled_completely() {
        for samples in [0, 1, 100, 441] {
            let output = resample(&vec![0.5; samples], 44_100);
            assert_eq!(
                output.len(),
                (samples * 16_000).div_ceil(44_100),
                "{samples} samples"
            );
        }
    }

    #[test]
    fn rates_out_of_range_are_refused() {
        for rate in [0, 1, 3_999, 384_001, u32::MAX] {
            assert!(
                matches!(Resampler::new(rate), Err(MediaError::SampleRate(_))),
                "{rate} Hz"
            );
        }
    }
}
