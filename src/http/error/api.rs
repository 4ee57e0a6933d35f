//! The table of errors of everything but the upload protocols.

use hyper::StatusCode;
use hyper::header::{CONNECTION, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE};
use serde_json::json;
use tracing::error;
use uuid::Uuid;

use super::status::{
    status_of, status_of_exceeded, status_of_failure, status_of_upload, tell_denied,
};
use super::unmet::Unmet;
use crate::access::{Denied, TooManyTickets};
use crate::http::headers::request_head::BadHead;
use crate::http::reply::{self, Reply};
use crate::http::sources::bad_form::BadForm;
use crate::options::InvalidOption;
use crate::outgoing::{Failure, UrlError};
use crate::shares::Exceeded;
use crate::task::{DeleteError, RetryError};
use crate::upload::UploadError;

/// Why a request failed. The text is the `message` of the response.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The request head is invalid.
    #[error(transparent)]
    Head(#[from] BadHead),
    #[error("there is nothing at this address")]
    NoRoute,
    #[error("this address does not take that method; it takes {0}")]
    Method(String),
    /// Authentication failed.
    #[error(transparent)]
    Denied(#[from] Denied),
    #[error("there is no task of this id")]
    TaskNotFound,
    #[error("{0}")]
    Validation(String),
    #[error("{why}")]
    Parameter { name: &'static str, why: String },
    /// The model is not installed, and `transcribe.unknown_model` is `reject`.
    #[error("{0}")]
    UnknownModel(String),
    #[error("the task is {0}; there is no transcript yet")]
    NotCompleted(&'static str),
    #[error("the transcript was deleted after its retention period")]
    TranscriptGone,
    #[error("the transcription failed: {0}")]
    TaskFailed(String),
    /// The task cannot be retried.
    #[error(transparent)]
    Retry(RetryError),
    #[error("{0}")]
    Upload(UploadError),
    /// The body is not a valid form.
    #[error(transparent)]
    Form(#[from] BadForm),
    #[error("{0}")]
    NoRecording(String),
    #[error("callback_url {0}")]
    Callback(UrlError),
    #[error("url {0}")]
    Url(UrlError),
    #[error("the url {0}; nothing was kept")]
    Fetch(#[from] Failure),
    /// The caller gets no more of these things.
    #[error("{}", .1.text(.0))]
    Exceeded(&'static str, Exceeded),
    #[error("{0}")]
    Busy(String),
    #[error("the server is starting; try again in a moment")]
    Starting,
    #[error(
        "this address is a WebSocket (version 13); /task/ID/events has the same messages as server-sent events"
    )]
    NoWebSocket,
    #[error("internal error; the journal of the server has the details under the correlation id")]
    Internal(String),
}

impl ApiError {
    fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            ApiError::Head(bad) => bad.status_and_code(),
            ApiError::NoRoute => (StatusCode::NOT_FOUND, "NOT_FOUND"),
            ApiError::Method(_) => (StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED"),
            ApiError::Denied(denied) => (status_of(denied), "ACCESS_DENIED"),
            ApiError::TaskNotFound => (StatusCode::NOT_FOUND, "TASK_NOT_FOUND"),
            ApiError::Validation(_) | ApiError::Parameter { .. } | ApiError::UnknownModel(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "VALIDATION_ERROR")
            }
            // Not 404: the task exists, in another state.
            ApiError::NotCompleted(_) => (StatusCode::CONFLICT, "TASK_NOT_COMPLETED"),
            ApiError::TranscriptGone => (StatusCode::GONE, "TRANSCRIPT_GONE"),
            ApiError::TaskFailed(_) => (StatusCode::CONFLICT, "TASK_FAILED"),
            ApiError::Retry(RetryError::NoRecording) => (StatusCode::GONE, "RECORDING_GONE"),
            ApiError::Retry(_) => (StatusCode::CONFLICT, "TASK_NOT_ENDED"),
            ApiError::Upload(error) => match status_of_upload(error) {
                StatusCode::PAYLOAD_TOO_LARGE => (StatusCode::PAYLOAD_TOO_LARGE, "TOO_LARGE"),
                StatusCode::INSUFFICIENT_STORAGE => (StatusCode::INSUFFICIENT_STORAGE, "NO_SPACE"),
                status => (status, "UPLOAD_REFUSED"),
            },
            ApiError::Form(bad) => (bad.status(), "BAD_FORM"),
            // Clients treat it as final.
            ApiError::NoRecording(_) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "NO_RECORDING"),
            ApiError::Callback(bad) if bad.is_forbidden() => {
                (StatusCode::BAD_REQUEST, "CALLBACK_NOT_ALLOWED")
            }
            ApiError::Url(bad) if bad.is_forbidden() => {
                (StatusCode::BAD_REQUEST, "URL_NOT_ALLOWED")
            }
            ApiError::Callback(_) | ApiError::Url(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "VALIDATION_ERROR")
            }
            ApiError::Fetch(failure) => (status_of_failure(failure), "NOT_FETCHED"),
            ApiError::Exceeded(_, exceeded) => (status_of_exceeded(exceeded), "BUSY"),
            ApiError::Busy(_) => (StatusCode::SERVICE_UNAVAILABLE, "BUSY"),
            ApiError::Starting => (StatusCode::SERVICE_UNAVAILABLE, "STARTING"),
            ApiError::NoWebSocket => (StatusCode::UPGRADE_REQUIRED, "UPGRADE_REQUIRED"),
            ApiError::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR"),
        }
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.status_and_code().0
    }

    /// The response.
    pub fn reply(&self) -> Reply {
        let (status, code) = self.status_and_code();
        let correlation_id = Uuid::new_v4();
        if let ApiError::Internal(details) = self {
            error!(%correlation_id, "{details}");
        }
        let message = self.to_string();
        let mut reply = reply::json(
            status,
            &json!({
                "error": { "message": message, "code": code, "correlation_id": correlation_id },
                "detail": message,
            }),
        );
        match self {
            // The next request may be misread too.
            ApiError::Head(bad) if bad.is_ambiguous() => {
                reply::set(&mut reply, CONNECTION, "close");
            }
            ApiError::Denied(denied) => tell_denied(&mut reply, denied),
            ApiError::Method(allowed) => reply::set(&mut reply, hyper::header::ALLOW, allowed),
            ApiError::Busy(_)
            | ApiError::Starting
            | ApiError::Fetch(Failure::Busy | Failure::HostBusy) => {
                reply::set(&mut reply, RETRY_AFTER, 1);
            }
            ApiError::Exceeded(..) => reply::set(&mut reply, RETRY_AFTER, 10),
            // By then some uploads are complete or expired.
            ApiError::Upload(UploadError::TooMany(_) | UploadError::ShareOfSpace { .. }) => {
                reply::set(&mut reply, RETRY_AFTER, 60);
            }
            // RFC 6455, section 4.4; RFC 9110, section 15.5.22.
            ApiError::NoWebSocket => {
                reply::set(&mut reply, CONNECTION, "upgrade");
                reply::set(&mut reply, UPGRADE, "websocket");
                reply::set(&mut reply, SEC_WEBSOCKET_VERSION, 13);
            }
            _ => {}
        }
        reply
    }
}

