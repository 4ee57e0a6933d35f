//! The table of errors of the upload protocols.

use hyper::StatusCode;
use hyper::header::{ALLOW, CONNECTION, CONTENT_RANGE, HeaderName, RETRY_AFTER};
use serde_json::json;
use tracing::error;

use super::status::{status_of, status_of_exceeded, status_of_upload, tell_denied};
use super::unmet::Unmet;
use crate::access::Denied;
use crate::http::headers::names::{TUS_VERSION, UPLOAD_LIMIT, UPLOAD_OFFSET};
use crate::http::headers::upload_fields::{limits, set_complete};
use crate::http::headers::upload_protocol::Protocol;
use crate::http::headers::upload_protocol::{
    METADATA_MAX_BYTES, OFFSET_STREAM, PARTIAL_UPLOAD, VERSION,
};
use crate::http::reply::{self, Reply};
use crate::upload::UploadError;

/// Why a request of an upload protocol was refused. The texts are the response
/// bodies.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// Authentication failed.
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("this server speaks TUS {VERSION}: send the header Tus-Resumable: {VERSION}")]
    Version,
    #[error("the header {0} is missing")]
    Missing(HeaderName),
    #[error("the header {0} does not go with this method")]
    Unexpected(HeaderName),
    #[error("the upload is complete already")]
    Complete,
    #[error("the header {0} must be a number of bytes, in digits")]
    NotANumber(HeaderName),
    #[error("use one of {0}")]
    Method(&'static str),
    #[error("X-HTTP-Method-Override is not the name of a method")]
    MethodOverride,
    #[error("bad Upload-Checksum: {0}")]
    Checksum(String),
    #[error("bad Upload-Concat: {0}")]
    Concat(String),
    #[error("send no length with a final upload: it is that of its parts")]
    FinalLength,
    #[error("send either Upload-Length or Upload-Defer-Length, not both")]
    TwoLengths,
    #[error("the only value of Upload-Defer-Length is 1")]
    DeferLength,
    #[error("bad Upload-Metadata: {0}")]
    Metadata(String),
    #[error("Upload-Metadata may have {} bytes at most", METADATA_MAX_BYTES)]
    MetadataTooLarge,
    #[error("send the bytes with Content-Type: {}", OFFSET_STREAM)]
    ContentType,
    #[error("send the bytes with Content-Type: {}", PARTIAL_UPLOAD)]
    PartialContentType,
    #[error("the upload is at offset {expected}, not at {provided}; send from there")]
    Offset { expected: u64, provided: u64 },
    #[error("the lengths of the upload and of what was sent do not agree")]
    Length,
    #[error("the upload is not complete yet; its recording can be had when it is")]
    NotFinished,
    #[error("the recording was deleted after its retention period")]
    RecordingGone,
    #[error("the recording has {length} bytes; ask for some of them")]
    Range { length: u64 },
    /// The request cannot be met.
    #[error(transparent)]
    Unmet(Unmet),
    /// The upload engine refused.
    #[error(transparent)]
    Upload(#[from] UploadError),
}

impl From<Unmet> for ProtocolError {
    fn from(unmet: Unmet) -> ProtocolError {
        match unmet {
            Unmet::Language(error) => ProtocolError::Metadata(error.to_string()),
            Unmet::Part(error) => ProtocolError::Upload(error),
            unmet => ProtocolError::Unmet(unmet),
        }
    }
}

impl ProtocolError {
    fn status(&self) -> StatusCode {
        match self {
            ProtocolError::Denied(denied) => status_of(denied),
            ProtocolError::Version => StatusCode::PRECONDITION_FAILED,
            ProtocolError::Missing(_)
            | ProtocolError::NotANumber(_)
            | ProtocolError::Unexpected(_)
            | ProtocolError::Complete
            | ProtocolError::Length
            | ProtocolError::MethodOverride
            | ProtocolError::Checksum(_)
            | ProtocolError::Concat(_)
            | ProtocolError::FinalLength
            | ProtocolError::TwoLengths
            | ProtocolError::DeferLength
            | ProtocolError::Metadata(_) => StatusCode::BAD_REQUEST,
            ProtocolError::MetadataTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            ProtocolError::ContentType | ProtocolError::PartialContentType => {
                StatusCode::UNSUPPORTED_MEDIA_TYPE
            }
            ProtocolError::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            ProtocolError::NotFinished | ProtocolError::Offset { .. } => StatusCode::CONFLICT,
            ProtocolError::RecordingGone => StatusCode::GONE,
            ProtocolError::Range { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
            ProtocolError::Unmet(Unmet::Exceeded(_, exceeded)) => status_of_exceeded(exceeded),
            ProtocolError::Unmet(Unmet::Model(_)) => StatusCode::UNPROCESSABLE_ENTITY,
            ProtocolError::Unmet(_) => StatusCode::BAD_REQUEST,
            ProtocolError::Upload(error) => status_of_upload(error),
        }
    }

    /// The response in this protocol.
    pub fn reply(&self, protocol: Protocol) -> Reply {
        let status = self.status();
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            error!("{self}");
        }
        let mut reply = match protocol {
            Protocol::Tus => reply::body(status, "text/plain; charset=utf-8", format!("{self}\n")),
            Protocol::Ietf(_) => self.problem(status),
        };
        protocol.mark(&mut reply);
        if let Some(offset) = self.offset() {
            reply::set(&mut reply, UPLOAD_OFFSET, offset);
            if let Protocol::Ietf(interop) = protocol {
                set_complete(&mut reply, false, interop);
            }
        }
        match self {
            ProtocolError::Method(allowed) => reply::set(&mut reply, ALLOW, allowed),
            ProtocolError::Denied(denied) => tell_denied(&mut reply, denied),
            ProtocolError::Version => reply::set(&mut reply, TUS_VERSION, VERSION),
            ProtocolError::Range { length } => {
                reply::set(&mut reply, CONTENT_RANGE, format!("bytes */{length}"));
            }
            ProtocolError::Upload(UploadError::TooLarge { max_size_bytes }) => {
                reply::set(&mut reply, UPLOAD_LIMIT, limits(*max_size_bytes, None));
            }
            ProtocolError::Upload(
                UploadError::ConnectionLost { .. } | UploadError::Malformed { .. },
            ) => {
                reply::set(&mut reply, CONNECTION, "close");
            }
            ProtocolError::Upload(UploadError::Stopping | UploadError::Busy) => {
                reply::set(&mut reply, RETRY_AFTER, 1);
            }
            // By then some uploads are complete, transcribed or expired.
            ProtocolError::Unmet(Unmet::Exceeded(..))
            | ProtocolError::Upload(UploadError::TooMany(_) | UploadError::ShareOfSpace { .. }) => {
                reply::set(&mut reply, RETRY_AFTER, 60);
            }
            _ => {}
        }
        reply
    }

    /// The offset of the upload, where the error states one.
    fn offset(&self) -> Option<u64> {
        match self {
            ProtocolError::Offset { expected, .. } => Some(*expected),
            ProtocolError::Upload(
                UploadError::Conflict { offset }
                | UploadError::Superseded { offset }
                | UploadError::ConnectionLost { offset }
                | UploadError::Malformed { offset },
            ) => Some(*offset),
            _ => None,
        }
    }

    /// Problem details (RFC 9457).
    fn problem(&self, status: StatusCode) -> Reply {
        let kind = match self {
            ProtocolError::Offset { .. } => "mismatching-upload-offset",
            ProtocolError::Length => "inconsistent-upload-length",
            ProtocolError::Complete => "completed-upload",
            _ => "",
        };
        let mut problem = json!({ "title": self.to_string(), "status": status.as_u16() });
        if !kind.is_empty() {
            problem["type"] = format!("{PROBLEM_TYPES}{kind}").into();
        }
        if let ProtocolError::Offset { expected, provided } = self {
            problem["expected-offset"] = (*expected).into();
            problem["provided-offset"] = (*provided).into();
        }
        reply::body(status, "application/problem+json", problem.to_string())
    }
}

/// The registry of problem types.
const PROBLEM_TYPES: &str = "https://iana.org/assignments/http-problem-types#";
