//! HEAD: how far an upload is (offset retrieval).

use hyper::header::{CACHE_CONTROL, HeaderValue};
use hyper::{Request, StatusCode};

use super::{check_bare, describe};
use crate::http::app::App;
use crate::http::connection::first_request::FirstRequest;
use crate::http::error::upload::ProtocolError;
use crate::http::headers::names::UPLOAD_LENGTH;
use crate::http::headers::upload_protocol::Interop;
use crate::http::owned::OwnedUpload;
use crate::http::reply::{self, Reply};

/// Answers HEAD.
pub async fn head<B>(
    app: &App,
    interop: Interop,
    upload: OwnedUpload,
    request: &Request<B>,
) -> Result<Reply, ProtocolError> {
    check_bare(request.headers(), interop)?;
    let is_first = request.extensions().get::<FirstRequest>().is_some();
    let looked = app.uploads.look(upload.id(), upload.grant(), is_first);
    let (status, _) = looked.await?;
    let mut reply = reply::empty(StatusCode::NO_CONTENT);
    describe(app, &mut reply, &status, interop);
    if let Some(length) = status.length {
        reply::set(&mut reply, UPLOAD_LENGTH, length);
    }
    let never = HeaderValue::from_static("no-store");
    reply.headers_mut().insert(CACHE_CONTROL, never);
    Ok(reply)
}
