//! Why a request to another machine failed.

use hyper::StatusCode;

use super::address::BadAddress;

/// Recordings that are fetched at a time; each holds a connection and some
/// buffers.
pub const MAX_DOWNLOADS: usize = 8;

/// From one address to the next.
pub(super) const MAX_REDIRECTS: usize = 5;

/// Why something came to nothing out there. The texts are for people, and
/// follow the address they are about.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It leads where we may not go.
    #[error("{0}")]
    Address(#[from] BadAddress),
    /// Nobody is there.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// Somebody is there who cannot prove to be the one that was meant.
    #[error("cannot be trusted: {0}")]
    Tls(String),
    /// The connection was lost, or nonsense came over it.
    #[error("broke off: {0}")]
    Lost(String),
    /// Too slow in something.
    #[error("took too long {0}")]
    Slow(&'static str),
    /// It answers something else than what was asked for.
    #[error("answers {0}")]
    Status(StatusCode),
    /// It sends us from one address to the next.
    #[error(
        "leads to more than {} other addresses, one after the other",
        MAX_REDIRECTS
    )]
    Redirects,
    /// What comes is packed.
    #[error("sends its content packed (Content-Encoding: {0})")]
    Encoding(String),
    /// Enough is going on already.
    #[error("must wait: {MAX_DOWNLOADS} recordings are being fetched; try again later")]
    Busy,
}
