//! What is wrong with some heads, whatever they ask for. A head that can be
//! read in two ways is refused: somebody on the way may have read it in the other.

use hyper::header::{
    AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, IF_RANGE, RANGE, TRANSFER_ENCODING,
};
use hyper::{Request, StatusCode};

/// Headers with one value, beside those of uploads.
const SINGLE: [HeaderName; 6] = [
    AUTHORIZATION,
    CONTENT_TYPE,
    HeaderName::from_static("x-http-method-override"),
    IF_RANGE,
    RANGE,
    TRANSFER_ENCODING,
];

/// Why a head is refused. The texts are for people.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHead {
    /// One of the values would count, and the other would not.
    #[error("the header {0} is there more than once")]
    Twice(HeaderName),
    /// RFC 9112, section 6.1. What arrived would not be the recording.
    #[error("the only transfer coding that this server knows is chunked")]
    Coding,
}

impl BadHead {
    /// The status it is refused with.
    pub fn status(&self) -> StatusCode {
        match self {
            BadHead::Twice(_) => StatusCode::BAD_REQUEST,
            BadHead::Coding => StatusCode::NOT_IMPLEMENTED,
        }
    }
}

/// Looks at a request's head.
pub fn check<B>(request: &Request<B>) -> Result<(), BadHead> {
    let headers = request.headers();
    let is_single = |name: &HeaderName| {
        SINGLE.contains(name)
            || ["tus-", "upload-"]
                .iter()
                .any(|ours| name.as_str().starts_with(ours))
    };
    // Names come once each, values in any number.
    let twice = |name: &&HeaderName| is_single(name) && headers.get_all(*name).iter().count() > 1;
    if headers.keys_len() < headers.len()
        && let Some(name) = headers.keys().find(twice)
    {
        return Err(BadHead::Twice(name.clone()));
    }
    let is_chunked = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    match headers.get(TRANSFER_ENCODING) {
        Some(coding) if !is_chunked(coding) => Err(BadHead::Coding),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_that_can_be_read_in_two_ways_are_refused() {
        let twice = |name| Err(BadHead::Twice(HeaderName::from_static(name)));
        for (expected, fields) in [
            (
                Ok(()),
                &[("host", "x"), ("accept", "a"), ("accept", "b")][..],
            ),
            (Ok(()), &[("host", "x"), ("transfer-encoding", "Chunked")]),
            (
                twice("upload-length"),
                &[
                    ("host", "x"),
                    ("upload-length", "1"),
                    ("upload-length", "1"),
                ],
            ),
            (
                twice("tus-resumable"),
                &[
                    ("host", "x"),
                    ("tus-resumable", "1.0.0"),
                    ("tus-resumable", "0.2.2"),
                ],
            ),
            (
                twice("range"),
                &[("host", "x"), ("range", "bytes=0-"), ("range", "bytes=1-")],
            ),
            (
                Err(BadHead::Coding),
                &[("host", "x"), ("transfer-encoding", "gzip, chunked")],
            ),
        ] {
            let mut request = Request::new(());
            for (name, value) in fields {
                request
                    .headers_mut()
                    .append(*name, HeaderValue::from_static(value));
            }
            assert_eq!(check(&request), expected, "{fields:?}");
        }
    }
}
