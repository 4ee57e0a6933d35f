//! A transcript in the formats people and programs read.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::protocol::Segment;

/// A way to write a transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One line of text per segment.
    Txt,
    /// SubRip subtitles.
    Srt,
    /// WebVTT.
    Vtt,
    /// Segments with their times, as in a task's result.
    Json,
    /// Tab-separated: start and end in milliseconds, text; with a header.
    Tsv,
}

impl Format {
    /// Their names, for messages.
    pub const NAMES: &str = "txt, srt, vtt, json or tsv";

    /// As it is written in requests.
    pub fn name(self) -> &'static str {
        match self {
            Format::Txt => "txt",
            Format::Srt => "srt",
            Format::Vtt => "vtt",
            Format::Json => "json",
            Format::Tsv => "tsv",
        }
    }

    /// What an HTTP answer says of it.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Txt => "text/plain; charset=utf-8",
            Format::Srt => "application/x-subrip; charset=utf-8",
            Format::Vtt => "text/vtt; charset=utf-8",
            Format::Json => "application/json",
            Format::Tsv => "text/tab-separated-values; charset=utf-8",
        }
    }
}

/// Not a [`Format`].
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a transcript format; use {names}", names = Format::NAMES)]
pub struct UnknownFormat(String);

impl std::str::FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Format, UnknownFormat> {
        Ok(match name {
            "txt" => Format::Txt,
            "srt" => Format::Srt,
            "vtt" => Format::Vtt,
            "json" => Format::Json,
            "tsv" => Format::Tsv,
            _ => return Err(UnknownFormat(name.chars().take(40).collect())),
        })
    }
}

/// The whole document. `language` is told by the formats that have a place for it.
pub fn render<E>(
    format: Format,
    language: Option<&str>,
    segments: impl Iterator<Item = Result<Segment, E>>,
) -> Result<String, E> {
    let mut text = match format {
        Format::Vtt => "WEBVTT\n\n".to_owned(),
        Format::Tsv => "start\tend\ttext\n".to_owned(),
        _ => String::new(),
    };
    if format == Format::Json {
        return Ok(result(language, segments)?.to_string());
    }
    for (number, segment) in segments.enumerate() {
        let Segment {
            start,
            end,
            text: words,
            ..
        } = segment?;
        // Writing to a string cannot fail.
        let _ = match format {
            Format::Txt | Format::Json => writeln!(text, "{words}"),
            Format::Srt => {
                let (start, end) = (clock(start, ','), clock(end, ','));
                write!(
                    text,
                    "{}\n{start} --> {end}\n{}\n\n",
                    number + 1,
                    cue(&words)
                )
            }
            Format::Vtt => {
                let (start, end) = (clock(start, '.'), clock(end, '.'));
                let words = words.replace('&', "&amp;").replace('<', "&lt;");
                write!(text, "{start} --> {end}\n{}\n\n", cue(&words))
            }
            Format::Tsv => {
                let words = words.replace(['\t', '\n', '\r'], " ");
                writeln!(
                    text,
                    "{}\t{}\t{words}",
                    milliseconds(start),
                    milliseconds(end)
                )
            }
        };
    }
    Ok(text)
}

/// The `result` of a completed task.
pub fn result<E>(
    language: Option<&str>,
    segments: impl Iterator<Item = Result<Segment, E>>,
) -> Result<Value, E> {
    let segment = |segment: Result<Segment, E>| {
        let Segment {
            start,
            end,
            text,
            words,
            ..
        } = segment?;
        Ok(json!({ "start": start, "end": end, "text": text, "words": words }))
    };
    let segments: Vec<Value> = segments.map(segment).collect::<Result<_, E>>()?;
    Ok(json!({ "segments": segments, "language": language }))
}

fn milliseconds(seconds: f64) -> u64 {
    (seconds.max(0.0) * 1000.0).round() as u64
}

/// HH:MM:SS and milliseconds; more than 99 hours just get longer.
fn clock(seconds: f64, separator: char) -> String {
    let ms = milliseconds(seconds);
    let (s, ms) = (ms / 1000, ms % 1000);
    format!(
        "{:02}:{:02}:{:02}{separator}{ms:03}",
        s / 3600,
        s / 60 % 60,
        s % 60
    )
}

/// An empty line or an arrow would end a cue.
fn cue(words: &str) -> String {
    words.replace(['\n', '\r'], " ").replace("-->", "->")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Word;

    #[test]
    fn every_format_of_one_transcript() {
        let segments = [
            Segment {
                start: 0.0,
                end: 1.2345,
                text: "hello world".into(),
                words: vec![Word {
                    word: "hello".into(),
                    start: 0.0,
                    end: 0.5,
                    score: 0.75,
                }],
                tokens: vec![1, 2],
                ..Segment::default()
            },
            Segment {
                start: 3661.5,
                end: 3662.0,
                text: "a\tb --> <c> & d".into(),
                ..Segment::default()
            },
        ];
        let cases = [
            ("txt", "hello world\na\tb --> <c> & d\n"),
            (
                "srt",
                "1\n00:00:00,000 --> 00:00:01,235\nhello world\n\n\
                 2\n01:01:01,500 --> 01:01:02,000\na\tb -> <c> & d\n\n",
            ),
            (
                "vtt",
                "WEBVTT\n\n00:00:00.000 --> 00:00:01.235\nhello world\n\n\
                 01:01:01.500 --> 01:01:02.000\na\tb -> &lt;c> &amp; d\n\n",
            ),
            (
                "tsv",
                "start\tend\ttext\n0\t1235\thello world\n3661500\t3662000\ta b --> <c> & d\n",
            ),
            (
                "json",
                r#"{"language":"en","segments":[{"end":1.2345,"start":0.0,"text":"hello world","words":[{"end":0.5,"score":0.75,"start":0.0,"word":"hello"}]},{"end":3662.0,"start":3661.5,"text":"a\tb --> <c> & d","words":[]}]}"#,
            ),
        ];
        for (name, expected) in cases {
            let format = name.parse().unwrap();
            let segments = segments.iter().cloned().map(Ok::<_, ()>);
            assert_eq!(
                render(format, Some("en"), segments).unwrap(),
                expected,
                "{name}"
            );
        }
        assert!("doc".parse::<Format>().is_err());
    }
}
