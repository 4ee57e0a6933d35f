//! Transcripts in the formats that people and programs read.

mod document;
mod format;
mod joiner;
mod json;
mod openai;
mod subtitles;
mod table;
mod transcript;

pub use document::Document;
pub use format::{Format, UnknownFormat};
pub use joiner::Joiner;
pub use json::result;
pub use openai::text_done;
pub use transcript::{Read, Segments, Transcript};

/// The document, to be written piece by piece. That fails where the segments
/// cannot be read.
pub fn render(format: Format, transcript: &Transcript) -> Document {
    let document = || Document::new(transcript.read.clone());
    match format {
        Format::Txt => table::txt(document()),
        Format::Tsv => table::tsv(document()),
        Format::Srt => subtitles::srt(document()),
        Format::Vtt => subtitles::vtt(document()),
        Format::Json => result(transcript),
        Format::OneLine => openai::one_line(transcript),
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
            language: Some("en".into()),
            task: Task::Transcribe,
            duration_s: 3662.5,
            temperature: 0.5,
            read: Transcript::reading(segments.to_vec()),
        };
        for (name, expected) in cases {
            let format = name.parse().unwrap();
            let document = render(format, &transcript).whole().unwrap();
            assert_eq!(document, expected, "{name}");
        }
        assert!("doc".parse::<Format>().is_err());
        let text = "hello world a\tb --> <c> & d";
        let one_line = render(Format::OneLine, &transcript).whole().unwrap();
        assert_eq!(one_line, format!("{text}\n"));
        let json = |format| {
            let document = render(format, &transcript).whole().unwrap();
            let read: Value = serde_json::from_str(&document).unwrap();
            assert_eq!(read.to_string(), document, "no other order or spaces");
            read
        };
        let usage = json!({ "type": "duration", "seconds": 3663 });
        for (has_usage, expected) in [
            (true, json!({ "text": text, "usage": usage })),
            (false, json!({ "text": text })),
        ] {
            assert_eq!(json(Format::OpenAiJson { has_usage }), expected);
        }
        let done = text_done(&transcript).whole().unwrap();
        let expected = json!({ "type": "transcript.text.done", "text": text, "usage": usage });
        assert_eq!(done, expected.to_string());
        let verbose = |has_segments, has_words| {
            let document = render(
                Format::OpenAiVerbose {
                    has_segments,
                    has_words,
                },
                &transcript,
            );
            let document = document.whole().unwrap();
            serde_json::from_str::<Value>(&document).unwrap()
        };
        let all = verbose(true, true);
        let segments = all["segments"].as_array().unwrap();
        assert_eq!(segments[0]["id"], 0);
        assert_eq!(segments[0]["temperature"], 0.5);
        assert_eq!(segments[0]["tokens"], json!([1, 2]));
        assert_eq!(segments[1]["id"], 1);
        assert_eq!(segments[1]["text"], " a\tb --> <c> & d");
        assert_eq!(segments.len(), 2);
        let expected = json!({
            "task": "transcribe",
            "language": "english",
            "duration": 3662.5,
            "text": text,
            "usage": usage,
            "segments": segments,
            "words": [{ "word": "hello", "start": 0.0, "end": 0.5 }],
        });
        assert_eq!(all, expected);
        for (has_segments, has_words) in [(true, false), (false, true), (false, false)] {
            let mut expected = expected.clone();
            let members = expected.as_object_mut().unwrap();
            members.retain(|name, _| {
                has_segments && name == "segments"
                    || has_words && name == "words"
                    || !["segments", "words"].contains(&&**name)
            });
            assert_eq!(verbose(has_segments, has_words), expected);
        }
    }

    #[test]
    fn a_transcript_without_segments_gives_sound_documents() {
        let transcript = Transcript {
            language: None,
            task: Task::Translate,
            duration_s: 0.0,
            temperature: 0.0,
            read: Transcript::reading(Vec::new()),
        };
        let [has_usage, has_segments, has_words] = [true; 3];
        let verbose = Format::OpenAiVerbose {
            has_segments,
            has_words,
        };
        for (format, expected) in [
            (Format::Txt, ""),
            (Format::Srt, ""),
            (Format::Vtt, "WEBVTT\n\n"),
            (Format::Tsv, "start\tend\ttext\n"),
            (Format::Json, r#"{"language":null,"segments":[]}"#),
            (Format::OneLine, "\n"),
            (
                Format::OpenAiJson { has_usage },
                r#"{"text":"","usage":{"seconds":0,"type":"duration"}}"#,
            ),
            (
                verbose,
                r#"{"duration":0.0,"language":"english","task":"translate","text":"","usage":{"seconds":0,"type":"duration"},"segments":[],"words":[]}"#,
            ),
        ] {
            let document = render(format, &transcript).whole().unwrap();
            assert_eq!(document, expected, "{format:?}");
        }
    }

    #[test]
    fn a_segment_that_cannot_be_read_is_an_error_and_no_end() {
        let transcript = Transcript {
            language: None,
            task: Task::Transcribe,
            duration_s: 1.0,
            temperature: 0.0,
            read: std::sync::Arc::new(|| {
                let lost = Err(std::io::ErrorKind::InvalidData.into());
                Box::new([Ok(Segment::default()), lost].into_iter())
            }),
        };
        for format in [Format::Txt, Format::Srt, Format::Json, Format::OneLine] {
            render(format, &transcript).whole().unwrap_err();
        }
    }
}
