//! The formats of transcripts.

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
    /// The text in one line, as OpenAI's `text`.
    OneLine,
    /// OpenAI's `json`: the text, with the usage of a transcription.
    OpenAiJson {
        /// Only transcriptions have it.
        has_usage: bool,
    },
    /// OpenAI's `verbose_json`: the text and the facts about it.
    OpenAiVerbose {
        /// Its segments.
        has_segments: bool,
        /// Its words.
        has_words: bool,
    },
}

impl Format {
    /// The names of formats of our own, for messages.
    pub const NAMES: &str = "txt, srt, vtt, json or tsv";

    /// As it is written in requests.
    pub fn name(self) -> &'static str {
        match self {
            Format::Txt => "txt",
            Format::Srt => "srt",
            Format::Vtt => "vtt",
            Format::Json | Format::OpenAiJson { .. } => "json",
            Format::Tsv => "tsv",
            Format::OneLine => "text",
            Format::OpenAiVerbose { .. } => "verbose_json",
        }
    }

    /// The value of `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Txt | Format::OneLine => "text/plain; charset=utf-8",
            Format::Srt => "application/x-subrip; charset=utf-8",
            Format::Vtt => "text/vtt; charset=utf-8",
            Format::Json | Format::OpenAiJson { .. } | Format::OpenAiVerbose { .. } => {
                "application/json"
            }
            Format::Tsv => "text/tab-separated-values; charset=utf-8",
        }
    }
}

/// Not the name of a format of our own.
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
