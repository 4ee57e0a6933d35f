//! Making responses.

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::file_body::FileBody;
use super::live::EventBody;

/// A response of ours: made whole, read from a file as it is sent, or made as
/// things happen.
pub type Reply = Response<Either<Full<Bytes>, Either<FileBody, EventBody>>>;

/// No body.
pub fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Either::Left(Full::default()));
    *reply.status_mut() = status;
    reply
}

/// A body of this type.
pub fn body(status: StatusCode, content_type: &'static str, content: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Either::Left(Full::new(content.into())));
    *reply.status_mut() = status;
    reply
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// A body that is made as things happen.
pub fn stream(status: StatusCode, content_type: &'static str, content: EventBody) -> Reply {
    let mut reply = Response::new(Either::Right(Either::Right(content)));
    *reply.status_mut() = status;
    let content_type = HeaderValue::from_static(content_type);
    reply.headers_mut().insert(CONTENT_TYPE, content_type);
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
