//! What the fields of the form tell, see
//! <https://platform.openai.com/docs/api-reference/audio/createTranscription>.

use super::super::api_error::ApiError;
use super::super::intake::texts::Texts;
use super::super::new_upload::Told;
use crate::options::{Options, PROMPT_MAX_CHARS, Task};

/// Stands for whichever model is resident.
pub const RESIDENT: &str = "whisper-1";

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// The text, as JSON.
    #[default]
    Json,
    /// The text.
    Text,
    /// SubRip subtitles.
    Srt,
    /// The text, its segments, its words, as JSON.
    VerboseJson,
    /// WebVTT.
    Vtt,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// What is to be written down.
    pub task: Task,
    /// How the answer is written.
    pub format: Format,
    /// It comes as it is found.
    pub is_streamed: bool,
    /// Segments are wanted in [`Format::VerboseJson`].
    pub has_segments: bool,
    /// Words are wanted there.
    pub has_words: bool,
    model: Option<String>,
    language: Option<String>,
    options: Options,
}

impl Wanted {
    /// Of the fields that have come so far: each of them makes sense. Unknown
    /// ones are nobody's fault.
    pub fn so_far(task: Task, texts: &Texts) -> Result<Wanted, ApiError> {
        let times: Vec<&str> = ["timestamp_granularities[]", "timestamp_granularities"]
            .iter()
            .flat_map(|name| texts.all(name))
            .filter(|time| !time.is_empty())
            .collect();
        if times.iter().any(|time| !["segment", "word"].contains(time)) {
            return Err(bad("timestamp_granularities", "segment or word"));
        }
        let mut options = Options {
            task: (task == Task::Translate).then_some(task),
            initial_prompt: texts.first("prompt").and_then(prompt),
            ..Options::default()
        };
        let temperature = texts.first("temperature").unwrap_or_default();
        options
            .set("temperatures", temperature)
            .map_err(|refused| bad("temperature", &refused.allowed))?;
        Ok(Wanted {
            task,
            format: format(texts.first("response_format"))?,
            is_streamed: match texts
                .first("stream")
                .map(str::to_ascii_lowercase)
                .as_deref()
            {
                Some("true" | "1") => true,
                Some("false" | "0") | None => false,
                Some(_) => return Err(bad("stream", "true or false")),
            },
            has_segments: times.is_empty() || times.contains(&"segment"),
            has_words: times.contains(&"word"),
            model: texts.first("model").map(str::to_owned),
            language: texts.first("language").map(str::to_owned),
            options,
        })
    }

    /// Of all fields: they make sense together.
    pub fn of(task: Task, texts: &Texts) -> Result<Wanted, ApiError> {
        let wanted = Wanted::so_far(task, texts)?;
        let asks_for_times = wanted.has_words
            || ["timestamp_granularities[]", "timestamp_granularities"]
                .iter()
                .any(|name| texts.first(name).is_some());
        if wanted.model.is_none() {
            let why = format!("the form has no field `model`; `{RESIDENT}` is always right");
            return Err(ApiError::Parameter { name: "model", why });
        }
        if asks_for_times && wanted.format != Format::VerboseJson {
            return Err(bad(
                "response_format",
                "verbose_json where timestamp_granularities are given",
            ));
        }
        if wanted.is_streamed && !matches!(wanted.format, Format::Json | Format::Text) {
            return Err(bad("response_format", "json or text where stream is true"));
        }
        Ok(wanted)
    }

    /// The same, for the upload.
    pub fn told(&self) -> Told {
        Told {
            model: self.model.clone().filter(|model| model != RESIDENT),
            language: self.language.clone(),
            options: self.options.clone(),
            ..Told::default()
        }
    }
}

fn bad(name: &'static str, allowed: &str) -> ApiError {
    ApiError::Parameter {
        name,
        why: format!("{name} must be {allowed}"),
    }
}

