//! Recordings in one request, for clients without an upload protocol: in a form
//! (RFC 7578), as from `curl -F` or a page, or by URL.

mod query_options;
mod speech_to_text;
mod speech_to_text_url;
mod upload_stream;

use hyper::Request;
use hyper::body::Body;
use tokio::time::timeout;
use uuid::Uuid;

use crate::access::Caller;
use crate::content::media_type;
use crate::http::app::App;
use crate::http::connection::request_body::RequestBody;
use crate::http::error::api::ApiError;
use crate::http::sources::arriving::Arriving;
use crate::http::sources::bad_form::{BESIDE_MAX_BYTES, BadForm};
use crate::http::sources::form::Form;
use crate::http::sources::form_file::FormFile;
use crate::http::upload_request::{UploadRequest, new_upload};
use crate::task::refusal;
use crate::upload::{ByteSource, NewUpload};

pub use speech_to_text::speech_to_text;
pub use speech_to_text_url::speech_to_text_url;
pub use upload_stream::upload_stream;

use query_options::from_query;

/// The form field with the recording.
pub const FIELD: &str = "file";

/// A recording that is durable, and therefore a task.
#[derive(Debug)]
pub struct Taken {
    /// Id of the upload and its task.
    pub id: Uuid,
    /// File name from the client.
    pub filename: Option<String>,
    /// Length in bytes.
    pub size_bytes: u64,
    /// The media type that the first bytes show, if any.
    pub detected_type: Option<&'static str>,
}

/// A recording whose first bytes have been checked.
pub struct Begun<S> {
    /// The upload to be.
    pub new: NewUpload,
    /// Most bytes to come, if known.
    pub at_most_bytes: Option<u64>,
    /// The recording.
    pub arriving: Arriving<S>,
}

/// Stores the recording in a request, after its query was validated. Nothing is
/// left of an incomplete one.
pub async fn intake(
    app: &App,
    caller: &Caller,
    request: Request<RequestBody>,
) -> Result<Taken, ApiError> {
    let wanted = from_query(request.uri().query())?;
    let begun = begin(app, caller, request, wanted).await?;
    store(app, begun).await
}

/// Reads the first bytes of the recording in a request, after its options were
/// validated. A file that is plainly no recording is refused.
pub async fn begin(
    app: &App,
    caller: &Caller,
    request: Request<RequestBody>,
    wanted: UploadRequest,
) -> Result<Begun<FormFile>, ApiError> {
    let (head, body) = request.into_parts();
    let announced_bytes = body.size_hint().exact();
    let new = new_upload(app, caller, wanted).await?;
    if let Some(bytes) = announced_bytes {
        // Other fields may take some of it.
        app.uploads
            .require_size(bytes.saturating_sub(2 * BESIDE_MAX_BYTES))?;
        app.uploads.require_space(bytes)?;
    }
    let form = Form::of(&head, body)?;
    // The upload engine deals with later stalls.
    let begun = timeout(app.idle_timeout, form.file(FIELD)).await;
    let file = begun.map_err(|_| BadForm::Slow)??;
    if file.start().is_empty() {
        let why = format!("the field `{FIELD}` of the form is empty: there is no recording in it");
        return Err(ApiError::Parameter { name: FIELD, why });
    }
    Begun::check(new, announced_bytes, file)
}

impl<S: ByteSource> Begun<S> {
    /// Refuses a file whose first bytes show that it is no recording.
    fn check(
        mut new: NewUpload,
        at_most_bytes: Option<u64>,
        arriving: Arriving<S>,
    ) -> Result<Begun<S>, ApiError> {
        if let Some(why) = refusal(arriving.start()) {
            return Err(ApiError::NoRecording(why));
        }
        let facts = &mut new.facts;
        facts.filename = arriving.filename.clone().or(facts.filename.take());
        facts.filetype = arriving.content_type.clone().or(facts.filetype.take());
        Ok(Begun {
            new,
            at_most_bytes,
            arriving,
        })
    }
}

/// Stores the whole recording.
async fn store<S: ByteSource + 'static>(app: &App, begun: Begun<S>) -> Result<Taken, ApiError> {
    let Begun {
        new,
        at_most_bytes,
        arriving,
    } = begun;
    let filename = new.facts.filename.clone();
    let detected_type = media_type(arriving.start());
    let source = arriving.source();
    let unchanged = async |new, _| Ok::<_, ApiError>(new);
    let taken = app
        .uploads
        .take_whole(new, at_most_bytes, source, unchanged);
    let (id, status) = taken.await?;
    Ok(Taken {
        id,
        filename,
        size_bytes: status.offset,
        detected_type,
    })
}
