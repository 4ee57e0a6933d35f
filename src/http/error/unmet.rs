//! Upload requests that are well formed and cannot be met.

use crate::languages::UnknownLanguage;
use crate::outgoing::UrlError;
use crate::shares::Exceeded;
use crate::upload::UploadError;

/// Why an upload request cannot be met.
#[derive(Debug, thiserror::Error)]
pub enum Unmet {
    /// Not a language of Whisper's.
    #[error(transparent)]
    Language(#[from] UnknownLanguage),
    /// The model is not installed, and `transcribe.unknown_model` is `reject`.
    #[error("there is no model `{0}` on this server")]
    Model(String),
    #[error("callback_url {0}")]
    Callback(UrlError),
    /// The caller gets no more of these things.
    #[error("{}", .1.text(.0))]
    Exceeded(&'static str, Exceeded),
    /// Not a partial upload of the caller's.
    #[error(transparent)]
    Part(#[from] UploadError),
}
