//! Decoding options of a request, beside language and model.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How many beams or candidates whisper.cpp decodes at a time.
const DECODERS: RangeInclusive<u32> = 1..=8;
/// Longest initial prompt. Whisper ignores what exceeds half of its text context.
pub const PROMPT_MAX_CHARS: usize = 1000;
/// Most entries of `suppress_tokens`; more are a client's mistake.
const SUPPRESSED_MAX: usize = 1000;

/// The decoding options. Where an option is `None` or empty, the engine uses its
/// default. The fields are named like the request parameters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// Whether to transcribe or to translate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    /// Number of beams of the beam search; 1: greedy decoding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beam_size: Option<u32>,
    /// Number of candidates when sampling with a temperature above zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_of: Option<u32>,
    /// Patience of the beam search; ignored, whisper.cpp has no such parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<f64>,
    /// How strongly longer texts are preferred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length_penalty: Option<f64>,
    /// The initial temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperatures: Option<f64>,
    /// A segment with a higher compression ratio (it repeats itself) is decoded
    /// again at a higher temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression_ratio_threshold: Option<f64>,
    /// A segment with a lower average log probability is decoded again at a
    /// higher temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_prob_threshold: Option<f64>,
    /// A segment with a higher no-speech probability is dropped if its log
    /// probability is below `log_prob_threshold` too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_speech_threshold: Option<f64>,
    /// Text before the first window, to set style and spelling of names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_prompt: Option<String>,
    /// Ids of tokens that are never sampled; -1: the non-speech tokens.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suppress_tokens: Vec<i32>,
    /// Numbers are spelled out in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suppress_numerals: Option<bool>,
    /// Ignored: a parameter of another voice activity detector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vad_onset: Option<f64>,
    /// Ignored: a parameter of another voice activity detector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vad_offset: Option<f64>,
    /// Ignored: there is no speaker diarization yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_speakers: Option<u32>,
    /// Ignored: there is no speaker diarization yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_speakers: Option<u32>,
}

/// Whisper's task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Text in the spoken language.
    Transcribe,
    /// Text in English.
    Translate,
}

/// An option has an invalid value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} must be {allowed}")]
pub struct InvalidOption {
    /// The name of the option.
    pub name: &'static str,
    /// The allowed values, in words.
    pub allowed: String,
}

impl Options {
    /// Whether the task is to translate into English.
    pub fn translates(&self) -> bool {
        self.task == Some(Task::Translate)
    }

    /// Sets one option from text. Empty values and unknown names are ignored.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), InvalidOption> {
        let value = value.trim();
        if value.is_empty() {
            return Ok(());
        }
        match name {
            "task" => self.task = Some(task(value)?),
            "beam_size" => self.beam_size = Some(number("beam_size", value, DECODERS)?),
            "best_of" => self.best_of = Some(number("best_of", value, DECODERS)?),
            "patience" => self.patience = Some(number("patience", value, 0.0..=100.0)?),
            "length_penalty" => {
                self.length_penalty = Some(number("length_penalty", value, -10.0..=10.0)?);
            }
            "temperatures" => self.temperatures = Some(number("temperatures", value, 0.0..=1.0)?),
            "compression_ratio_threshold" => {
                let name = "compression_ratio_threshold";
                self.compression_ratio_threshold = Some(number(name, value, 0.1..=100.0)?);
            }
            "log_prob_threshold" => {
                let allowed = -100.0..=0.0;
                self.log_prob_threshold = Some(number("log_prob_threshold", value, allowed)?);
            }
            "no_speech_threshold" => {
                let allowed = 0.0..=1.0;
                self.no_speech_threshold = Some(number("no_speech_threshold", value, allowed)?);
            }
            "initial_prompt" => self.initial_prompt = Some(prompt(value)?),
            "suppress_tokens" => self.suppress_tokens = tokens(value)?,
            "suppress_numerals" => {
                self.suppress_numerals = Some(boolean("suppress_numerals", value)?);
            }
            "vad_onset" => self.vad_onset = Some(number("vad_onset", value, 0.0..=1.0)?),
            "vad_offset" => self.vad_offset = Some(number("vad_offset", value, 0.0..=1.0)?),
            "min_speakers" => self.min_speakers = Some(number("min_speakers", value, 1..=100)?),
            "max_speakers" => self.max_speakers = Some(number("max_speakers", value, 1..=100)?),
            _ => {}
        }
        Ok(())
    }
}

fn invalid(name: &'static str, allowed: impl Into<String>) -> InvalidOption {
    let allowed = allowed.into();
    InvalidOption { name, allowed }
}

fn task(value: &str) -> Result<Task, InvalidOption> {
    match value {
        "transcribe" => Ok(Task::Transcribe),
        "translate" => Ok(Task::Translate),
        _ => Err(invalid("task", "transcribe or translate")),
    }
}

