//! Recordings that come whole: in a form (RFC 7578), one request from whoever
//! knows no upload protocol, `curl -F` or a page in a browser; or from where a
//! client says they are.

mod arriving;
mod fetched;
pub(crate) mod form;
mod speech_to_text;
mod speech_to_text_url;
mod upload_stream;
mod wishes;

use hyper::Request;
use hyper::body::Body;
use tokio::time::timeout;
use uuid::Uuid;

use super::App;
use super::api_error::ApiError;
use super::new_upload::{Told, new_upload};
use super::request_body::RequestBody;
use crate::access::Caller;
use crate::task::{media_type, refusal};
use crate::upload::{NewUpload, Source};

pub use form::BadForm;
pub use speech_to_text::speech_to_text;
pub use speech_to_text_url::speech_to_text_url;
pub use upload_stream::upload_stream;

use arriving::Arriving;
use form::{BESIDE_MAX_BYTES, Form};

/// The field that brings the recording.
const FIELD: &str = "file";

/// A recording that is durable, and so a task.
#[derive(Debug)]
pub struct Taken {
    /// Of the upload, and of its task.
    pub id: Uuid,
    /// As the client calls it.
    pub filename: Option<String>,
    /// Its length.
    pub size_bytes: u64,
    /// The media type that it begins like, where that is a known one.
    pub detected_type: Option<&'static str>,
}

/// Takes in the recording that a request brings, once all that was told of it
/// makes sense. What is plainly none is refused by its first bytes; nothing is
/// left of one that does not come to its end.
pub async fn intake(
    app: &App,
    caller: &Caller,
    request: Request<RequestBody>,
    told: Told,
) -> Result<Taken, ApiError> {
    let (head, body) = request.into_parts();
    let announced_bytes = body.size_hint().exact();
    let new = new_upload(app, caller, told).await?;
    if let Some(bytes) = announced_bytes {
        // What goes with it may take some of that.
        app.uploads
            .require_size(bytes.saturating_sub(BESIDE_MAX_BYTES))?;
        app.uploads.require_space(bytes)?;
    }
    let form = Form::of(&head, body)?;
    // A client that stalls later is the upload engine's.
    let begun = timeout(app.idle_timeout, form.file(FIELD)).await;
    let file = begun.map_err(|_| BadForm::Slow)??;
    if file.start().is_empty() {
        let why = format!("the field `{FIELD}` of the form is empty: there is no recording in it");
        return Err(ApiError::Validation(why));
    }
    keep(app, new, announced_bytes, file).await
}

/// Stores what arrives, unless its first bytes show that it is no recording.
async fn keep<S: Source + 'static>(
    app: &App,
    new: NewUpload,
    at_most_bytes: Option<u64>,
    arriving: Arriving<S>,
) -> Result<Taken, ApiError> {
    let detected_type = media_type(arriving.start());
    if let Some(why) = refusal(arriving.start()) {
        return Err(ApiError::NoRecording(why));
    }
    let filename = arriving.filename.clone().or(new.filename);
    let new = NewUpload {
        filename: filename.clone(),
        filetype: arriving.content_type.clone().or(new.filetype),
        ..new
    };
    let source = arriving.source();
    let taken = app.uploads.take_whole(new, at_most_bytes, source);
    let (id, status) = taken.await?;
    Ok(Taken {
        id,
        filename,
        size_bytes: status.offset,
        detected_type,
    })
}
