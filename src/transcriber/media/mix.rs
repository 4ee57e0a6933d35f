//! Downmixes channels to mono.

use symphonia::core::audio::{Channels, Position};

/// Weight of a channel by its position, relative to the others: the usual downmix
/// (ITU-R BS.775), as in ffmpeg.
const SIDE_WEIGHT: f32 = std::f32::consts::FRAC_1_SQRT_2;
const CENTRE_WEIGHT: f32 = 1.0;
const SURROUND_WEIGHT: f32 = 0.5;

/// The mix of uncorrelated channels keeps all of their power (1); below this
/// ratio they cancel each other.
const CANCELLED_RATIO: f64 = 0.1;
/// Decay time of the power estimate: its half-life is about half a second.
const MEMORY_S: f64 = 0.7;
/// Above this ratio they no longer cancel.
const RESTORED_RATIO: f64 = 0.3;
/// Switches to another channel only if its power is larger by this factor.
const LOUDER_RATIO: f64 = 4.0;
/// Larger samples are invalid in any format: unscaled 32-bit integers reach this
/// value.
const LOUDEST: f32 = 2_147_483_648.0;

/// Below this power, -100 dB, cancellation is not evaluated.
const EVALUATED_POWER: f64 = 1e-10;
/// Duration of a crossfade between mix and channel.
const FADE_S: f32 = 0.01;

/// The source of the mono output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Mix,
    /// The channels cancel each other: the one with the most power.
    Channel(usize),
}

/// Downmixes one signal from its start. Two channels of which one is inverted (a
/// miswired plug, a "karaoke" effect) cancel each other: then the louder channel
/// is used instead of the mix.
pub struct Mixer {
    weights: Vec<f32>,
    /// Exponentially decaying sums of squares: of each channel, of the mix.
    channel_powers: Vec<f64>,
    mix_power: f64,
    choice: Choice,
}

impl Mixer {
    /// A mixer for these channels of a decoder.
    pub fn new(channels: &Channels) -> Self {
        let weights = weights(channels);
        Self {
            channel_powers: vec![0.0; weights.len()],
            weights,
            mix_power: 0.0,
            choice: Choice::Mix,
        }
    }

    /// Downmixes `planes`, one slice per channel, all of the same length, at
    /// `rate`. The result replaces `mono`.
    pub fn mix(&mut self, planes: &mut [Vec<f32>], rate: u32, mono: &mut Vec<f32>) {
        mono.clear();
        // Floating-point files may hold any value: one NaN would spoil a whole
        // window, and sums of huge values overflow to infinity.
        for sample in planes.iter_mut().flatten() {
            *sample = match sample.is_finite() {
                true => sample.clamp(-LOUDEST, LOUDEST),
                false => 0.0,
            };
        }
        let [first, others @ ..] = planes else {
            return;
        };
        if others.is_empty() {
            mono.extend_from_slice(first);
            return;
        }
        mono.resize(first.len(), 0.0);
        for (plane, weight) in planes.iter().zip(&self.weights) {
            if *weight != 0.0 {
                for (sum, sample) in mono.iter_mut().zip(plane) {
                    *sum += sample * weight;
                }
            }
        }
        let before = self.choice;
        self.update_choice(planes, mono, rate);
        if (before, self.choice) != (Choice::Mix, Choice::Mix) {
            self.replace(before, planes, rate, mono);
        }
    }

    fn update_choice(&mut self, planes: &[Vec<f32>], mix: &[f32], rate: u32) {
        let decay = (-(mix.len() as f64) / (f64::from(rate) * MEMORY_S)).exp();
        for (power, plane) in self.channel_powers.iter_mut().zip(planes) {
            *power = *power * decay + squares(plane);
        }
        self.mix_power = self.mix_power * decay + squares(mix);
        let expected: f64 = self
            .channel_powers
            .iter()
            .zip(&self.weights)
            .map(|(power, weight)| power * f64::from(*weight).powi(2))
            .sum();
        let ratio = match self.choice {
            Choice::Mix => CANCELLED_RATIO,
            Choice::Channel(_) => RESTORED_RATIO,
        };
        if self.mix_power >= expected * ratio {
            self.choice = Choice::Mix;
            return;
        }
        let mixed = self.channel_powers.iter().zip(&self.weights).enumerate();
        let loudest = mixed
            .filter(|(_, (_, weight))| **weight > 0.0)
            .max_by(|(_, one), (_, other)| one.0.total_cmp(other.0));
        let Some((channel, (power, _))) = loudest else {
            return;
        };
        let is_loud_enough = match self.choice {
            Choice::Mix => *power > EVALUATED_POWER * mix.len() as f64,
            Choice::Channel(current) => *power > self.channel_powers[current] * LOUDER_RATIO,
        };
        if is_loud_enough {
            self.choice = Choice::Channel(channel);
        }
    }

    /// Crossfades from the previous source to the current one.
    fn replace(&self, before: Choice, planes: &[Vec<f32>], rate: u32, mono: &mut [f32]) {
        let fade_samples = match before == self.choice {
            true => 0.0,
            false => (rate as f32 * FADE_S).min(mono.len() as f32),
        };
        for (index, sample) in mono.iter_mut().enumerate() {
            let of = |choice| match choice {
                Choice::Mix => *sample,
                Choice::Channel(channel) => planes[channel][index],
            };
            let share = match (index as f32) < fade_samples {
                true => index as f32 / fade_samples,
                false => 1.0,
            };
            *sample = of(before) * (1.0 - share) + of(self.choice) * share;
        }
    }
}

