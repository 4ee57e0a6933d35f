//! Transcripts in the formats that people and programs read.

mod format;
mod joiner;
mod json;
mod openai;
mod subtitles;
mod table;
mod transcript;

use std::io;

pub use format::{Format, UnknownFormat};
pub use joiner::Joiner;
pub use json::result;
pub use openai::usage;
pub use transcript::{Segments, Transcript};

/// The whole document. Fails where the segments cannot be read.
pub fn render(format: Format, transcript: &Transcript<'_>) -> io::Result<String> {
    match format {
        Format::Txt => table::txt((transcript.read)()?),
        Format::Tsv => table::tsv((transcript.read)()?),
        Format::Srt => subtitles::srt((transcript.read)()?),
        Format::Vtt => subtitles::vtt((transcript.read)()?),
        Format::Json => Ok(result(transcript.language, (transcript.read)()?)?.to_string()),
        Format::OneLine => Ok(joiner::text((transcript.read)()?)? + "\n"),
        Format::OpenAiJson { has_usage } => openai::json(transcript, has_usage),
        Format::OpenAiVerbose {
            has_segments,
            has_words,
        } => openai::verbose(transcript, has_segments, has_words),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::options::Task;
    use crate::protocol::{Segment, Word};

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
        let transcript = Transcript {
            language: Some("en"),
            task: Task::Transcribe,
            duration_s: 3662.5,
            temperature: 0.5,
            read: Box::new(|| Ok(Box::new(segments.iter().cloned().map(Ok)))),
        };
        for (name, expected) in cases {
            let format = name.parse().unwrap();
            assert_eq!(render(format, &transcript).unwrap(), expected, "{name}");
        }
        assert!("doc".parse::<Format>().is_err());
        let text = "hello world a\tb --> <c> & d";
        let one_line = render(Format::OneLine, &transcript).unwrap();
        assert_eq!(one_line, format!("{text}\n"));
        let json = |format| -> Value {
            serde_json::from_str(&render(format, &transcript).unwrap()).unwrap()
        };
        let usage = json!({ "type": "duration", "seconds": 3663 });
        let has_usage = true;
        assert_eq!(
            json(Format::OpenAiJson { has_usage }),
            json!({ "text": text, "usage": usage })
        );
        let verbose = json(Format::OpenAiVerbose {
            has_segments: true,
            has_words: true,
        });
        assert_eq!(verbose["text"], text);
        assert_eq!(verbose["language"], "english");
        assert_eq!(verbose["words"][0]["word"], "hello");
        assert_eq!(verbose["segments"][1]["text"], " a\tb --> <c> & d");
        assert_eq!(verbose["segments"][0]["temperature"], 0.5);
        assert_eq!(verbose["segments"][0]["tokens"], json!([1, 2]));
    }
}
