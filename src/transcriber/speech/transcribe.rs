//! One window through the model: language, parameters, segments.

use scribed::options::Options;
use scribed::protocol::Segment;
use whisper_rs::{FullParams, WhisperError};

use super::model::{Model, Search, base_params};
use super::tokens::Tokens;
use super::window::Window;
use super::{ENGLISH, SAMPLE_RATE, run};
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

/// Whisper's own limit on how much a text can be compressed. whisper.cpp tells
/// repetition by the entropy of the tokens instead, which falls where the ratio
/// rises; its limit happens to be the same number.
const ORDINARY_RATIO: f64 = 2.4;
/// Stands for all tokens that are no speech.
const NO_SPEECH: i32 = -1;

/// What to do with the speech of one recording.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// A code from [`language_code`] or [`Model::language`].
    pub language: &'static str,
    /// The sender's wishes.
    pub options: &'a Options,
    /// What they come to in this model's tokens.
    pub tokens: &'a Tokens,
}

/// Why a window has no text.
#[derive(Debug, thiserror::Error)]
pub enum TranscribeError {
    /// As asked for through the pulse.
    #[error("stopped")]
    Stopped,
    /// The model failed.
    #[error("the model could not compute ({0})")]
    Whisper(#[from] WhisperError),
}

/// Whisper's code for a language, given its code or English name.
pub fn language_code(asked: &str) -> Option<&'static str> {
    // whisper-rs panics on a zero byte.
    if !asked
        .bytes()
        .all(|byte| byte.is_ascii_alphabetic() || byte == b' ')
    {
        return None;
    }
    whisper_rs::get_lang_str(whisper_rs::get_lang_id(&asked.to_ascii_lowercase())?)
}

impl Model {
    /// The language spoken in `window`. One pass of the encoder.
    pub fn language(
        &mut self,
        window: &Window,
        pulse: &Pulse<'_>,
    ) -> Result<&'static str, TranscribeError> {
        if !self.multilingual {
            return Ok(ENGLISH);
        }
        let samples = prepared(&window.samples);
        self.state.pcm_to_mel(&samples, self.threads)?;
        let (language, _) = self.state.lang_detect(0, self.threads)?;
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
        let spoken = self.state.as_iter().map(|segment| {
            let seconds = |centiseconds: i64| centiseconds as f64 / 100.0;
            Spoken {
                start_s: seconds(segment.start_timestamp()),
                end_s: seconds(segment.end_timestamp()),
                text: segment.to_str_lossy().unwrap_or_default().into_owned(),
            }
        });
        Ok(place(spoken, window, not_before_s))
    }

    fn params(&mut self, task: Task<'_>) -> FullParams<'static, 'static> {
        let threads = self.threads;
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

/// As the model says it: seconds within its window.
struct Spoken {
    start_s: f64,
    end_s: f64,
    text: String,
}

/// The model's times are guesses that overlap and reach beyond the window: here
/// they become times of the recording that a player can rely on.
fn place(spoken: impl Iterator<Item = Spoken>, window: &Window, not_before_s: f64) -> Vec<Segment> {
    let mut earliest_s = not_before_s;
    spoken
        .filter_map(|spoken| {
            let text = spoken.text.trim();
            if text.is_empty() {
                return None;
            }
            let (start, end) = window.in_recording(spoken.start_s, spoken.end_s);
            let start = start.max(earliest_s);
            if end <= start {
                // Said in no time: the model repeats itself, or hears what is not there.
                return None;
            }
            earliest_s = end;
            Some(Segment {
                start,
                end,
                text: text.to_owned(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::model::faint_noise;
    use super::super::window::Cutter;
    use super::*;

    #[test]
    fn segments_are_in_order_and_within_the_window() {
        let mut cutter = Cutter::default();
        cutter.push(&faint_noise(15 * SAMPLE_RATE));
        cutter.finish();
        let window = cutter.next_window().unwrap();
        let spoken = [
            (10.0, 12.0, " one "),
            (12.0, 12.0, "  "),
            (11.5, 13.0, "two"),
            (13.0, 12.5, "three"),
            (14.0, 30.0, "four"),
            (28.0, 30.0, "five"),
        ]
        .map(|(start_s, end_s, text)| Spoken {
            start_s,
            end_s,
            text: text.to_owned(),
        });
        let placed: Vec<_> = place(spoken.into_iter(), &window, 10.5)
            .into_iter()
            .map(|segment| (segment.start, segment.end, segment.text))
            .collect();
        let expected = [
            (10.5, 12.0, "one"),
            (12.0, 13.0, "two"),
            (14.0, 15.0, "four"),
        ]
        .map(|(start, end, text)| (start, end, text.to_owned()));
        assert_eq!(placed, expected);
    }

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

    #[test]
    fn languages_have_codes() {
        for (asked, code) in [
            ("en", Some("en")),
            ("DE", Some("de")),
            ("german", Some("de")),
            ("xx", None),
            ("", None),
            ("e\0n", None),
        ] {
            assert_eq!(language_code(asked), code, "{asked:?}");
        }
    }
}
