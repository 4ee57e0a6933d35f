//! Statuses and headers of refusals that both error tables share.

use hyper::StatusCode;
use hyper::header::{RETRY_AFTER, WWW_AUTHENTICATE};

use crate::access::Denied;
use crate::http::reply::{self, Reply};
use crate::outgoing::Failure;
use crate::upload::{PartError, UploadError};

/// The status of a refusal at the door, whatever protocol it is told in.
pub fn status_of(denied: &Denied) -> StatusCode {
    match denied {
        Denied::NoToken | Denied::WrongToken | Denied::WrongTicket => StatusCode::UNAUTHORIZED,
        Denied::TooManyFailures { .. } => StatusCode::TOO_MANY_REQUESTS,
        // 403, not 401: no token could help.
        Denied::NotSetUp | Denied::Network(_) | Denied::Hidden(_) => StatusCode::FORBIDDEN,
    }
}

/// The status of a recording that cannot be fetched.
pub(super) fn status_of_failure(failure: &Failure) -> StatusCode {
    match failure {
        Failure::Busy => StatusCode::SERVICE_UNAVAILABLE,
        Failure::Slow(_) => StatusCode::GATEWAY_TIMEOUT,
        // Trying again cannot help.
        Failure::Url(_) | Failure::Redirects | Failure::Encoding(_) => StatusCode::BAD_REQUEST,
        Failure::Status(status) if status.is_client_error() => StatusCode::BAD_REQUEST,
        Failure::Unreachable(_) | Failure::Tls(_) | Failure::Lost(_) | Failure::Status(_) => {
            StatusCode::BAD_GATEWAY
        }
    }
}

/// The headers that go with it (RFC 6750, section 3; RFC 9110, section 10.2.3).
pub fn tell_denied(reply: &mut Reply, denied: &Denied) {
    match denied {
        Denied::NoToken | Denied::WrongTicket => {
            reply::set(reply, WWW_AUTHENTICATE, "Bearer realm=\"scribed\"")
        }
        Denied::WrongToken => {
            let challenge = "Bearer realm=\"scribed\", error=\"invalid_token\"";
            reply::set(reply, WWW_AUTHENTICATE, challenge);
        }
        Denied::TooManyFailures { retry_after_s } => {
            reply::set(reply, RETRY_AFTER, retry_after_s);
        }
        Denied::NotSetUp | Denied::Network(_) | Denied::Hidden(_) => {}
    }
}

/// The status of what the upload engine refused, whatever protocol it is told in.
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
        UploadError::NoSpace { .. } => StatusCode::INSUFFICIENT_STORAGE,
        // Superseded: the client that sees this is not the newest one;
        // asking again for the offset is right for it too.
        UploadError::Conflict { .. } | UploadError::Superseded { .. } => StatusCode::CONFLICT,
        UploadError::Checksum => checksum_mismatch(),
        UploadError::Cut { .. } => StatusCode::REQUEST_TIMEOUT,
        UploadError::Busy => StatusCode::LOCKED,
        UploadError::Stopping | UploadError::TooMany => StatusCode::SERVICE_UNAVAILABLE,
        UploadError::Storage(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// 460, a status of the checksum extension's own.
fn checksum_mismatch() -> StatusCode {
    StatusCode::from_u16(460).unwrap_or(StatusCode::BAD_REQUEST)
}
