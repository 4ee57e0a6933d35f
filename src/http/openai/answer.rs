//! A transcript in the formats of this API.

use std::io;
use std::path::Path;
use std::sync::Arc;

use hyper::StatusCode;
use miniz_oxide::deflate::compress_to_vec_zlib;
use serde_json::{Value, json};

use super::fields::{Format, Wanted};
use super::join::Joiner;
use crate::blocking;
use crate::http::app::App;
use crate::http::error::api::ApiError;
use crate::http::reply::{self, Reply};
use crate::languages;
use crate::options::Task;
use crate::protocol::Segment;
use crate::task::render::{self, render};
use crate::task::{TaskRecord, transcript};

/// What zlib compresses with unless it is told otherwise.
const ZLIB_LEVEL: u8 = 6;

/// The transcript of a completed task as it was asked for.
pub async fn answer(app: &App, wanted: Wanted, record: Arc<TaskRecord>) -> Result<Reply, ApiError> {
    let dir = app.tasks.dir(record.id);
    let content_type = match wanted.format {
        Format::Json | Format::VerboseJson => render::Format::Json.content_type(),
        Format::Text => render::Format::Txt.content_type(),
        Format::Srt => render::Format::Srt.content_type(),
        Format::Vtt => render::Format::Vtt.content_type(),
    };
    match blocking::run(move || document(&wanted, &record, &dir)).await {
        Ok(document) => Ok(reply::body(StatusCode::OK, content_type, document)),
        // Deleted at this moment.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(ApiError::TaskNotFound),
        Err(error) => Err(ApiError::Internal(error.to_string())),
    }
}

/// Blocks on the disk.
fn document(wanted: &Wanted, record: &TaskRecord, dir: &Path) -> io::Result<String> {
    match wanted.format {
        Format::Json => {
            let mut document = json!({ "text": text(dir)? });
            if wanted.task == Task::Transcribe {
                document["usage"] = usage(record);
            }
            Ok(document.to_string())
        }
        Format::Text => Ok(text(dir)? + "\n"),
        Format::Srt => render(render::Format::Srt, None, transcript::read(dir)?),
        Format::Vtt => render(render::Format::Vtt, None, transcript::read(dir)?),
        Format::VerboseJson => verbose(wanted, record, dir),
    }
}

fn text(dir: &Path) -> io::Result<String> {
    let mut joiner = Joiner::default();
    let segments = transcript::read(dir)?;
    segments
        .map(|segment| Ok(joiner.next(&segment?.text)))
        .collect()
}

/// What OpenAI would charge for: the recording's length, in begun seconds.
pub fn usage(record: &TaskRecord) -> Value {
    let seconds = record.audio_duration.unwrap_or_default().ceil() as u64;
    json!({ "type": "duration", "seconds": seconds })
}

/// Written piece by piece: as a tree it would take several times its size.
fn verbose(wanted: &Wanted, record: &TaskRecord, dir: &Path) -> io::Result<String> {
    let language = record.language.as_deref().unwrap_or_default();
    let (task, language) = match wanted.task {
        Task::Transcribe => ("transcribe", languages::name(language)),
        // What it is in.
        Task::Translate => ("translate", "english"),
    };
    let head = json!({
        "task": task,
        "language": language,
        "duration": record.audio_duration.unwrap_or_default(),
        "text": text(dir)?,
        "usage": usage(record),
    });
    let mut document = head.to_string();
    document.pop();
    if wanted.has_segments {
        let temperature = record.options.temperatures.unwrap_or_default();
        let mut joiner = Joiner::default();
        let numbered = transcript::read(dir)?.enumerate().map(|(number, segment)| {
            let segment = segment?;
            let text = joiner.next(&segment.text);
            Ok(object(number, &segment, text, temperature))
        });
        array(&mut document, "segments", numbered)?;
    }
    if wanted.has_words {
        let words = transcript::read(dir)?.flat_map(|segment| match segment {
            Ok(segment) => segment.words.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(error) => vec![Err(error)],
        });
        let words = words.map(|word: io::Result<_>| {
            let word = word?;
            Ok(json!({ "word": word.word, "start": word.start, "end": word.end }))
        });
        array(&mut document, "words", words)?;
    }
    document.push('}');
    Ok(document)
}

/// Adds a member to an object that is still open.
fn array(
    document: &mut String,
    name: &str,
    values: impl Iterator<Item = io::Result<Value>>,
) -> io::Result<()> {
    *document += &format!(",\"{name}\":");
    let mut separator = '[';
    for value in values {
        document.push(separator);
        *document += &value?.to_string();
        separator = ',';
    }
    if separator == '[' {
        document.push('[');
    }
    document.push(']');
    Ok(())
}

fn object(number: usize, segment: &Segment, text: String, temperature: f64) -> Value {
    json!({
        "id": number,
        // In frames of 10 ms.
        "seek": (segment.start * 100.0) as u64,
        "start": segment.start,
        "end": segment.end,
        "compression_ratio": compression_ratio(&text),
        "text": text,
        "tokens": segment.tokens,
        "temperature": temperature,
        "avg_logprob": segment.avg_logprob,
        "no_speech_prob": segment.no_speech_prob,
    })
}

/// As Whisper computes it: high where a text repeats itself.
fn compression_ratio(text: &str) -> f64 {
    let compressed = compress_to_vec_zlib(text.as_bytes(), ZLIB_LEVEL);
    text.len() as f64 / compressed.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_itself_is_compressed_more() {
        // Python: len(text) / len(zlib.compress(text))
        let ratio = compression_ratio("hello world");
        assert!((ratio - 11.0 / 19.0).abs() < 1e-9, "{ratio}");
        assert!(compression_ratio(&"no ".repeat(100)) > 10.0);
    }

    #[test]
    fn arrays_are_sound_whatever_their_length() {
        for count in 0..3 {
            let mut document = "{\"a\":1".to_owned();
            let values = (0..count).map(|number| Ok(json!(number)));
            array(&mut document, "b", values).unwrap();
            document.push('}');
            let read: Value = serde_json::from_str(&document).unwrap();
            assert_eq!(read["b"].as_array().unwrap().len(), count);
        }
    }
}