fn format(told: Option<&str>) -> Result<Format, ApiError> {
    Ok(match told {
        None => Format::default(),
        Some("json") => Format::Json,
        Some("text") => Format::Text,
        Some("srt") => Format::Srt,
        Some("verbose_json") => Format::VerboseJson,
        Some("vtt") => Format::Vtt,
        Some(_) => {
            return Err(bad(
                "response_format",
                "json, text, srt, verbose_json or vtt",
            ));
        }
    })
}

/// The end of it: of a prompt that is too long the model hears no more either.
fn prompt(told: &str) -> Option<String> {
    let clean = |c: char| match c.is_control() && c != '\n' {
        true => ' ',
        false => c,
    };
    let told: Vec<char> = told.trim().chars().map(clean).collect();
    let end: String = told[told.len().saturating_sub(PROMPT_MAX_CHARS)..]
        .iter()
        .collect();
    (!end.is_empty()).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(fields: &[(&str, &str)]) -> Result<Wanted, String> {
        let refused = |error| match error {
            ApiError::Parameter { name, why } => {
                assert!(why.contains(name), "{why}");
                why
            }
            other => panic!("{other}"),
        };
        Wanted::of(Task::Transcribe, &Texts::of(fields)).map_err(refused)
    }

    #[test]
    fn fields_are_read_as_clients_send_them() {
        let long = format!("left\tout{}", "é".repeat(PROMPT_MAX_CHARS));
        let given = wanted(&[
            ("model", "whisper-1"),
            ("language", "de"),
            ("prompt", &long),
            ("temperature", "0.5"),
            ("response_format", "verbose_json"),
            ("timestamp_granularities[]", "word"),
            ("include[]", "logprobs"),
            ("chunking_strategy", "auto"),
            ("stream", "False"),
        ])
        .unwrap();
        assert!(given.has_words && !given.has_segments && !given.is_streamed);
        assert_eq!(given.format, Format::VerboseJson);
        let told = given.told();
        assert_eq!((told.model, told.language.as_deref()), (None, Some("de")));
        assert_eq!(told.options.temperatures, Some(0.5));
        let prompt = told.options.initial_prompt.unwrap();
        assert_eq!(prompt, "é".repeat(PROMPT_MAX_CHARS), "its end");

        let plain = wanted(&[
            ("model", "gpt-4o-transcribe"),
            ("stream", "true"),
            ("language", ""),
        ]);
        let plain = plain.unwrap();
        assert!(plain.is_streamed && plain.has_segments && !plain.has_words);
        assert_eq!(plain.format, Format::Json);
        assert_eq!(plain.told().model.as_deref(), Some("gpt-4o-transcribe"));
        assert_eq!(plain.told().language, None);

        let both = Texts::of(&[
            ("timestamp_granularities", "word"),
            ("timestamp_granularities[]", "segment"),
        ]);
        let both = Wanted::so_far(Task::Translate, &both).unwrap();
        assert!(both.has_words && both.has_segments);
        assert!(both.told().options.translates());
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let model = ("model", "whisper-1");
        for (fields, told) in [
            (&[("language", "de")][..], "no field `model`"),
            (
                &[model, ("response_format", "docx")],
                "json, text, srt, verbose_json or vtt",
            ),
            (
                &[model, ("temperature", "1.5")],
                "temperature must be a number from 0 to 1",
            ),
            (
                &[model, ("temperature", "hot")],
                "temperature must be a number from 0 to 1",
            ),
            (
                &[model, ("stream", "maybe")],
                "stream must be true or false",
            ),
            (
                &[model, ("timestamp_granularities[]", "letter")],
                "segment or word",
            ),
            (
                &[model, ("timestamp_granularities[]", "segment")],
                "must be verbose_json",
            ),
            (
                &[model, ("stream", "true"), ("response_format", "srt")],
                "json or text where stream is true",
            ),
        ] {
            let refused = wanted(fields).unwrap_err();
            assert!(refused.contains(told), "{fields:?}: {refused}");
        }
    }
}
