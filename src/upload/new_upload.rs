//! A new upload, validated.

use uuid::Uuid;

use crate::options::Options;
use crate::store::facts::{Concat, Facts, Priority};

/// A new upload.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NewUpload {
    /// Length in bytes; `None` if it follows later.
    pub length: Option<u64>,
    /// The wanted id; replaced if it is taken.
    pub wanted_id: Option<Uuid>,
    /// See [`Facts`].
    pub owner: Option<String>,
    /// See [`Facts`].
    pub metadata: Option<String>,
    /// See [`Facts`].
    pub filename: Option<String>,
    /// See [`Facts`].
    pub filetype: Option<String>,
    /// See [`Facts`].
    pub language: Option<String>,
    /// See [`Facts`].
    pub model: Option<String>,
    /// See [`Facts`].
    pub concat: Option<Concat>,
    /// See [`Facts`].
    pub options: Options,
    /// See [`Facts`].
    pub url: Option<String>,
    /// See [`Facts`].
    pub callback_url: Option<String>,
    /// See [`Facts`].
    pub priority: Priority,
    /// See [`Facts`].
    pub is_whole: bool,
}

impl NewUpload {
    /// The partial uploads to join.
    pub fn parts(&self) -> &[Uuid] {
        self.concat.as_ref().map_or(&[], |concat| &concat.parts)
    }

    /// The facts that are stored.
    pub(super) fn facts(self, id: Uuid, created_at: jiff::Timestamp) -> Facts {
        Facts {
            id,
            created_at,
            owner: self.owner,
            metadata: self.metadata,
            filename: self.filename,
            filetype: self.filetype,
            language: self.language,
            model: self.model,
            concat: self.concat,
            options: self.options,
            url: self.url,
            callback_url: self.callback_url,
            priority: self.priority,
            is_whole: self.is_whole,
        }
    }
}
