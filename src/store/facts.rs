//! What is known of an upload from its creation on.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::record::Kind;
use crate::options::Options;

/// `upload.json`, written once; of a recording that comes whole once more at
/// most, before it is complete. Unknown fields are ignored, so that an older
/// program can read what a newer one wrote.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The name of the folder; of the task too.
    pub id: Uuid,
    /// RFC 3339, UTC.
    pub created_at: jiff::Timestamp,
    /// Name of the access token that made it, `None` if none was needed.
    #[serde(default)]
    pub owner: Option<String>,
    /// `Upload-Metadata` as the client sent it.
    #[serde(default)]
    pub metadata: Option<String>,
    /// Name of the file at the client, for people and as a hint of its type.
    #[serde(default)]
    pub filename: Option<String>,
    /// Media type the client claims.
    #[serde(default)]
    pub filetype: Option<String>,
    /// Whisper code asked for, `None` to detect.
    #[serde(default)]
    pub language: Option<String>,
    /// Model asked for by name.
    #[serde(default)]
    pub model: Option<String>,
    /// What it is to other uploads, if anything.
    #[serde(default)]
    pub concat: Option<Concat>,
    /// How it is to be transcribed.
    #[serde(default)]
    pub options: Options,
    /// Where it was fetched from, if it was.
    #[serde(default)]
    pub url: Option<String>,
    /// Who is told of its end.
    #[serde(default)]
    pub callback_url: Option<String>,
    /// When it is transcribed.
    #[serde(default)]
    pub priority: Priority,
    /// It comes in one piece or not at all: nobody goes on with what a crash
    /// left of it.
    #[serde(default)]
    pub is_whole: bool,
}

/// Which recordings are transcribed first.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Somebody waits for the transcript in the middle of a request.
    Interactive,
    /// The transcript is fetched some time.
    #[default]
    Bulk,
}

/// A part of a recording, or one that is joined from parts (TUS,
/// concatenation extension).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concat {
    /// `Upload-Concat` as the client sent it.
    #[serde(rename = "told")]
    pub raw: String,
    /// The partial uploads, in order, one maybe several times; none for a partial one.
    pub parts: Vec<Uuid>,
}

impl Concat {
    /// Is a part, and has none itself.
    pub fn is_partial(&self) -> bool {
        self.parts.is_empty()
    }
}

impl Facts {
    /// As the offset record tells it.
    pub fn kind(&self) -> Kind {
        match &self.concat {
            None => Kind::Whole,
            Some(concat) if concat.is_partial() => Kind::Partial,
            Some(_) => Kind::Final,
        }
    }

    /// The partial uploads that it is joined from.
    pub fn parts(&self) -> &[Uuid] {
        self.concat.as_ref().map_or(&[], |concat| &concat.parts)
    }
}
