//! Errors as clients of this API read them:
//! `{"error":{"message","type","param","code"}}`.

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::StatusCode;
use hyper::header::HeaderName;
use serde_json::{Value, json};

use crate::access::Denied;
use crate::http::error::api::ApiError;
use crate::http::intake::FIELD;
use crate::http::reply::{self, Reply};
use crate::http::sources::bad_form::BadForm;
use crate::shares::Exceeded;
use crate::upload::UploadError;

/// OpenAI's own clients send a request again after 408, 409, 429 and 5xx,
/// unless this says no.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// The error response, with the headers that the error has elsewhere.
pub fn refusal(error: &ApiError) -> Reply {
    let mut reply = error.reply();
    *reply.status_mut() = status(error);
    let document = document(error).to_string();
    *reply.body_mut() = Either::Left(Full::new(Bytes::from(document)));
    if let ApiError::TaskFailed(_) = error {
        reply::set(&mut reply, SHOULD_RETRY, false);
    }
    reply
}

/// The error document, also for an error after the response head.
pub fn document(error: &ApiError) -> Value {
    json!({ "error": {
        "message": error.to_string(),
        "type": match status(error) {
            StatusCode::TOO_MANY_REQUESTS => "requests",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request_error",
        },
        "param": param(error),
        "code": code(error),
    }})
}

fn status(error: &ApiError) -> StatusCode {
    match error {
        ApiError::UnknownModel(_) => StatusCode::NOT_FOUND,
        // The result of this request, not the state of a task.
        ApiError::TaskFailed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        _ => match error.status() {
            StatusCode::UNPROCESSABLE_ENTITY | StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                StatusCode::BAD_REQUEST
            }
            status => status,
        },
    }
}

/// The invalid parameter.
fn param(error: &ApiError) -> Option<&'static str> {
    match error {
        ApiError::Parameter { name, .. } => Some(name),
        ApiError::UnknownModel(_) => Some("model"),
        ApiError::NoRecording(_)
        | ApiError::Form(BadForm::Missing(_))
        | ApiError::Upload(UploadError::TooLarge { .. }) => Some(FIELD),
        _ => None,
    }
}

fn code(error: &ApiError) -> Option<&'static str> {
    match error {
        ApiError::Denied(Denied::NoToken | Denied::WrongToken | Denied::Lost) => {
            Some("invalid_api_key")
        }
        ApiError::Denied(Denied::TooManyFailures { .. })
        | ApiError::Exceeded(_, Exceeded::Share { .. }) => Some("rate_limit_exceeded"),
        ApiError::UnknownModel(_) => Some("model_not_found"),
        ApiError::NoRoute => Some("unknown_url"),
        ApiError::Method(_) => Some("method_not_allowed"),
        _ => None,
    }
}
