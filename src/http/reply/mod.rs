//! Making responses.

pub mod event_stream;
pub mod file_body;

use std::io;
use std::pin::Pin;

use bytes::Bytes;
use http_body_util::{Either, Empty, Full};
use hyper::body::Body;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

/// A response of ours: made whole, or as it is sent.
pub type Reply = Response<Either<Full<Bytes>, Streamed>>;

/// A body that is made as it is sent.
pub type Streamed = Pin<Box<dyn Body<Data = Bytes, Error = io::Error>>>;

/// The body of a request that has none.
pub type Nothing = Empty<Bytes>;

/// A body for a [`Reply`].
pub fn streamed(
    body: impl Body<Data = Bytes, Error = io::Error> + 'static,
) -> Either<Full<Bytes>, Streamed> {
    Either::Right(Box::pin(body))
}

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
