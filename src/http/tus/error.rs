//! The one table of TUS errors.

use hyper::StatusCode;
use hyper::header::{CONNECTION, CONTENT_RANGE, HeaderName, RETRY_AFTER};
use tracing::error;

use super::super::api_error::{status_of, tell_denied};
use super::super::reply::{self, Reply};
use super::{TUS_RESUMABLE, TUS_VERSION, UPLOAD_OFFSET, VERSION};
use crate::access::Denied;
use crate::languages::UnknownLanguage;
use crate::upload::{PartError, UploadError};

/// Why a request was refused. The texts are the bodies, for people.
#[derive(Debug, thiserror::Error)]
pub enum TusError {
    /// Not with this token, or without one.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Tus-Resumable is missing or another version.
    #[error("this server speaks TUS {VERSION}: send the header Tus-Resumable: {VERSION}")]
    Version,
    /// A header that must be there.
    #[error("the header {name} is missing")]
    Missing {
        /// Which.
        name: HeaderName,
    },
    /// A header that must be a number.
    #[error("the header {name} must be a number of bytes, in digits")]
    NotANumber {
        /// Which.
        name: HeaderName,
    },
    /// Not the name of a method.
    #[error("X-HTTP-Method-Override is not the name of a method")]
    MethodOverride,
    /// Upload-Checksum cannot be read.
    #[error("bad Upload-Checksum: {0}")]
    Checksum(String),
    /// Upload-Concat cannot be read.
    #[error("bad Upload-Concat: {0}")]
    Concat(String),
    /// A final upload is as long as its parts.
    #[error("send no length with a final upload: it is that of its parts")]
    FinalLength,
    /// Both lengths.
    #[error("send either Upload-Length or Upload-Defer-Length, not both")]
    TwoLengths,
    /// A value that the protocol does not know.
    #[error("the only value of Upload-Defer-Length is 1")]
    DeferLength,
    /// Upload-Metadata cannot be read.
    #[error("bad Upload-Metadata: {0}")]
    Metadata(String),
    /// The body is not marked as a chunk.
    #[error("send the bytes with Content-Type: {}", super::CHUNK_TYPE)]
    ContentType,
    /// There is no whole recording yet.
    #[error("the upload is not complete yet; its recording can be had when it is")]
    NotFinished,
    /// There was one.
    #[error("the recording was deleted after its retention period")]
    RecordingGone,
    /// A part that is not there.
    #[error("the recording has {length} bytes; ask for some of them")]
    Range {
        /// Bytes of the whole.
        length: u64,
    },
    /// A model that is not installed, and the configuration refuses those.
    #[error("there is no model `{0}` on this server")]
    UnknownModel(String),
    /// The upload engine said no.
    #[error(transparent)]
    Upload(#[from] UploadError),
}

impl From<UnknownLanguage> for TusError {
    fn from(error: UnknownLanguage) -> TusError {
        TusError::Metadata(error.to_string())
    }
}

impl TusError {
    fn status(&self) -> StatusCode {
        match self {
            TusError::Denied(denied) => status_of(denied),
            TusError::Version => StatusCode::PRECONDITION_FAILED,
            TusError::Missing { .. }
            | TusError::NotANumber { .. }
            | TusError::MethodOverride
            | TusError::Checksum(_)
            | TusError::Concat(_)
            | TusError::FinalLength
            | TusError::TwoLengths
            | TusError::DeferLength
            | TusError::Metadata(_) => StatusCode::BAD_REQUEST,
            TusError::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            TusError::NotFinished => StatusCode::CONFLICT,
            TusError::RecordingGone => StatusCode::GONE,
            TusError::Range { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
            TusError::UnknownModel(_) => StatusCode::UNPROCESSABLE_ENTITY,
            TusError::Upload(error) => match error {
                UploadError::NotFound
                | UploadError::Part {
                    why: PartError::Missing,
                    ..
                } => StatusCode::NOT_FOUND,
                UploadError::Expired
                | UploadError::Damaged
                | UploadError::Part {
                    why: PartError::Expired,
                    ..
                } => StatusCode::GONE,
                UploadError::Part {
                    why: PartError::NotPartial,
                    ..
                } => StatusCode::BAD_REQUEST,
                UploadError::Final => StatusCode::FORBIDDEN,
                UploadError::TooLarge { .. } | UploadError::PastLength { .. } => {
                    StatusCode::PAYLOAD_TOO_LARGE
                }
                UploadError::LengthKnown { .. } | UploadError::NoChecksum => {
                    StatusCode::BAD_REQUEST
                }
                UploadError::NoSpace { .. } => StatusCode::INSUFFICIENT_STORAGE,
                // Superseded: the client that sees this is not the newest one;
                // asking again for the offset is right for it too.
                UploadError::Conflict { .. } | UploadError::Superseded { .. } => {
                    StatusCode::CONFLICT
                }
                UploadError::Checksum => checksum_mismatch(),
                UploadError::Cut { .. } => StatusCode::REQUEST_TIMEOUT,
                UploadError::Busy => StatusCode::LOCKED,
                UploadError::Stopping | UploadError::TooMany => StatusCode::SERVICE_UNAVAILABLE,
                UploadError::Storage(_) => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }

    /// The response.
    pub fn reply(&self) -> Reply {
        let status = self.status();
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            error!("{self}");
        }
        let mut reply = reply::body(status, "text/plain; charset=utf-8", format!("{self}\n"));
        reply::set(&mut reply, TUS_RESUMABLE, VERSION);
        match self {
            TusError::Denied(denied) => tell_denied(&mut reply, denied),
            TusError::Version => reply::set(&mut reply, TUS_VERSION, VERSION),
            TusError::Range { length } => {
                reply::set(&mut reply, CONTENT_RANGE, format!("bytes */{length}"));
            }
            TusError::Upload(
                UploadError::Conflict { offset } | UploadError::Superseded { offset },
            ) => {
                reply::set(&mut reply, UPLOAD_OFFSET, offset);
            }
            TusError::Upload(UploadError::Cut { .. }) => {
                reply::set(&mut reply, CONNECTION, "close")
            }
            TusError::Upload(UploadError::Stopping | UploadError::Busy) => {
                reply::set(&mut reply, RETRY_AFTER, 1);
            }
            // Some will be finished by then, or expire.
            TusError::Upload(UploadError::TooMany) => reply::set(&mut reply, RETRY_AFTER, 60),
            _ => {}
        }
        reply
    }
}

/// 460, a status of the checksum extension's own.
fn checksum_mismatch() -> StatusCode {
    StatusCode::from_u16(460).unwrap_or(StatusCode::BAD_REQUEST)
}
