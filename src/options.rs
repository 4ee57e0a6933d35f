//! How a recording is to be transcribed, as far as its sender has wishes
//! beside language and model.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// whisper.cpp computes at most so many beams or candidates at a time.
const DECODERS: RangeInclusive<u32> = 1..=8;
/// More of a prompt than fits into half of Whisper's text is not heard anyway.
pub const PROMPT_MAX_CHARS: usize = 1000;
/// More is a program gone wrong.
const SUPPRESSED_MAX: usize = 1000;

/// Wishes; `None` and nothing where there is none, and then the engine does as
/// it thinks best. The names are those of the parameters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// What is to be written down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    /// Beams that are searched; 1: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beam_size: Option<u32>,
    /// Candidates where the temperature was raised and no beams are searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_of: Option<u32>,
    /// Of the search for beams; whisper.cpp has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<f64>,
    /// How much longer texts are preferred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length_penalty: Option<f64>,
    /// Where the temperature begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperatures: Option<f64>,
    /// What repeats itself more is tried again at a higher temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression_ratio_threshold: Option<f64>,
    /// What is less sure is tried again at a higher temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_prob_threshold: Option<f64>,
    /// What is more likely no speech, and not sure either, is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_speech_threshold: Option<f64>,
    /// Text that sets the tone and spells names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_prompt: Option<String>,
    /// Tokens that are never written; -1: those that are no speech.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suppress_tokens: Vec<i32>,
    /// Numbers are written in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suppress_numerals: Option<bool>,
    /// Of another voice detector than ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vad_onset: Option<f64>,
    /// Of another voice detector than ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vad_offset: Option<f64>,
    /// Nobody tells speakers apart yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_speakers: Option<u32>,
    /// Nobody tells speakers apart yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_speakers: Option<u32>,
}

/// What is to be written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// What is said.
    Transcribe,
    /// The same in English.
    Translate,
}

/// A value that makes no sense, and what would.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} must be {allowed}")]
pub struct BadOption {
    /// Which.
    pub name: &'static str,
    /// For people.
    pub allowed: String,
}

impl Options {
    /// Into English.
    pub fn translates(&self) -> bool {
        self.task == Some(Task::Translate)
    }

    /// Takes one wish as people write it. One without a value is none, and
    /// names that are not known here are nobody's fault.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), BadOption> {
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
                self.suppress_numerals = Some(yes_or_no("suppress_numerals", value)?);
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

fn bad(name: &'static str, allowed: impl Into<String>) -> BadOption {
    let allowed = allowed.into();
    BadOption { name, allowed }
}

fn task(value: &str) -> Result<Task, BadOption> {
    match value {
        "transcribe" => Ok(Task::Transcribe),
        "translate" => Ok(Task::Translate),
        _ => Err(bad("task", "transcribe or translate")),
    }
}

/// A finite number: infinite ones and those that are none lie in no range.
fn number<N: FromStr + PartialOrd + Display>(
    name: &'static str,
    value: &str,
    allowed: RangeInclusive<N>,
) -> Result<N, BadOption> {
    let number = value.parse().ok().filter(|number| allowed.contains(number));
    let (least, most) = (allowed.start(), allowed.end());
    number.ok_or_else(|| bad(name, format!("a number from {least} to {most}")))
}

fn yes_or_no(name: &'static str, value: &str) -> Result<bool, BadOption> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(bad(name, "true or false")),
    }
}

fn prompt(value: &str) -> Result<String, BadOption> {
    let is_text = value.chars().all(|c| !c.is_control() || c == '\n');
    match is_text && value.chars().count() <= PROMPT_MAX_CHARS {
        true => Ok(value.to_owned()),
        false => Err(bad(
            "initial_prompt",
            format!("text of at most {PROMPT_MAX_CHARS} characters"),
        )),
    }
}

fn tokens(value: &str) -> Result<Vec<i32>, BadOption> {
    let tokens: Option<Vec<i32>> = value
        .split(',')
        .map(|token| token.trim().parse().ok().filter(|token| *token >= -1))
        .collect();
    tokens
        .filter(|tokens| tokens.len() <= SUPPRESSED_MAX)
        .ok_or_else(|| {
            bad(
                "suppress_tokens",
                format!(
                    "numbers of tokens with commas between them, or -1; {SUPPRESSED_MAX} at most"
                ),
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
    fn wishes_are_read_and_kept_under_their_names() {
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
    fn what_makes_no_sense_is_named_with_what_would() {
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
