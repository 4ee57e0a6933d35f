//! Errors of requests to other hosts.

use hyper::StatusCode;

use super::url::UrlError;

/// Most downloads at a time; each holds a connection and some buffers.
pub const MAX_DOWNLOADS: usize = 32;

/// Most of them from one host.
pub(super) const MAX_DOWNLOADS_PER_HOST: usize = 8;

/// Most redirects that are followed.
pub(super) const MAX_REDIRECTS: usize = 5;

/// Why a request failed. The messages follow the URL.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The URL, or the one it redirects to, is invalid or not allowed.
    #[error("{0}")]
    Url(#[from] UrlError),
    /// No connection could be made.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// The server's certificate cannot be verified.
    #[error("cannot be trusted: {0}")]
    Tls(String),
    /// The connection was lost, or the response is not valid HTTP.
    #[error("lost the connection: {0}")]
    Lost(String),
    /// A timeout.
    #[error("took too long {0}")]
    Slow(&'static str),
    /// The response has an unexpected status.
    #[error("answers {0}")]
    Status(StatusCode),
    /// Too many redirects.
    #[error("redirects more than {MAX_REDIRECTS} times")]
    Redirects,
    /// The response has a content coding that was not requested.
    #[error("sends compressed content (Content-Encoding: {0}), which is not supported")]
    Encoding(String),
    /// The limit of concurrent downloads is reached.
    #[error("cannot be fetched now: {MAX_DOWNLOADS} downloads are running; try again later")]
    Busy,
    /// The limit of concurrent downloads from one host is reached.
    #[error(
        "cannot be fetched now: {MAX_DOWNLOADS_PER_HOST} downloads from its host are running; try again later"
    )]
    HostBusy,
}
