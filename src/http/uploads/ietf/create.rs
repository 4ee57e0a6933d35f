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
use crate::http::upload_request::{Told, new_upload};
use crate::http::uploads::body::BodySource;
use crate::upload::{Chunk, UploadError};

/// Answers POST and PUT, once everything that it tells of is durable.
pub async fn create(
    app: &App,
    caller: &Caller,
    interop: Interop,
    request: Request<RequestBody>,
) -> Result<Reply, ProtocolError> {
    let (head, body) = request.into_parts();
    let announced_bytes = body.size_hint().exact();
    let is_last = completes(&head.headers, interop).ok_or(ProtocolError::Missing {
        name: UPLOAD_COMPLETE,
    })?;
    let told = fields::integer(&head.headers, &UPLOAD_LENGTH);
    let length = length_of(told, announced_bytes.filter(|_| is_last), 0)?;
    let source = BodySource::telling(body, &head, app, interop);
    let new = new_upload(app, caller, told_by(&head, length)).await?;
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

/// There is no header for wishes: they come with the address, the rest with
/// the headers that say what a body is.
fn told_by(head: &Parts, length: Option<u64>) -> Told {
    let wish = |key: &str| parameter(head.uri.query(), key).map(|value| value.into_owned());
    Told {
        length,
        task_id: wish("taskId"),
        filename: filename(&head.headers),
        filetype: content_type(&head.headers),
        language: wish("language"),
        model: wish("model"),
        callback_url: wish("callback_url"),
        ..Told::default()
    }
}

fn content_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.to_owned())
}
