//! HEAD: the offset of an upload (core protocol, HEAD).

use hyper::header::{CACHE_CONTROL, HeaderValue};
use hyper::{Request, StatusCode};

use super::describe;
use crate::http::app::App;
use crate::http::connection::first_request::FirstRequest;
use crate::http::error::upload::ProtocolError;
use crate::http::headers::names::{
    UPLOAD_CONCAT, UPLOAD_DEFER_LENGTH, UPLOAD_LENGTH, UPLOAD_METADATA,
};
use crate::http::owned::OwnedUpload;
use crate::http::reply::{self, Reply};

/// Handles HEAD.
pub async fn head<B>(
    app: &App,
    upload: OwnedUpload,
    request: &Request<B>,
) -> Result<Reply, ProtocolError> {
    let is_first = request.extensions().get::<FirstRequest>().is_some();
    let looked = app.uploads.look(upload.id(), upload.grant(), is_first);
    let (status, facts) = looked.await?;
    let mut reply = reply::empty(StatusCode::OK);
    describe(&mut reply, &status);
    match status.length {
        Some(length) => reply::set(&mut reply, UPLOAD_LENGTH, length),
        // Not deferred: it is known with the last part.
        None if status.is_pending => {}
        None => reply::set(&mut reply, UPLOAD_DEFER_LENGTH, 1),
    }
    if let Some(concat) = facts.concat {
        reply::set(&mut reply, UPLOAD_CONCAT, concat.raw);
    }
    if let Some(metadata) = facts.metadata {
        reply::set(&mut reply, UPLOAD_METADATA, metadata);
    }
    let never = HeaderValue::from_static("no-store");
    reply.headers_mut().insert(CACHE_CONTROL, never);
    Ok(reply)
}
