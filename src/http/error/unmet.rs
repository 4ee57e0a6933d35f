//! Requests that are well formed and cannot be met.

use crate::languages::UnknownLanguage;
use crate::outgoing::UrlError;
use crate::upload::UploadError;

/// A wish that cannot be met. The texts are for people.
#[derive(Debug, thiserror::Error)]
pub enum Unmet {
    /// None of Whisper's.
    #[error(transparent)]
    Language(#[from] UnknownLanguage),
    /// A model that is not installed, and the configuration refuses those.
    #[error("there is no model `{0}` on this server")]
    Model(String),
    /// Nobody who can be told of anything.
    #[error("callback_url {0}")]
    Callback(UrlError),
    /// The engine cannot keep up.
    #[error("too many recordings wait to be transcribed; try again later")]
    QueueFull,
    /// A partial upload that the caller does not have.
    #[error(transparent)]
    Part(#[from] UploadError),
}
