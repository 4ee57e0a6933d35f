//! Limits of forms, and why one is refused.

use hyper::StatusCode;
use multer::Error;

/// Most bytes before the recording, and again after it: heads of fields and other
/// fields.
pub const BESIDE_MAX_BYTES: u64 = 64 << 10;

/// Most fields beside the recording.
pub const FIELDS_MAX: usize = 100;

/// RFC 2046, section 5.1.1.
pub(super) const BOUNDARY_MAX_BYTES: usize = 70;

/// Why a form is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadForm {
    #[error("send the recording as multipart/form-data, in the field `file`")]
    Type,
    #[error("send the field `{0}` as application/x-www-form-urlencoded or multipart/form-data")]
    FieldType(&'static str),
    #[error("the form is longer than {} KiB", .0 >> 10)]
    Long(usize),
    #[error("the form is incomplete; send it again")]
    Cut,
    #[error("Content-Type names no boundary of 1 to {BOUNDARY_MAX_BYTES} characters")]
    Boundary,
    #[error("the body is not a form with the boundary that its Content-Type names")]
    Malformed,
    #[error("the form has no field `{0}`")]
    Missing(String),
    #[error("more than {} KiB precede the recording; send it first", BESIDE_MAX_BYTES >> 10)]
    Before,
    #[error("more than {} KiB follow the recording", BESIDE_MAX_BYTES >> 10)]
    Behind,
    #[error("the form has more than {FIELDS_MAX} fields beside the recording")]
    Fields,
    #[error("the form did not arrive within the idle_timeout of this server; send it again")]
    Slow,
    #[error("the recording is incomplete; nothing of it was kept, send it again")]
    Incomplete,
}

impl BadForm {
    /// The status of the refusal.
    pub fn status(&self) -> StatusCode {
        match self {
            BadForm::Type | BadForm::FieldType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            BadForm::Missing(_) => StatusCode::UNPROCESSABLE_ENTITY,
            BadForm::Before | BadForm::Behind | BadForm::Fields | BadForm::Long(_) => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            BadForm::Slow => StatusCode::REQUEST_TIMEOUT,
            BadForm::Boundary | BadForm::Malformed | BadForm::Incomplete | BadForm::Cut => {
                StatusCode::BAD_REQUEST
            }
        }
    }
}

impl From<Error> for BadForm {
    fn from(error: Error) -> BadForm {
        match error {
            // From our stream of frames.
            Error::StreamReadFailed(error) => match error.downcast::<BadForm>() {
                Ok(ours) => *ours,
                Err(_) => BadForm::Incomplete,
            },
            Error::IncompleteFieldData { .. } => BadForm::Incomplete,
            _ => BadForm::Malformed,
        }
    }
}
