//! OPTIONS: what this server can do (TUS, core protocol, OPTIONS; Resumable
//! Uploads for HTTP, limits).

use hyper::StatusCode;
use hyper::header::HeaderName;

use super::App;
use super::ietf::limits;
use super::names::{
    TUS_CHECKSUM_ALGORITHM, TUS_EXTENSION, TUS_MAX_SIZE, TUS_VERSION, UPLOAD_LIMIT,
};
use super::protocol::Protocol;
use super::reply::{self, Reply};
use super::tus;

const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// Answers without looking at the request's version, as TUS wants.
pub fn options(app: &App) -> Reply {
    let max_size_bytes = app.uploads.limits().max_size_bytes;
    let mut reply = reply::empty(StatusCode::NO_CONTENT);
    Protocol::Tus.mark(&mut reply);
    reply::set(&mut reply, TUS_VERSION, tus::VERSION);
    reply::set(&mut reply, TUS_EXTENSION, tus::EXTENSIONS);
    reply::set(&mut reply, TUS_CHECKSUM_ALGORITHM, tus::algorithms());
    reply::set(&mut reply, TUS_MAX_SIZE, max_size_bytes);
    let types = [tus::CHUNK_TYPE, super::ietf::CHUNK_TYPE].join(", ");
    reply::set(&mut reply, ACCEPT_PATCH, types);
    reply::set(&mut reply, UPLOAD_LIMIT, limits(max_size_bytes, None));
    reply
}
