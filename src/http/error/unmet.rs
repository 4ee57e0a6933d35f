//! Upload requests that are well formed and cannot be met.

use crate::languages::UnknownLanguage;
use crate::outgoing::UrlError;
use crate::shares::Exceeded;
use crate::upload::UploadError;

/// What `transcribe.max_queue` limits.
pub(super) const QUEUED: &str = "recordings that wait to be transcribed";

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
    /// `transcribe.max_queue` tasks are queued.
    #[error("{}", .0.text(QUEUED))]
    QueueFull(Exceeded),
    /// Not a partial upload of the caller's.
    #[error(transparent)]
    Part(#[from] UploadError),
}
