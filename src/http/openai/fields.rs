//! The fields of a form, see
//! <https://platform.openai.com/docs/api-reference/audio/createTranscription>.

use crate::http::error::api::ApiError;
use crate::http::sources::texts::Texts;
use crate::http::upload_request::UploadRequest;
use crate::options::{Options, PROMPT_MAX_CHARS, Task};
use crate::render::Format;

/// Stands for whichever model is resident.
pub const RESIDENT: &str = "whisper-1";

/// The options of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Transcription or translation.
    pub task: Task,
    /// The format of the response.
    pub format: Format,
    /// Whether the text is streamed as it is found.
    pub is_streamed: bool,
    model: Option<String>,
    language: Option<String>,
    options: Options,
}

impl Wanted {
    /// Validates the fields that have arrived, each by itself. Unknown ones are
    /// ignored.
    pub fn so_far(task: Task, texts: &Texts) -> Result<Wanted, ApiError> {
        let times = granularities(texts);
        if times.iter().any(|time| time != "segment" && time != "word") {
            return Err(bad("timestamp_granularities", "segment or word"));
        }
        let has_times = |wanted: &str| times.iter().any(|time| time == wanted);
        let format = match texts.first("response_format") {
            None | Some("json") => Format::OpenAiJson {
                has_usage: task == Task::Transcribe,
            },
            Some("text") => Format::OneLine,
            Some("srt") => Format::Srt,
            Some("verbose_json") => Format::OpenAiVerbose {
                has_segments: times.is_empty() || has_times("segment"),
                has_words: has_times("word"),
            },
            Some("vtt") => Format::Vtt,
            Some(_) => {
                let allowed = "json, text, srt, verbose_json or vtt";
                return Err(bad("response_format", allowed));
            }
        };
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
            format,
            is_streamed: is_streamed(texts.first("stream"), format)?,
            model: texts.first("model").map(str::to_owned),
            language: texts.first("language").map(str::to_owned),
            options,
        })
    }

    /// Validates all fields together.
    pub fn of(task: Task, texts: &Texts) -> Result<Wanted, ApiError> {
        let wanted = Wanted::so_far(task, texts)?;
        let asks_for_times = !granularities(texts).is_empty();
        if wanted.model.is_none() {
            let why = format!("the form has no field `model`; `{RESIDENT}` is always right");
            return Err(ApiError::Parameter { name: "model", why });
        }
        if asks_for_times && !matches!(wanted.format, Format::OpenAiVerbose { .. }) {
            return Err(bad(
                "response_format",
                "verbose_json where timestamp_granularities are given",
            ));
        }
        Ok(wanted)
    }

    /// The same, for the upload.
    pub fn upload_request(&self) -> UploadRequest {
        UploadRequest {
            model: self.model.clone().filter(|model| model != RESIDENT),
            language: self.language.clone(),
            options: self.options.clone(),
            ..UploadRequest::default()
        }
    }
}

