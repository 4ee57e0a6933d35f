//! POST: a new upload, maybe with its first bytes (creation,
//! creation-with-upload and creation-defer-length extensions).

use hyper::body::Body;
use hyper::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use hyper::{Request, StatusCode};

use super::concat::concat;
use super::metadata::Metadata;
use super::{bytes_header, describe, is_chunk};
use crate::access::Caller;
use crate::http::app::App;
use crate::http::connection::request_body::RequestBody;
use crate::http::error::upload::ProtocolError;
use crate::http::headers::names::{UPLOAD_DEFER_LENGTH, UPLOAD_LENGTH, UPLOAD_METADATA};
use crate::http::headers::upload_protocol::METADATA_MAX_BYTES;
use crate::http::reply::{self, Reply};
use crate::http::upload_request::{UploadRequest, new_upload};
use crate::http::uploads::body::BodySource;
use crate::http::uploads::checksum::announced_checksum;
use crate::upload::{Chunk, UploadError};

/// Handles POST; responds once the upload and its first bytes are durable.
pub async fn create(
    app: &App,
    caller: &Caller,
    request: Request<RequestBody>,
) -> Result<Reply, ProtocolError> {
    let (head, body) = request.into_parts();
    let has_body = !body.is_end_stream();
    let announced_bytes = body.size_hint().exact();
    let source = BodySource::new(body, &head);
    let new = new_upload(app, caller, parse(&head.headers)?).await?;
    if !new.facts.parts().is_empty() && has_body {
        return Err(UploadError::Final.into());
    }
    if has_body && !is_chunk(&head.headers) && head.headers.contains_key(CONTENT_TYPE) {
        return Err(ProtocolError::ContentType);
    }
    let chunk = Chunk {
        announced_bytes,
        checksum: announced_checksum(&head.headers)?,
        ..Chunk::default()
    };
    let first = is_chunk(&head.headers).then_some((chunk, source));
    let (id, status) = match new.facts.parts() {
        [] => app.uploads.create(new, first).await?,
        _ => app.uploads.create_final(new).await?,
    };
    let mut reply = reply::empty(StatusCode::CREATED);
    describe(&mut reply, &status);
    let base_url = app.base_url.for_request(&head, &app.trusted_proxies);
    reply::set(&mut reply, LOCATION, base_url.upload(id));
    Ok(reply)
}

fn parse(headers: &HeaderMap) -> Result<UploadRequest, ProtocolError> {
    let concat = concat(headers)?;
    let is_final = concat.as_ref().is_some_and(|concat| !concat.is_partial());
    let length = match (bytes_header(headers, UPLOAD_LENGTH)?, deferred(headers)?) {
        (None, false) if is_final => None,
        _ if is_final => return Err(ProtocolError::FinalLength),
        (Some(_), true) => return Err(ProtocolError::TwoLengths),
        (None, false) => {
            return Err(ProtocolError::Missing(UPLOAD_LENGTH));
        }
        (length, _) => length,
    };
    let raw = headers.get(UPLOAD_METADATA);
    if raw.is_some_and(|value| value.len() > METADATA_MAX_BYTES) {
        return Err(ProtocolError::MetadataTooLarge);
    }
    let raw = raw
        .map(|value| {
            value
                .to_str()
                .map_err(|_| ProtocolError::Metadata("it is not ASCII".into()))
        })
        .transpose()?;
    let metadata = Metadata::parse(raw.unwrap_or_default()).map_err(ProtocolError::Metadata)?;
    let text = |key| metadata.text(key).map_err(ProtocolError::Metadata);
    Ok(UploadRequest {
        length,
        metadata: raw.map(str::to_owned),
        task_id: text("taskId")?,
        filename: text("filename")?,
        filetype: text("filetype")?,
        language: text("language")?,
        model: text("model")?,
        callback_url: text("callback_url")?,
        concat,
        ..UploadRequest::default()
    })
}

/// creation-defer-length: whether the length follows later.
fn deferred(headers: &HeaderMap) -> Result<bool, ProtocolError> {
    match headers.get(UPLOAD_DEFER_LENGTH) {
        None => Ok(false),
        Some(value) if value == "1" => Ok(true),
        Some(_) => Err(ProtocolError::DeferLength),
    }
}
