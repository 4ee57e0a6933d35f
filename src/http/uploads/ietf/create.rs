//! POST or PUT: a new upload, with all of its bytes, some, or none (upload
//! creation).

use hyper::body::Body;
use hyper::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use hyper::http::request::Parts;
use hyper::{Request, StatusCode};

use super::{completes, describe, fields, length_of};
use crate::access::Caller;
use crate::http::app::App;
use crate::http::connection::request_body::RequestBody;
use crate::http::error::upload::ProtocolError;
use crate::http::headers::disposition::filename;
use crate::http::headers::names::{UPLOAD_COMPLETE, UPLOAD_LENGTH};
use crate::http::headers::query::parameter;
use crate::http::headers::upload_protocol::Interop;
use crate::http::reply::{self, Reply};
use crate::http::tasks::queued;
use crate::http::upload_request::{UploadRequest, new_upload};
use crate::http::uploads::body::BodySource;
use crate::upload::{Chunk, UploadError};

/// Handles POST and PUT; responds once everything acknowledged is durable.
pub async fn create(
    app: &App,
    caller: &Caller,
    interop: Interop,
    request: Request<RequestBody>,
) -> Result<Reply, ProtocolError> {
    let (head, body) = request.into_parts();
    let announced_bytes = body.size_hint().exact();
    let is_last =
        completes(&head.headers, interop).ok_or(ProtocolError::Missing(UPLOAD_COMPLETE))?;
    let stated = fields::integer(&head.headers, &UPLOAD_LENGTH);
    let length = length_of(stated, announced_bytes.filter(|_| is_last), 0)?;
    let source = BodySource::announced(body, &head, app, interop);
    let new = new_upload(app, caller, upload_request(&head, length)).await?;
    let chunk = Chunk {
        announced_bytes,
        is_last,
        ..Chunk::default()
    };
    let created = app.uploads.create(new, Some((chunk, source))).await;
    let (id, status) = created.map_err(|error| match error {
        UploadError::PastLength { .. } => ProtocolError::Length,
        other => other.into(),
    })?;
    if is_last && !status.is_finished() {
        return Err(ProtocolError::Length);
    }
    let mut reply = match status.is_finished() {
        true => queued(StatusCode::CREATED, id),
        false => reply::empty(StatusCode::CREATED),
    };
    describe(app, &mut reply, &status, interop);
    let base_url = app.base_url.for_request(&head, &app.trusted_proxies);
    reply::set(&mut reply, LOCATION, base_url.upload(id));
    Ok(reply)
}

/// The draft has no header for options: they are in the query, the rest is in the
/// headers that describe a body.
fn upload_request(head: &Parts, length: Option<u64>) -> UploadRequest {
    let option = |key: &str| parameter(head.uri.query(), key).map(|value| value.into_owned());
    UploadRequest {
        length,
        task_id: option("taskId"),
        filename: filename(&head.headers),
        filetype: content_type(&head.headers),
        language: option("language"),
        model: option("model"),
        callback_url: option("callback_url"),
        ..UploadRequest::default()
    }
}

fn content_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.to_owned())
}
