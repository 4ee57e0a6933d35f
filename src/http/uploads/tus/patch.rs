//! PATCH: bytes for an upload (core protocol, PATCH).

use hyper::body::Body;
use hyper::{Request, StatusCode};

use super::{bytes_header, describe, is_chunk};
use crate::http::app::App;
use crate::http::connection::request_body::RequestBody;
use crate::http::error::upload::ProtocolError;
use crate::http::headers::names::{UPLOAD_LENGTH, UPLOAD_OFFSET};
use crate::http::owned::OwnedUpload;
use crate::http::reply::{self, Reply};
use crate::http::uploads::body::BodySource;
use crate::http::uploads::checksum::announced_checksum;
use crate::upload::Chunk;

/// Handles PATCH; responds once every acknowledged byte is durable.
pub async fn patch(
    app: &App,
    upload: OwnedUpload,
    request: Request<RequestBody>,
) -> Result<Reply, ProtocolError> {
    let (head, body) = request.into_parts();
    let announced_bytes = body.size_hint().exact();
    let source = BodySource::new(body, &head);
    if !is_chunk(&head.headers) {
        return Err(ProtocolError::ContentType);
    }
    let offset =
        bytes_header(&head.headers, UPLOAD_OFFSET)?.ok_or(ProtocolError::Missing(UPLOAD_OFFSET))?;
    let chunk = Chunk {
        offset,
        length: bytes_header(&head.headers, UPLOAD_LENGTH)?,
        announced_bytes,
        checksum: announced_checksum(&head.headers)?,
        is_last: false,
    };
    let (id, grant) = (upload.id(), upload.grant().clone());
    let status = app.uploads.append(id, grant, chunk, source).await?;
    let mut reply = reply::empty(StatusCode::NO_CONTENT);
    describe(&mut reply, &status);
    Ok(reply)
}
