//! Why a recording was not decoded.

use std::io;

use scribed::protocol::{ACCEPTED, FailureKind};

use super::message::Garbage;
use crate::media::DECODER_BYTES;

/// Why a recording was not decoded.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The decoder's own reason, see [`crate::media::MediaError`].
    #[error("{reason}")]
    Failed {
        /// Whose fault it is.
        kind: FailureKind,
        /// For people.
        reason: String,
    },
    /// It reached the limit of its memory.
    #[error(
        "the file cannot be decoded: its decoder needed more than {} MiB of memory, so it is damaged or unusual; convert it, for example to flac, then transcribe that",
        DECODER_BYTES >> 20
    )]
    Memory,
    /// The process died; contains how.
    #[error(
        "the file cannot be decoded: its decoder crashed ({0}), so it is damaged or unusual; {ACCEPTED}"
    )]
    Crashed(String),
    /// It computed for so many seconds without a result.
    #[error(
        "the file cannot be decoded: its decoder computed for {0} s without a result, so it is damaged or unusual; {ACCEPTED}"
    )]
    Hung(u64),
    /// A hostile recording took the decoder over.
    #[error("the file cannot be decoded: its decoder sent {0}; {ACCEPTED}")]
    Garbage(#[from] Garbage),
    /// More samples than the limit of the duration allows, likewise.
    #[error(
        "the file cannot be decoded: its decoder sent more audio than was asked for; {ACCEPTED}"
    )]
    TooMuch,
    /// Before the recording was touched.
    #[error("the decoder could not be started: {0}")]
    Start(io::Error),
    /// The job was cancelled.
    #[error("stopped")]
    Stopped,
}

impl DecodeError {
    /// Whose fault it is. A death while decoding is the recording's: another
    /// attempt would end the same way.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Failed { kind, .. } => *kind,
            Self::Start(_) => FailureKind::Model,
            Self::Stopped => FailureKind::Cancelled,
            Self::Memory | Self::Crashed(_) | Self::Hung(_) | Self::Garbage(_) | Self::TooMuch => {
                FailureKind::Rejected
            }
        }
    }
}