/// Parses a number in a range; infinities and NaN are in no range.
fn number<N: FromStr + PartialOrd + Display>(
    name: &'static str,
    value: &str,
    allowed: RangeInclusive<N>,
) -> Result<N, InvalidOption> {
    let number = value.parse().ok().filter(|number| allowed.contains(number));
    let (least, most) = (allowed.start(), allowed.end());
    number.ok_or_else(|| invalid(name, format!("a number from {least} to {most}")))
}

fn boolean(name: &'static str, value: &str) -> Result<bool, InvalidOption> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(invalid(name, "true or false")),
    }
}

fn prompt(value: &str) -> Result<String, InvalidOption> {
    let is_text = value.chars().all(|c| !c.is_control() || c == '\n');
    match is_text && value.chars().count() <= PROMPT_MAX_CHARS {
        true => Ok(value.to_owned()),
        false => Err(invalid(
            "initial_prompt",
            format!("text of at most {PROMPT_MAX_CHARS} characters"),
        )),
    }
}

fn tokens(value: &str) -> Result<Vec<i32>, InvalidOption> {
    let tokens: Option<Vec<i32>> = value
        .split(',')
        .map(|token| token.trim().parse().ok().filter(|token| *token >= -1))
        .collect();
    tokens
        .filter(|tokens| tokens.len() <= SUPPRESSED_MAX)
        .ok_or_else(|| {
            invalid(
                "suppress_tokens",
                format!("token ids separated by commas, or -1; {SUPPRESSED_MAX} at most"),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_of(pairs: &[(&str, &str)]) -> Options {
        let mut options = Options::default();
        for (name, value) in pairs {
            options.set(name, value).unwrap();
        }
        options
    }

    #[test]
    fn options_are_parsed_and_serialized_under_their_names() {
        let options = all_of(&[
            ("task", "translate"),
            ("beam_size", "8"),
            ("temperatures", "0.4"),
            ("log_prob_threshold", "-1"),
            ("initial_prompt", "Grüße, Dr. O'Neill"),
            ("suppress_tokens", "-1, 50"),
            ("suppress_numerals", "True"),
            ("best_of", ""),
            ("batch_size", "many"),
        ]);
        let json = serde_json::to_value(&options).unwrap();
        let expected = serde_json::json!({
            "task": "translate", "beam_size": 8, "temperatures": 0.4,
            "log_prob_threshold": -1.0, "initial_prompt": "Grüße, Dr. O'Neill",
            "suppress_tokens": [-1, 50], "suppress_numerals": true,
        });
        assert_eq!(json, expected);
        assert_eq!(
            serde_json::from_value::<Options>(json.clone()).unwrap(),
            options
        );
        assert_eq!(
            serde_json::from_str::<Options>("{}").unwrap(),
            Options::default()
        );
    }

    #[test]
    fn invalid_values_are_reported_with_the_allowed_ones() {
        let long = "a".repeat(PROMPT_MAX_CHARS + 1);
        let many = vec!["1"; SUPPRESSED_MAX + 1].join(",");
        for (name, value, allowed) in [
            ("task", "summarize", "transcribe or translate"),
            ("beam_size", "0", "from 1 to 8"),
            ("beam_size", "9", "from 1 to 8"),
            ("beam_size", "2.5", "from 1 to 8"),
            ("best_of", "-1", "from 1 to 8"),
            ("patience", "-0.1", "from 0 to 100"),
            ("length_penalty", "11", "from -10 to 10"),
            ("temperatures", "1.1", "from 0 to 1"),
            ("temperatures", "NaN", "from 0 to 1"),
            ("temperatures", "inf", "from 0 to 1"),
            ("compression_ratio_threshold", "0", "from 0.1 to 100"),
            ("log_prob_threshold", "1", "from -100 to 0"),
            ("no_speech_threshold", "2", "from 0 to 1"),
            ("initial_prompt", &long, "at most 1000"),
            ("initial_prompt", "a\0b", "at most 1000"),
            ("suppress_tokens", "-2", "or -1"),
            ("suppress_tokens", "1,,2", "or -1"),
            ("suppress_tokens", &many, "1000 at most"),
            ("suppress_numerals", "maybe", "true or false"),
            ("vad_onset", "1.5", "from 0 to 1"),
            ("vad_offset", "x", "from 0 to 1"),
            ("min_speakers", "0", "from 1 to 100"),
            ("max_speakers", "1e9", "from 1 to 100"),
        ] {
            let refused = Options::default().set(name, value).unwrap_err().to_string();
            assert!(
                refused.contains(name) && refused.contains(allowed),
                "{name}={value}: {refused}"
            );
        }
    }
}
