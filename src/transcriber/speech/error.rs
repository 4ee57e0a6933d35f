//! Why there is no text.

use whisper_rs::WhisperError;

/// Why a window has no text.
#[derive(Debug, thiserror::Error)]
pub enum TranscribeError {
    /// As asked for through the pulse.
    #[error("stopped")]
    Stopped,
    /// The model failed.
    #[error("the model could not compute ({0})")]
    Whisper(#[from] WhisperError),
}
