//! Statuses and headers that both tables of errors share.

use hyper::StatusCode;
use hyper::header::{RETRY_AFTER, WWW_AUTHENTICATE};

use crate::access::Denied;
use crate::http::reply::{self, Reply};
use crate::outgoing::Failure;
use crate::shares::Exceeded;
use crate::upload::{PartError, UploadError};

/// The status of a failed authentication.
pub fn status_of(denied: &Denied) -> StatusCode {
    match denied {
        Denied::NoToken | Denied::WrongToken | Denied::WrongTicket | Denied::Lost => {
            StatusCode::UNAUTHORIZED
        }
        Denied::TooManyFailures { .. } => StatusCode::TOO_MANY_REQUESTS,
        // 403, not 401: no token could help.
        Denied::NotSetUp | Denied::Network(_) | Denied::Hidden(_) | Denied::Page => {
            StatusCode::FORBIDDEN
        }
        Denied::Host => StatusCode::MISDIRECTED_REQUEST,
    }
}

/// The status of a fetch by URL that failed.
pub(super) fn status_of_failure(failure: &Failure) -> StatusCode {
    match failure {
        Failure::Busy | Failure::HostBusy => StatusCode::SERVICE_UNAVAILABLE,
        Failure::Slow(_) => StatusCode::GATEWAY_TIMEOUT,
        // A retry cannot help.
        Failure::Url(_) | Failure::Redirects | Failure::Encoding(_) => StatusCode::BAD_REQUEST,
        Failure::Status(status) if status.is_client_error() => StatusCode::BAD_REQUEST,
        Failure::Unreachable(_) | Failure::Tls(_) | Failure::Lost(_) | Failure::Status(_) => {
            StatusCode::BAD_GATEWAY
        }
    }
}

/// Adds the headers of a failed authentication (RFC 6750, section 3; RFC 9110, section 10.2.3).
pub fn tell_denied(reply: &mut Reply, denied: &Denied) {
    match denied {
        Denied::NoToken | Denied::WrongTicket | Denied::Lost => {
            reply::set(reply, WWW_AUTHENTICATE, "Bearer realm=\"scribed\"")
        }
        Denied::WrongToken => {
            let challenge = "Bearer realm=\"scribed\", error=\"invalid_token\"";
            reply::set(reply, WWW_AUTHENTICATE, challenge);
        }
        Denied::TooManyFailures { retry_after_s } => {
            reply::set(reply, RETRY_AFTER, retry_after_s);
        }
        Denied::NotSetUp | Denied::Network(_) | Denied::Hidden(_) | Denied::Host | Denied::Page => {
        }
    }
}

/// The status of an error of the upload engine.
pub fn status_of_upload(error: &UploadError) -> StatusCode {
    match error {
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
        UploadError::LengthKnown { .. }
        | UploadError::Short { .. }
        | UploadError::Malformed { .. }
        | UploadError::NoChecksum => StatusCode::BAD_REQUEST,
        UploadError::NoSpace { .. }
        | UploadError::NoFiles
        // Alone it is more than a share.
        | UploadError::ShareOfSpace { used_bytes: 0, .. } => StatusCode::INSUFFICIENT_STORAGE,
        UploadError::ShareOfSpace { .. } => StatusCode::TOO_MANY_REQUESTS,
        UploadError::TooMany(exceeded) => status_of_exceeded(exceeded),
        // Superseded: an older request of the client sees this. A HEAD is right
        // there too.
        UploadError::Conflict { .. } | UploadError::Superseded { .. } => StatusCode::CONFLICT,
        UploadError::Checksum => checksum_mismatch(),
        UploadError::ConnectionLost { .. } => StatusCode::REQUEST_TIMEOUT,
        UploadError::Revoked => StatusCode::UNAUTHORIZED,
        UploadError::Busy => StatusCode::LOCKED,
        UploadError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        UploadError::Storage(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The status where an owner gets no more of something limited.
pub fn status_of_exceeded(exceeded: &Exceeded) -> StatusCode {
    match exceeded {
        Exceeded::Share { .. } => StatusCode::TOO_MANY_REQUESTS,
        Exceeded::Whole { .. } => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// 460 Checksum Mismatch, defined by the TUS checksum extension.
fn checksum_mismatch() -> StatusCode {
    StatusCode::from_u16(460).unwrap_or(StatusCode::BAD_REQUEST)
}