/// All values of `timestamp_granularities`: of one field, or of several, with
/// brackets or numbered ones behind the name as forms write lists, or of a JSON
/// list.
fn granularities(texts: &Texts) -> Vec<String> {
    let is_one = |name: &str| {
        let index = name.strip_prefix("timestamp_granularities");
        let number = index.and_then(|index| index.strip_prefix('[')?.strip_suffix(']'));
        index == Some("")
            || number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let values = texts.named(is_one).map(str::trim);
    let values = values.flat_map(|value| match serde_json::from_str(value) {
        Ok(values) => values,
        Err(_) => vec![value.to_owned()],
    });
    values.filter(|value| !value.is_empty()).collect()
}

/// Formats that need the whole transcript come whole, as OpenAI's come with a
/// model that does not stream.
fn is_streamed(value: Option<&str>, format: Format) -> Result<bool, ApiError> {
    match value.map(str::to_ascii_lowercase).as_deref() {
        Some("true" | "1") => Ok(matches!(
            format,
            Format::OpenAiJson { .. } | Format::OneLine
        )),
        Some("false" | "0") | None => Ok(false),
        Some(_) => Err(bad("stream", "true or false")),
    }
}

fn bad(name: &'static str, allowed: &str) -> ApiError {
    ApiError::Parameter {
        name,
        why: format!("{name} must be {allowed}"),
    }
}

/// The end of it: of a prompt that is too long the model hears no more either.
fn prompt(text: &str) -> Option<String> {
    let clean = |c: char| match c.is_control() && c != '\n' {
        true => ' ',
        false => c,
    };
    let chars: Vec<char> = text.trim().chars().map(clean).collect();
    let end: String = chars[chars.len().saturating_sub(PROMPT_MAX_CHARS)..]
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
        assert!(!given.is_streamed);
        let words_only = Format::OpenAiVerbose {
            has_segments: false,
            has_words: true,
        };
        assert_eq!(given.format, words_only);
        let request = given.upload_request();
        assert_eq!(
            (request.model, request.language.as_deref()),
            (None, Some("de"))
        );
        assert_eq!(request.options.temperatures, Some(0.5));
        let prompt = request.options.initial_prompt.unwrap();
        assert_eq!(prompt, "é".repeat(PROMPT_MAX_CHARS), "its end");

        let plain = wanted(&[
            ("model", "gpt-4o-transcribe"),
            ("stream", "true"),
            ("language", ""),
        ]);
        let plain = plain.unwrap();
        assert!(plain.is_streamed);
        assert_eq!(plain.format, Format::OpenAiJson { has_usage: true });
        assert_eq!(
            plain.upload_request().model.as_deref(),
            Some("gpt-4o-transcribe")
        );
        assert_eq!(plain.upload_request().language, None);

        let translated = Wanted::so_far(Task::Translate, &Texts::default()).unwrap();
        assert!(translated.upload_request().options.translates());
        assert_eq!(translated.format, Format::OpenAiJson { has_usage: false });
    }

    #[test]
    fn granularities_are_understood_in_every_form_of_a_list() {
        const NAME: &str = "timestamp_granularities";
        let verbose = ("response_format", "verbose_json");
        for (fields, has_segments, has_words) in [
            (&[][..], true, false),
            (&[("", "")], true, false),
            (&[("", "word")], false, true),
            (&[("[]", "word")], false, true),
            (&[("[0]", "word")], false, true),
            (&[("[0]", "segment"), ("[1]", "word")], true, true),
            (&[("[]", "word"), ("[]", "segment")], true, true),
            (&[("", "word"), ("[]", "segment")], true, true),
            (&[("", "[\"word\"]")], false, true),
            (&[("[]", "[\"word\", \"segment\"]")], true, true),
            (&[("", "[]")], true, false),
        ] {
            let fields: Vec<(String, &str)> = fields
                .iter()
                .map(|(index, value)| (format!("{NAME}{index}"), *value))
                .collect();
            let named = fields.iter().map(|(name, value)| (&**name, *value));
            let fields: Vec<(&str, &str)> = named.chain([verbose]).collect();
            let wanted = Wanted::so_far(Task::Transcribe, &Texts::of(&fields)).unwrap();
            let format = Format::OpenAiVerbose {
                has_segments,
                has_words,
            };
            assert_eq!(wanted.format, format, "{fields:?}");
        }
        for name in ["timestamp_granularities[x]", "timestamp_granularities_x"] {
            let fields = Texts::of(&[verbose, (name, "word")]);
            let wanted = Wanted::so_far(Task::Transcribe, &fields).unwrap();
            let format = Format::OpenAiVerbose {
                has_segments: true,
                has_words: false,
            };
            assert_eq!(wanted.format, format, "{name} is another field");
        }
    }

    #[test]
    fn only_a_plain_text_is_streamed() {
        for (format, is_streamed) in [
            ("json", true),
            ("text", true),
            ("srt", false),
            ("vtt", false),
            ("verbose_json", false),
        ] {
            let fields = [
                ("model", "whisper-1"),
                ("stream", "true"),
                ("response_format", format),
            ];
            assert_eq!(
                wanted(&fields).unwrap().is_streamed,
                is_streamed,
                "{format}"
            );
        }
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let model = ("model", "whisper-1");
        for (fields, expected) in [
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
                &[model, ("timestamp_granularities", "[\"letter\"]")],
                "segment or word",
            ),
            (
                &[model, ("timestamp_granularities[0]", "word")],
                "must be verbose_json",
            ),
        ] {
            let refused = wanted(fields).unwrap_err();
            assert!(refused.contains(expected), "{fields:?}: {refused}");
        }
    }
}