fn squares(samples: &[f32]) -> f64 {
    // In chunks that vectorise without losing precision.
    samples
        .chunks(1024)
        .map(|chunk| f64::from(chunk.iter().map(|sample| sample * sample).sum::<f32>()))
        .sum()
}

/// Weights that add up to 1.
fn weights(channels: &Channels) -> Vec<f32> {
    let mut weights = match channels {
        Channels::Positioned(positions) => positions.iter().map(weight).collect(),
        _ => vec![1.0; channels.count()],
    };
    // Only LFE channels, or an invalid mask.
    if weights.iter().all(|weight| *weight == 0.0) {
        weights.fill(1.0);
    }
    let sum: f32 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    weights
}

fn weight(position: Position) -> f32 {
    let low = Position::LFE1 | Position::LFE2;
    let centre = Position::FRONT_CENTER;
    let sides = Position::FRONT_LEFT
        | Position::FRONT_RIGHT
        | Position::FRONT_LEFT_CENTER
        | Position::FRONT_RIGHT_CENTER
        | Position::FRONT_LEFT_WIDE
        | Position::FRONT_RIGHT_WIDE;
    if low.contains(position) {
        0.0
    } else if centre.contains(position) {
        CENTRE_WEIGHT
    } else if sides.contains(position) {
        SIDE_WEIGHT
    } else {
        SURROUND_WEIGHT
    }
}

#[cfg(test)]
mod tests {
    use symphonia::core::audio::layouts;

    use super::*;

    const RATE: u32 = 16_000;

    fn tone(step: f32) -> Vec<f32> {
        (0..RATE)
            .map(|index| (index as f32 * step).sin() * 0.5)
            .collect()
    }

    /// Mixes in blocks, as a decoder returns them.
    fn mixed(channels: &Channels, planes: &[Vec<f32>]) -> Vec<f32> {
        let mut mixer = Mixer::new(channels);
        let mut out = Vec::new();
        let mut mono = Vec::new();
        for start in (0..planes[0].len()).step_by(1000) {
            let mut pieces: Vec<Vec<f32>> = planes
                .iter()
                .map(|plane| plane[start..start + 1000].to_vec())
                .collect();
            mixer.mix(&mut pieces, RATE, &mut mono);
            out.extend_from_slice(&mono);
        }
        out
    }

    #[test]
    fn channels_are_averaged_and_nan_is_silence() {
        let mut mono = Vec::new();
        let mut planes = [vec![1.0, f32::NAN, 0.5], vec![0.0, 1.0, 0.25]];
        Mixer::new(&layouts::CHANNEL_LAYOUT_STEREO).mix(&mut planes, RATE, &mut mono);
        assert_eq!(mono, [0.5, 0.5, 0.375]);
        Mixer::new(&layouts::CHANNEL_LAYOUT_MONO).mix(&mut [vec![1.0]], RATE, &mut mono);
        assert_eq!(mono, [1.0]);
        Mixer::new(&layouts::CHANNEL_LAYOUT_MONO).mix(&mut [], RATE, &mut mono);
        assert!(mono.is_empty());
    }

    #[test]
    fn an_inverted_channel_does_not_silence_the_other() {
        let left = tone(0.1);
        let inverted: Vec<f32> = left.iter().map(|sample| -sample).collect();
        let mono = mixed(&layouts::CHANNEL_LAYOUT_STEREO, &[left.clone(), inverted]);
        let power = |samples: &[f32]| squares(samples) / samples.len() as f64;
        assert!(power(&mono) > power(&left) * 0.9);
        let other = tone(0.137);
        let mono = mixed(
            &layouts::CHANNEL_LAYOUT_STEREO,
            &[left.clone(), other.clone()],
        );
        let expected: Vec<f32> = left
            .iter()
            .zip(&other)
            .map(|(one, other)| (one + other) / 2.0)
            .collect();
        assert_eq!(mono, expected, "what does not cancel is mixed");
        let mono = mixed(
            &layouts::CHANNEL_LAYOUT_STEREO,
            &[left.clone(), vec![0.0; left.len()]],
        );
        let expected: Vec<f32> = left.iter().map(|one| one / 2.0).collect();
        assert_eq!(mono, expected, "one channel alone is no cancellation");
    }

    #[test]
    fn surround_is_downmixed_by_position() {
        let weights = weights(&layouts::CHANNEL_LAYOUT_5P1);
        let sum = 2.0 * SIDE_WEIGHT + 1.0 + 2.0 * SURROUND_WEIGHT;
        let expected = [
            SIDE_WEIGHT,
            SIDE_WEIGHT,
            1.0,
            0.0,
            SURROUND_WEIGHT,
            SURROUND_WEIGHT,
        ]
        .map(|weight| weight / sum);
        assert!(
            weights
                .iter()
                .zip(expected)
                .all(|(one, other)| (one - other).abs() < 1e-6),
            "{weights:?}"
        );
        assert_eq!(super::weights(&Channels::Discrete(4)), [0.25; 4]);
        assert_eq!(super::weights(&Channels::Positioned(Position::LFE1)), [1.0]);
    }
}
