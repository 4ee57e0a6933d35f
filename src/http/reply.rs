//! Making responses.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

/// A response of ours.
pub type Reply = Response<Full<Bytes>>;

/// No body.
pub fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = status;
    reply
}

/// A body of this type.
pub fn body(status: StatusCode, content_type: &'static str, content: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(content.into()));
    *reply.status_mut() = status;
    reply
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// A JSON document.
pub fn json(status: StatusCode, document: &serde_json::Value) -> Reply {
    body(status, "application/json", document.to_string())
}

/// Adds a header whose value is made by us, of visible characters.
pub fn set(reply: &mut Reply, name: HeaderName, value: impl ToString) {
    if let Ok(value) = HeaderValue::try_from(value.to_string()) {
        reply.headers_mut().insert(name, value);
    }
}
