//! One window through the model: language, parameters, segments.

use scribed::options::Options;
use scribed::protocol::Segment;
use whisper_rs::FullParams;

use super::activity::SAMPLE_RATE;
use super::error::TranscribeError;
use super::language::ENGLISH;
use super::model::{ModelState, Search, base_params};
use super::run;
use super::spoken::{Spoken, place};
use super::tokens::Tokens;
use super::window::Window;
use crate::pulse::Pulse;

/// whisper.cpp ignores what is shorter than a tenth of a second, and the last
/// tenth of what is longer: silence is appended up to this.
const RUN_MIN_SAMPLES: usize = SAMPLE_RATE * 5 / 4;

/// Stretches whose loudest decides on amplification, 32 ms.
const LOUDNESS_SAMPLES: usize = SAMPLE_RATE * 32 / 1000;
/// Power of loud syllables in an ordinary recording (-20 dB).
const ORDINARY_POWER: f32 = 1e-2;
/// 60 dB: beyond that there is only the rounding of samples.
const GAIN_MAX: f32 = 1000.0;

/// Whisper's own limit on how much a text can be compressed. whisper.cpp finds
/// repetition by the entropy of the tokens instead, which falls where the ratio
/// rises; its limit happens to be the same number.
const ORDINARY_RATIO: f64 = 2.4;
/// Stands for all tokens that are no speech.
const NO_SPEECH: i32 = -1;

/// What to do with the speech of one recording.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// A code from [`language_code`](super::language_code) or [`ModelState::language`].
    pub language: &'static str,
    /// The sender's options.
    pub options: &'a Options,
    /// The options in this model's tokens.
    pub tokens: &'a Tokens,
}

impl ModelState {
    /// The language spoken in `window`. One pass of the encoder.
    pub fn language(
        &mut self,
        window: &Window,
        pulse: &Pulse<'_>,
    ) -> Result<&'static str, TranscribeError> {
        if !self.model.multilingual() {
            return Ok(ENGLISH);
        }
        let samples = prepared(&window.samples);
        let threads = self.model.threads;
        self.state.pcm_to_mel(&samples, threads)?;
        let (language, _) = self.state.lang_detect(0, threads)?;
        if !pulse.keep_going() {
            return Err(TranscribeError::Stopped);
        }
        Ok(whisper_rs::get_lang_str(language).unwrap_or(ENGLISH))
    }

    /// The text of `window`. Segments lie within the window, in order of time,
    /// none before `not_before_s` (the end of the last one of the window before).
    pub fn transcribe(
        &mut self,
        window: &Window,
        task: Task<'_>,
        not_before_s: f64,
        pulse: &Pulse<'_>,
    ) -> Result<Vec<Segment>, TranscribeError> {
        let mut params: FullParams<'_, '_> = self.params(task);
        if !task.tokens.prompt.is_empty() {
            params.set_tokens(&task.tokens.prompt);
        }
        let samples = prepared(&window.samples);
        let banned = &task.tokens.banned;
        match run::full(&mut self.state, params, &samples, banned, pulse) {
            _ if pulse.stopped() => return Err(TranscribeError::Stopped),
            result => result?,
        }
        let (context, language) = (&self.model.context, task.language);
        let spoken = self
            .state
            .as_iter()
            .map(|segment| Spoken::of(&segment, context, language));
        Ok(place(spoken, window, not_before_s))
    }

    fn params(&mut self, task: Task<'_>) -> FullParams<'static, 'static> {
        let threads = self.model.threads;
        let wanted = task.options;
        let search = Search::of(wanted);
        let mut params = self
            .params
            .entry((task.language, search))
            .or_insert_with(|| {
                let mut params = base_params(threads, search);
                params.set_language(Some(task.language));
                params
            })
            .clone();
        params.set_translate(wanted.translates());
        params.set_suppress_nst(wanted.suppress_tokens.contains(&NO_SPEECH));
        if let Some(penalty) = wanted.length_penalty {
            params.set_length_penalty(penalty as f32);
        }
        if let Some(temperature) = wanted.temperatures {
            params.set_temperature(temperature as f32);
        }
        if let Some(ratio) = wanted.compression_ratio_threshold {
            params.set_entropy_thold((ORDINARY_RATIO * ORDINARY_RATIO / ratio) as f32);
        }
        if let Some(least) = wanted.log_prob_threshold {
            params.set_logprob_thold(least as f32);
        }
        if let Some(most) = wanted.no_speech_threshold {
            params.set_no_speech_thold(most as f32);
        }
        params
    }
}

/// What the model gets to hear of a window: faint recordings amplified, short
/// ones lengthened. (The models were trained with speech of ordinary level, and
/// their input is not independent of it.)
fn prepared(samples: &[f32]) -> Vec<f32> {
    let loudest = samples
        .chunks(LOUDNESS_SAMPLES)
        .map(|stretch| {
            stretch.iter().map(|sample| sample * sample).sum::<f32>() / stretch.len() as f32
        })
        .fold(0.0, f32::max);
    let gain = (ORDINARY_POWER / loudest).sqrt().clamp(1.0, GAIN_MAX);
    let mut prepared: Vec<f32> = samples.iter().map(|sample| sample * gain).collect();
    prepared.resize(samples.len().max(RUN_MIN_SAMPLES), 0.0);
    prepared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_hears_ordinary_levels() {
        for (level, expected) in [(0.5, 0.5), (0.01, 0.1), (0.000_01, 0.01), (0.0, 0.0)] {
            let prepared = prepared(&[level; 1000]);
            assert_eq!(prepared.len(), RUN_MIN_SAMPLES);
            assert!(
                (prepared[999] - expected).abs() < 1e-6,
                "{level} became {}",
                prepared[999]
            );
            assert_eq!(prepared[1000], 0.0);
        }
    }
}
