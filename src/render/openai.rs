//! The JSON of OpenAI's speech API, see
//! <https://platform.openai.com/docs/api-reference/audio/verbose-json-object>.

use miniz_oxide::deflate::compress_to_vec_zlib;
use serde_json::{Value, json};

use super::document::Document;
use super::joiner::Joiner;
use super::json::{array, escape};
use super::transcript::Transcript;
use crate::languages;
use crate::options::Task;
use crate::protocol::Segment;

/// zlib's default level.
const ZLIB_LEVEL: u8 = 6;

/// `json`.
pub fn json(transcript: &Transcript, has_usage: bool) -> Document {
    let document = Document::new(transcript.read.clone()).text("{");
    let document = text(document);
    match has_usage {
        true => document.text(format!(",\"usage\":{}}}", usage(transcript.duration_s))),
        false => document.text("}"),
    }
}

/// The last event of a stream, `transcript.text.done`.
pub fn text_done(transcript: &Transcript) -> Document {
    let usage = usage(transcript.duration_s);
    let document = Document::new(transcript.read.clone()).text("{");
    text(document).text(format!(
        ",\"type\":\"transcript.text.done\",\"usage\":{usage}}}"
    ))
}

/// The text in one line.
pub fn one_line(transcript: &Transcript) -> Document {
    let mut joiner = Joiner::default();
    let document = Document::new(transcript.read.clone());
    let document = document.each(move |segment, line| {
        line.extend_from_slice(joiner.next(&segment.text).as_bytes());
        Ok(())
    });
    document.text("\n")
}

/// What OpenAI would charge for: the recording's length, in begun seconds.
fn usage(duration_s: f64) -> Value {
    let seconds = duration_s.ceil() as u64;
    json!({ "type": "duration", "seconds": seconds })
}

/// `verbose_json`.
pub fn verbose(transcript: &Transcript, has_segments: bool, has_words: bool) -> Document {
    let (task, language) = match transcript.task {
        Task::Transcribe => (
            "transcribe",
            languages::name(transcript.language.as_deref().unwrap_or_default()),
        ),
        // The language of the text.
        Task::Translate => ("translate", "english"),
    };
    let (duration, language) = (json!(transcript.duration_s), json!(language));
    let document = Document::new(transcript.read.clone()).text(format!(
        r#"{{"duration":{duration},"language":{language},"task":"{task}","#
    ));
    let usage = usage(transcript.duration_s);
    let mut document = text(document).text(format!(",\"usage\":{usage}"));
    if has_segments {
        let mut joiner = Joiner::default();
        let mut numbers = 0..;
        let temperature = transcript.temperature;
        document = document.text(",\"segments\":[");
        document = array(document, move |segment| {
            let text = joiner.next(&segment.text);
            let number = numbers.next();
            number.map(|number: usize| object(number, &segment, text, temperature))
        });
        document = document.text("]");
    }
    if has_words {
        document = document.text(",\"words\":[");
        document = array(document, |segment| {
            let words = segment.words.into_iter();
            words.map(|word| json!({ "word": word.word, "start": word.start, "end": word.end }))
        });
        document = document.text("]");
    }
    document.text("}")
}

/// Adds the member `text`.
fn text(document: Document) -> Document {
    let mut joiner = Joiner::default();
    let document = document.text("\"text\":\"");
    document
        .each(move |segment, json| escape(&joiner.next(&segment.text), json))
        .text("\"")
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
}
