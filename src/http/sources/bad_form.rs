//! What a form may be, and why one is refused.

use hyper::StatusCode;
use multer::Error;

/// What may come before the recording, and once more behind it: the heads of
/// fields, and other fields.
pub const BESIDE_MAX_BYTES: u64 = 64 << 10;

/// How many fields there may be beside the recording.
pub const FIELDS_MAX: usize = 100;

/// RFC 2046, section 5.1.1.
pub(super) const BOUNDARY_MAX_BYTES: usize = 70;

/// Why a body is no form that can be read. The texts are for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadForm {
    /// Another type, or none.
    #[error("send the recording as multipart/form-data, in the field `file`")]
    Type,
    /// The same where nothing but a field is wanted.
    #[error("send the field `{0}` as application/x-www-form-urlencoded or multipart/form-data")]
    FieldType(&'static str),
    /// More than such a field can need.
    #[error("the form is longer than {} KiB", .0 >> 10)]
    Long(usize),
    /// It ends in the middle.
    #[error("the form did not come to its end")]
    Cut,
    /// A form that cannot be taken apart.
    #[error("Content-Type names no boundary of 1 to {BOUNDARY_MAX_BYTES} characters")]
    Boundary,
    /// Its parts are not what they should be.
    #[error("the body is not a form with the boundary that its Content-Type names")]
    Malformed,
    /// No such field.
    #[error("the form has no field `{0}`")]
    Missing(String),
    /// The recording does not come.
    #[error("more than {} KiB come before the recording; send it first", BESIDE_MAX_BYTES >> 10)]
    Before,
    /// The form does not end.
    #[error("more than {} KiB come behind the recording", BESIDE_MAX_BYTES >> 10)]
    Behind,
    /// Nobody has so many wishes.
    #[error("the form has more than {FIELDS_MAX} fields beside the recording")]
    Fields,
    /// Nor does it here.
    #[error("what the form brings did not come within the idle_timeout of this server")]
    Slow,
    /// The connection was lost, or the body ends in the middle.
    #[error("the recording did not come to its end; nothing of it was kept, send it again")]
    Incomplete,
}

impl BadForm {
    /// The status it is refused with.
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
            // Ours.
            Error::StreamReadFailed(error) => match error.downcast::<BadForm>() {
                Ok(ours) => *ours,
                Err(_) => BadForm::Incomplete,
            },
            Error::IncompleteFieldData { .. } => BadForm::Incomplete,
            _ => BadForm::Malformed,
        }
    }
}