/// For recordings sent in one piece, which cannot be resumed.
impl From<UploadError> for ApiError {
    fn from(error: UploadError) -> ApiError {
        match error {
            UploadError::ConnectionLost { .. } => BadForm::Incomplete.into(),
            UploadError::Stopping | UploadError::Busy => {
                ApiError::Busy("the server is restarting; send the recording again".into())
            }
            UploadError::Storage(_) => ApiError::Internal(error.to_string()),
            other => ApiError::Upload(other),
        }
    }
}

impl From<InvalidOption> for ApiError {
    fn from(bad: InvalidOption) -> ApiError {
        ApiError::Validation(bad.to_string())
    }
}

impl From<Unmet> for ApiError {
    fn from(unmet: Unmet) -> ApiError {
        match unmet {
            Unmet::Callback(bad) => ApiError::Callback(bad),
            Unmet::Part(error) => error.into(),
            Unmet::Exceeded(things, exceeded) => ApiError::Exceeded(things, exceeded),
            Unmet::Model(_) => ApiError::UnknownModel(unmet.to_string()),
            Unmet::Language(_) => ApiError::Parameter {
                name: "language",
                why: unmet.to_string(),
            },
        }
    }
}

impl From<RetryError> for ApiError {
    fn from(error: RetryError) -> ApiError {
        match error {
            RetryError::NotFound => ApiError::TaskNotFound,
            RetryError::Busy => ApiError::Busy(error.to_string()),
            RetryError::Storage(_) => ApiError::Internal(error.to_string()),
            RetryError::NotEnded(_) | RetryError::NoRecording => ApiError::Retry(error),
        }
    }
}

impl From<TooManyTickets> for ApiError {
    fn from(error: TooManyTickets) -> ApiError {
        ApiError::Exceeded("unused tickets", error.0)
    }
}

impl From<DeleteError> for ApiError {
    fn from(error: DeleteError) -> ApiError {
        match error {
            DeleteError::NotFound => ApiError::TaskNotFound,
            DeleteError::Busy => ApiError::Busy(error.to_string()),
            DeleteError::Storage(_) => ApiError::Internal(error.to_string()),
        }
    }
}
