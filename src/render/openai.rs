//! The JSON of OpenAI's speech API, see
//! <https://platform.openai.com/docs/api-reference/audio/verbose-json-object>.

use std::io;

use miniz_oxide::deflate::compress_to_vec_zlib;
use serde_json::{Value, json};

use super::joiner::{self, Joiner};
use super::transcript::Transcript;
use crate::languages;
use crate::options::Task;
use crate::protocol::Segment;

/// zlib's default level.
const ZLIB_LEVEL: u8 = 6;

/// `json`.
pub fn json(transcript: &Transcript<'_>, has_usage: bool) -> io::Result<String> {
    let mut document = json!({ "text": joiner::text((transcript.read)()?)? });
    if has_usage {
        document["usage"] = usage(transcript.duration_s);
    }
    Ok(document.to_string())
}

/// What OpenAI would charge for: the recording's length, in begun seconds.
pub fn usage(duration_s: f64) -> Value {
    let seconds = duration_s.ceil() as u64;
    json!({ "type": "duration", "seconds": seconds })
}

/// `verbose_json`. Written piece by piece: as a tree it would take several times
/// its size.
pub fn verbose(
    transcript: &Transcript<'_>,
    has_segments: bool,
    has_words: bool,
) -> io::Result<String> {
    let (task, language) = match transcript.task {
        Task::Transcribe => (
            "transcribe",
            languages::name(transcript.language.unwrap_or_default()),
        ),
        // The language of the text.
        Task::Translate => ("translate", "english"),
    };
    let head = json!({
        "task": task,
        "language": language,
        "duration": transcript.duration_s,
        "text": joiner::text((transcript.read)()?)?,
        "usage": usage(transcript.duration_s),
    });
    let mut document = head.to_string();
    document.pop();
    if has_segments {
        let mut joiner = Joiner::default();
        let numbered = (transcript.read)()?.enumerate();
        let objects = numbered.map(|(number, segment)| {
            let segment = segment?;
            let text = joiner.next(&segment.text);
            Ok(object(number, &segment, text, transcript.temperature))
        });
        array(&mut document, "segments", objects)?;
    }
    if has_words {
        let words = (transcript.read)()?.flat_map(|segment| match segment {
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
