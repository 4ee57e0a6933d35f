//! Server-sent events (HTML standard, section 9.2).

use std::io;

use bytes::Bytes;
use hyper::Response;
use hyper::body::Body;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};

use super::{Reply, set, streamed};

/// Asks nginx not to hold events back.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// A response with these events, which no proxy may hold back.
pub fn event_stream(events: impl Body<Data = Bytes, Error = io::Error> + 'static) -> Reply {
    let mut reply = Response::new(streamed(events));
    set(&mut reply, CONTENT_TYPE, "text/event-stream");
    set(&mut reply, CACHE_CONTROL, "no-store");
    set(&mut reply, X_ACCEL_BUFFERING, "no");
    reply
}
