//! PATCH: more bytes for an upload (upload append).

use hyper::body::Body;
use hyper::{Request, StatusCode};
use uuid::Uuid;

use super::{completes, describe, fields, length_of};
use crate::http::app::App;
use crate::http::connection::request_body::RequestBody;
use crate::http::error::upload::ProtocolError;
use crate::http::headers::content_type::has_type;
use crate::http::headers::names::{UPLOAD_COMPLETE, UPLOAD_LENGTH, UPLOAD_OFFSET};
use crate::http::headers::upload_protocol::PARTIAL_UPLOAD;
use crate::http::headers::upload_protocol::{Interop, Protocol};
use crate::http::owned::OwnedUpload;
use crate::http::reply::{self, Reply};
use crate::http::tasks::queued;
use crate::http::uploads::body::BodySource;
use crate::upload::{Chunk, UploadError};

/// Handles PATCH; responds once every acknowledged byte is durable. An error
/// response has the offset too, if the upload exists.
pub async fn append(
    app: &App,
    interop: Interop,
    upload: OwnedUpload,
    request: Request<RequestBody>,
) -> Result<Reply, ProtocolError> {
    let id = upload.id();
    let error = match try_append(app, interop, upload, request).await {
        Ok(reply) => return Ok(reply),
        Err(error) => error,
    };
    let mut reply = error.reply(Protocol::Ietf(interop));
    if !reply.headers().contains_key(UPLOAD_OFFSET)
        && let Ok((status, _)) = app.uploads.durable(id).await
    {
        describe(app, &mut reply, &status, interop);
    }
    Ok(reply)
}

async fn try_append(
    app: &App,
    interop: Interop,
    upload: OwnedUpload,
    request: Request<RequestBody>,
) -> Result<Reply, ProtocolError> {
    let (head, body) = request.into_parts();
    let announced_bytes = body.size_hint().exact();
    let source = BodySource::announced(body, &head, app, interop);
    let missing = |name| ProtocolError::Missing(name);
    let headers = &head.headers;
    if interop >= Interop::V6 && !has_type(headers, PARTIAL_UPLOAD) {
        return Err(ProtocolError::PartialContentType);
    }
    let offset = fields::integer(headers, &UPLOAD_OFFSET).ok_or(missing(UPLOAD_OFFSET))?;
    let is_last = completes(headers, interop).ok_or(missing(UPLOAD_COMPLETE))?;
    let stated = fields::integer(headers, &UPLOAD_LENGTH);
    let chunk = Chunk {
        offset,
        length: length_of(stated, announced_bytes.filter(|_| is_last), offset)?,
        announced_bytes,
        checksum: None,
        is_last,
    };
    let id = upload.id();
    if interop == Interop::V6 {
        // This version forbids an empty append too.
        let (status, _) = app.uploads.durable(id).await?;
        if status.is_finished() && status.offset == offset {
            return Err(ProtocolError::Complete);
        }
    }
    let grant = upload.grant().clone();
    let status = match app.uploads.append(id, grant, chunk, source).await {
        Ok(status) => status,
        Err(error) => return Err(append_error(app, id, offset, error).await),
    };
    let mut reply = match (status.is_finished(), interop) {
        (true, _) => queued(StatusCode::OK, id),
        (false, Interop::V3) => reply::empty(StatusCode::CREATED),
        (false, _) => reply::empty(StatusCode::NO_CONTENT),
    };
    describe(app, &mut reply, &status, interop);
    Ok(reply)
}

/// The error of a refused append in this protocol.
async fn append_error(app: &App, id: Uuid, provided: u64, error: UploadError) -> ProtocolError {
    match error {
        UploadError::Conflict { offset } => ProtocolError::Offset {
            expected: offset,
            provided,
        },
        UploadError::LengthKnown { .. } | UploadError::Short { .. } => ProtocolError::Length,
        UploadError::PastLength { .. } => {
            // The upload must not be resumed: its bytes are ambiguous.
            let unfinished = app.uploads.durable(id).await;
            if unfinished.is_ok_and(|(status, _)| !status.is_finished()) {
                // One that cannot be removed expires.
                let _ = app.uploads.terminate(id).await;
            }
            ProtocolError::Length
        }
        other => other.into(),
    }
}
