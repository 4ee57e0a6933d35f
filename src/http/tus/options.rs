//! OPTIONS: what this server can do (core protocol, OPTIONS).

use hyper::StatusCode;

use super::super::App;
use super::super::reply::{self, Reply};
use super::{
    EXTENSIONS, TUS_CHECKSUM_ALGORITHM, TUS_EXTENSION, TUS_MAX_SIZE, TUS_RESUMABLE, TUS_VERSION,
    VERSION, checksum,
};

/// Answers without looking at the request's version, as the protocol wants.
pub fn options(app: &App) -> Reply {
    let mut reply = reply::empty(StatusCode::NO_CONTENT);
    reply::set(&mut reply, TUS_RESUMABLE, VERSION);
    reply::set(&mut reply, TUS_VERSION, VERSION);
    reply::set(&mut reply, TUS_EXTENSION, EXTENSIONS);
    reply::set(&mut reply, TUS_CHECKSUM_ALGORITHM, checksum::names());
    reply::set(
        &mut reply,
        TUS_MAX_SIZE,
        app.uploads.limits().max_size_bytes,
    );
    reply
}
