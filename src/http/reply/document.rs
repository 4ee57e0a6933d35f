//! Documents as response bodies, made as fast as the client receives.

use std::io;

use bytes::Bytes;
use futures_util::stream::{StreamExt, once};
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};

use super::{Reply, body, streamed};
use crate::blocking;
use crate::piecewise::{self, Piecewise};

/// A response with the document that `open` opens on a blocking thread. Only a
/// piece of it is held at a time; one of a single piece has a `Content-Length`.
/// The error is that of `open` or of the first piece; a later one ends the
/// connection.
pub async fn document<D: Piecewise>(
    content_type: &'static str,
    open: impl FnOnce() -> io::Result<D> + Send + 'static,
) -> io::Result<Reply> {
    let (first, rest) = blocking::compute(|| open()?.split()).await?;
    let Some(rest) = rest else {
        return Ok(body(StatusCode::OK, content_type, first));
    };
    let first = once(async { Ok::<Bytes, io::Error>(first) });
    let pieces = first.chain(piecewise::stream(Some(rest)));
    let frames = pieces.map(|piece| piece.map(Frame::data));
    let mut reply = Response::new(streamed(StreamBody::new(frames)));
    reply
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(reply)
}
