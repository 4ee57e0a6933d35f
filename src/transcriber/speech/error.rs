//! Why there is no text.

use whisper_rs::WhisperError;

/// Why a window has no text.
#[derive(Debug, thiserror::Error)]
pub enum TranscribeError {
    #[error("stopped")]
    Stopped,
    #[error("the model could not compute ({0})")]
    Whisper(#[from] WhisperError),
}
