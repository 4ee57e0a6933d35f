//! Responses.

pub mod document;
pub mod event_stream;
pub mod file_body;

use std::io;
use std::pin::Pin;

use bytes::Bytes;
use http_body_util::{Either, Empty, Full};
use hyper::body::Body;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

/// A response, complete or streamed.
pub type Reply = Response<Either<Full<Bytes>, Streamed>>;

/// A streamed body.
pub type Streamed = Pin<Box<dyn Body<Data = Bytes, Error = io::Error>>>;

/// An empty request body.
pub type Nothing = Empty<Bytes>;

/// A streamed body for a [`Reply`].
pub fn streamed(
    body: impl Body<Data = Bytes, Error = io::Error> + 'static,
) -> Either<Full<Bytes>, Streamed> {
    Either::Right(Box::pin(body))
}

/// A response without a body.
pub fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Either::Left(Full::default()));
    *reply.status_mut() = status;
    reply
}

/// A response with a body of this type.
pub fn body(status: StatusCode, content_type: &'static str, content: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Either::Left(Full::new(content.into())));
    *reply.status_mut() = status;
    reply
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// A response with a JSON document.
pub fn json(status: StatusCode, document: &serde_json::Value) -> Reply {
    body(status, "application/json", document.to_string())
}

/// Sets a header; the value must be of visible ASCII characters.
pub fn set(reply: &mut Reply, name: HeaderName, value: impl ToString) {
    if let Ok(value) = HeaderValue::try_from(value.to_string()) {
        reply.headers_mut().insert(name, value);
    }
}
