//! PATCH: bytes for an upload (core protocol, PATCH).

use hyper::body::{Body, Incoming};
use hyper::{Request, StatusCode};
use uuid::Uuid;

use super::super::App;
use super::super::reply::{self, Reply};
use super::body::BodySource;
use super::checksum::promise;
use super::{
    TusError, UPLOAD_LENGTH, UPLOAD_OFFSET, bytes_header, check_version, describe, is_chunk, owned,
};
use crate::access::Caller;
use crate::upload::Chunk;

/// Answers PATCH, once every byte it tells of is durable.
pub async fn patch(
    app: &App,
    caller: &Caller,
    id: Option<Uuid>,
    request: Request<Incoming>,
) -> Result<Reply, TusError> {
    let (head, body) = request.into_parts();
    let announced_bytes = body.size_hint().exact();
    let source = BodySource::new(body, &head);
    check_version(&head.headers)?;
    if !is_chunk(&head.headers) {
        return Err(TusError::ContentType);
    }
    let offset = bytes_header(&head.headers, UPLOAD_OFFSET)?.ok_or(TusError::Missing {
        name: UPLOAD_OFFSET,
    })?;
    let id = owned(app, caller, id).await?;
    let chunk = Chunk {
        offset,
        length: bytes_header(&head.headers, UPLOAD_LENGTH)?,
        announced_bytes,
        checksum: promise(&head.headers)?,
    };
    let status = app.uploads.append(id, chunk, source).await?;
    let mut reply = reply::empty(StatusCode::NO_CONTENT);
    describe(&mut reply, &status);
    Ok(reply)
}
