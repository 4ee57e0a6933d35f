//! Telling speech from silence, a frame at a time.
//!
//! Two judges that fail differently: a trained detector (earshot), which hears
//! speech also below the noise but knows no level, and the level, which knows
//! no speech. Only what both call silent is silent, for lost words are worse
//! than a pause too many.

use earshot::Detector;

use crate::media::is_digital_silence;

/// Samples per second, for Whisper and for the detector.
pub const SAMPLE_RATE: usize = 16_000;

/// 16 ms: what the detector wants.
pub const FRAME_SAMPLES: usize = 256;

/// Frames the detector's scores are averaged over: single ones flicker.
const MEAN_FRAMES: usize = 8;
/// A mean score below this is a pause. Measured on synthesised voices, in
/// silence and in noise as loud as they: 99 of 100 frames of speech lie above
/// 0.5; pauses below 0.36, in noise sometimes above.
const PAUSE_SCORE: f32 = 0.42;
/// A mean score that any word reaches and noise does not, not even at its onset.
const SPEECH_SCORE: f32 = 0.55;

/// Below this (-90 dB of full scale) there is nothing but the rounding of
/// samples to 16 bits.
const SILENT_POWER: f32 = 1e-9;
/// This far (-25 dB) below the loudest of late, speech is not expected.
const SILENT_RATIO: f32 = 0.003_2;
/// The memory for loudness: falls by 10 dB in half a minute.
const LOUDNESS_DECAY: f32 = 0.998_8;
/// From here on (-40 dB) a window is heard even if the detector finds nothing
/// in it: song, whispering, a language it does not know.
const LOUD_POWER: f32 = 1e-4;

/// The detector is sure of speech as loud as this (-40 dB)...
const DETECTOR_POWER: f32 = 1e-4;
/// ...so faint ones are amplified for it, at most by 40 dB.
const GAIN_MAX: f32 = 100.0;

/// Frames of digital silence that the detector gets to hear, 5 s: a pause is a
/// part of what it goes by.
const ZERO_FRAMES_HEARD: u64 = 312;

/// The judgement on one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Activity {
    /// Mean power, 1 at full scale.
    pub power: f32,
    /// Surely a pause.
    pub silent: bool,
    /// Worth the model's while.
    pub audible: bool,
}

/// Listens to one recording from its start.
pub struct Listener {
    detector: Box<Detector>,
    scores: [f32; MEAN_FRAMES],
    next_score: usize,
    loudness: f32,
    zero_frames: u64,
}

impl Default for Listener {
    fn default() -> Self {
        Self {
            detector: Detector::default_boxed(),
            scores: [0.0; MEAN_FRAMES],
            next_score: 0,
            loudness: 0.0,
            zero_frames: 0,
        }
    }
}

impl Listener {
    /// Judges the next [`FRAME_SAMPLES`] samples (fewer only at the very end).
    pub fn judge(&mut self, frame: &[f32]) -> Activity {
        let is_zero = is_digital_silence(frame);
        let power = match is_zero {
            true => 0.0,
            false => power(frame),
        };
        self.loudness = power.max(self.loudness * LOUDNESS_DECAY);
        self.zero_frames = match is_zero {
            true => self.zero_frames + 1,
            false => 0,
        };
        // Hours of digital silence must cost next to nothing.
        self.scores[self.next_score] = match self.zero_frames > ZERO_FRAMES_HEARD {
            true => 0.0,
            false => self.score(frame),
        };
        self.next_score = (self.next_score + 1) % MEAN_FRAMES;
        let score = self.scores.iter().sum::<f32>() / MEAN_FRAMES as f32;

        let faint = power < SILENT_POWER || power < self.loudness * SILENT_RATIO;
        Activity {
            power,
            silent: faint && score < PAUSE_SCORE,
            audible: power >= LOUD_POWER || (score >= SPEECH_SCORE && power >= SILENT_POWER),
        }
    }

    /// How sure the detector is of speech, 0..=1.
    fn score(&mut self, frame: &[f32]) -> f32 {
        let gain = (DETECTOR_POWER / self.loudness.max(SILENT_POWER))
            .sqrt()
            .clamp(1.0, GAIN_MAX);
        let mut limited = [0.0; FRAME_SAMPLES];
        for (limited, sample) in limited.iter_mut().zip(frame) {
            // The detector insists; floating-point recordings do not comply.
            *limited = (sample * gain).clamp(-1.0, 1.0);
        }
        self.detector.predict_f32(&limited)
    }
}

/// Mean, without the constant part: many sound cards add one.
fn power(frame: &[f32]) -> f32 {
    let mean = frame.iter().sum::<f32>() / frame.len() as f32;
    frame
        .iter()
        .map(|sample| (sample - mean).powi(2))
        .sum::<f32>()
        / frame.len() as f32
}

#[cfg(test)]
mod tests {
    use super::super::noise::faint_noise;
    use super::*;

    fn audible(samples: &[f32]) -> bool {
        let mut listener = Listener::default();
        samples
            .chunks(FRAME_SAMPLES)
            .any(|frame| listener.judge(frame).audible)
    }

    #[test]
    fn silence_and_faint_noise_are_not_worth_the_models_while() {
        assert!(!audible(&[0.0; 160_000]));
        assert!(!audible(&[0.3; 160_000]), "a constant is silence");
        assert!(!audible(&faint_noise(160_000)));
    }

    #[test]
    fn loud_sounds_are_even_if_they_are_no_speech() {
        let tone: Vec<f32> = (0..160_000)
            .map(|index| (index as f32 / 10.0).sin() * 0.1)
            .collect();
        assert!(audible(&tone));
    }
}
