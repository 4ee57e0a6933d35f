//! OPTIONS: the features of this server (TUS, core protocol, OPTIONS; Resumable
//! Uploads for HTTP, limits).

use hyper::StatusCode;
use hyper::header::HeaderName;

use super::checksum::names as algorithms;
use crate::http::app::App;
use crate::http::headers::names::{
    TUS_CHECKSUM_ALGORITHM, TUS_EXTENSION, TUS_MAX_SIZE, TUS_VERSION, UPLOAD_LIMIT,
};
use crate::http::headers::upload_fields::limits;
use crate::http::headers::upload_protocol::Protocol;
use crate::http::headers::upload_protocol::{EXTENSIONS, OFFSET_STREAM, PARTIAL_UPLOAD, VERSION};
use crate::http::reply::{self, Reply};

const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// Handles OPTIONS, whatever Tus-Resumable says (core protocol, OPTIONS).
pub fn options(app: &App) -> Reply {
    let max_size_bytes = app.uploads.limits().max_size_bytes;
    let mut reply = reply::empty(StatusCode::NO_CONTENT);
    Protocol::Tus.mark(&mut reply);
    reply::set(&mut reply, TUS_VERSION, VERSION);
    reply::set(&mut reply, TUS_EXTENSION, EXTENSIONS);
    reply::set(&mut reply, TUS_CHECKSUM_ALGORITHM, algorithms());
    reply::set(&mut reply, TUS_MAX_SIZE, max_size_bytes);
    let types = [OFFSET_STREAM, PARTIAL_UPLOAD].join(", ");
    reply::set(&mut reply, ACCEPT_PATCH, types);
    reply::set(&mut reply, UPLOAD_LIMIT, limits(max_size_bytes, None));
    reply
}
