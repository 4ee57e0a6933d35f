//! `POST /speech-to-text-url`.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::header::CONTENT_TYPE;
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};
use tokio::time::timeout;
use tracing::info;

use super::query_options::from_query;
use super::{Begun, store};
use crate::access::Caller;
use crate::http::app::App;
use crate::http::connection::request_body::RequestBody;
use crate::http::error::api::ApiError;
use crate::http::headers::content_type::media_type;
use crate::http::headers::disposition;
use crate::http::headers::query::parameter;
use crate::http::reply::Reply;
use crate::http::sources::arriving::Arriving;
use crate::http::sources::bad_form::BadForm;
use crate::http::sources::fetched::{Fetched, Trouble};
use crate::http::sources::form::Form;
use crate::http::tasks::queued;
use crate::http::upload_request::new_upload;
use crate::outgoing::Failure;

/// The form field with the URL.
const FIELD: &str = "url";

/// Longest form in bytes.
const FORM_MAX_BYTES: usize = 16 << 10;

/// Fetches a recording by URL, with the options in the query; responds once it is
/// durable. If the client disconnects before the first bytes, the fetch is
/// abandoned; after that it continues.
pub async fn speech_to_text_url(
    app: &App,
    caller: &Caller,
    request: Request<RequestBody>,
) -> Result<Reply, ApiError> {
    let wanted = from_query(request.uri().query())?;
    let (head, body) = request.into_parts();
    let url = url(app, &head, body).await?;
    let address = app.outgoing.url(&url).map_err(ApiError::Url)?;
    let mut new = new_upload(app, caller, wanted).await?;
    new.facts.url = Some(address.text());

    let share = app.fetches.take(caller.owner());
    let share =
        share.map_err(|exceeded| ApiError::Exceeded("recordings that are fetched", exceeded))?;
    let download = app.outgoing.fetch(&address).await?;
    let announced_bytes = download.announced_bytes();
    if let Some(bytes) = announced_bytes {
        app.uploads.require_size(bytes)?;
        app.uploads.require_space(bytes)?;
    }
    let headers = &download.headers;
    let filename = disposition::filename(headers).or_else(|| address.file_name());
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let content_type = content_type.map(str::to_owned);
    let trouble = Trouble::default();
    let fetched = Fetched {
        download,
        trouble: trouble.clone(),
        share,
    };
    let begun = Arriving::begin(fetched, filename, content_type);
    let begun = timeout(app.idle_timeout, begun).await;
    let arriving = begun
        .map_err(|_| Failure::Slow("to begin"))?
        .map_err(|_| trouble.take())?;
    if arriving.start().is_empty() {
        let why = "the url has an empty file: there is no recording in it".to_owned();
        return Err(ApiError::Validation(why));
    }
    let begun = Begun::check(new, announced_bytes, arriving)?;
    let taken = store(app, begun).await;
    let taken = taken.map_err(|error| match error {
        ApiError::Form(BadForm::Incomplete) => trouble.take().into(),
        other => other,
    })?;
    info!(upload_id = %taken.id, "recording fetched from {address}");
    Ok(queued(StatusCode::OK, taken.id))
}

/// The URL, from a form of either type.
async fn url(app: &App, head: &Parts, body: RequestBody) -> Result<String, ApiError> {
    let body = Limited::new(body, FORM_MAX_BYTES).collect();
    let body = timeout(app.idle_timeout, body).await;
    let body = body.map_err(|_| BadForm::Slow)?;
    let body = body.map_err(|error| match error.is::<LengthLimitError>() {
        true => BadForm::Long(FORM_MAX_BYTES),
        false => BadForm::Cut,
    })?;
    let body: Bytes = body.to_bytes();
    let url = match Form::of(head, Full::new(body.clone())) {
        Ok(form) => form.text(FIELD).await?,
        Err(BadForm::Type) if is_urlencoded(head) => {
            let query = str::from_utf8(&body).map_err(|_| BadForm::Malformed)?;
            let url = parameter(Some(query), FIELD);
            url.ok_or(BadForm::Missing(FIELD.into()))?.into_owned()
        }
        Err(BadForm::Type) => return Err(BadForm::FieldType(FIELD).into()),
        Err(bad) => return Err(bad.into()),
    };
    Ok(url)
}

fn is_urlencoded(head: &Parts) -> bool {
    media_type(&head.headers)
        .is_some_and(|found| found.eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}
