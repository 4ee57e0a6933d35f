//! Rules for every request head. An ambiguous head is refused: a proxy may have
//! read it in another way.

use hyper::header::{
    AUTHORIZATION, CONTENT_TYPE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, IF_RANGE, RANGE,
    TRANSFER_ENCODING,
};
use hyper::{Request, StatusCode, Version};

/// Longest request target with its query. A much longer one makes the whole
/// head too long, which is 431.
const URI_MAX_BYTES: usize = 8 << 10;

/// Headers that may occur once, beside those of the upload protocols.
const SINGLE: [HeaderName; 6] = [
    AUTHORIZATION,
    CONTENT_TYPE,
    HeaderName::from_static("x-http-method-override"),
    IF_RANGE,
    RANGE,
    TRANSFER_ENCODING,
];

/// Why a request head is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHead {
    /// A header that may occur once occurs several times.
    #[error("the header {0} occurs more than once; send it once")]
    Twice(HeaderName),
    /// RFC 9112, section 6.1: a transfer coding other than chunked.
    #[error("the only transfer coding that this server supports is chunked")]
    Coding,
    /// RFC 9112, section 3: the target is longer than this many bytes.
    #[error("this address is too long; the longest has {0} bytes")]
    UriTooLong(usize),
    /// RFC 9112, section 3.2: no Host, or several.
    #[error("a request over HTTP/1.1 needs one header Host")]
    Host,
    /// RFC 9110, section 10.1.1: an expectation other than 100-continue.
    #[error("the only Expect that this server supports is 100-continue")]
    Expectation,
}

impl BadHead {
    /// The status of the refusal, and its code in our JSON errors.
    pub fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            BadHead::Twice(_) | BadHead::Host => (StatusCode::BAD_REQUEST, "BAD_REQUEST"),
            BadHead::Coding => (StatusCode::NOT_IMPLEMENTED, "BAD_REQUEST"),
            BadHead::UriTooLong(_) => (StatusCode::URI_TOO_LONG, "URI_TOO_LONG"),
            BadHead::Expectation => (StatusCode::EXPECTATION_FAILED, "EXPECTATION_FAILED"),
        }
    }

    /// Whether it is uncertain where the next request on the connection begins.
    pub fn is_ambiguous(&self) -> bool {
        matches!(self, BadHead::Twice(_) | BadHead::Coding | BadHead::Host)
    }
}

/// Checks a request head. HTTP/1.0 knows only the rules about fields and the
/// length of the target.
pub fn check<B>(request: &Request<B>) -> Result<(), BadHead> {
    check_fields(request.headers())?;
    let target = request.uri().path_and_query();
    if target.is_some_and(|target| target.as_str().len() > URI_MAX_BYTES) {
        return Err(BadHead::UriTooLong(URI_MAX_BYTES));
    }
    if request.version() == Version::HTTP_10 {
        return Ok(());
    }
    if request.headers().get_all(HOST).iter().count() != 1 {
        return Err(BadHead::Host);
    }
    // Ignoring other expectations would be allowed, but the client would
    // believe that they are met.
    match has_unknown_expectation(request.headers()) {
        true => Err(BadHead::Expectation),
        false => Ok(()),
    }
}

/// Whether the client waits for 100 (Continue) before it sends the body, which
/// HTTP/1.0 does not have.
pub fn expects_continue<B>(request: &Request<B>) -> bool {
    request.version() != Version::HTTP_10 && request.headers().contains_key(EXPECT)
}

fn has_unknown_expectation(headers: &HeaderMap) -> bool {
    let mut expectations = headers.get_all(EXPECT).iter();
    expectations.any(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

fn check_fields(headers: &HeaderMap) -> Result<(), BadHead> {
    let is_single = |name: &HeaderName| {
        SINGLE.contains(name)
            || ["tus-", "upload-"]
                .iter()
                .any(|ours| name.as_str().starts_with(ours))
    };
    // `keys` has each name once.
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
            assert_eq!(check_fields(request.headers()), expected, "{fields:?}");
        }
    }

    fn judged(version: Version, target: &str, headers: &[(&str, &str)]) -> Option<String> {
        let mut request = Request::builder().version(version).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        check(&request).err().map(|error| error.to_string())
    }

    #[test]
    fn errors_name_the_rule() {
        const HOST: (&str, &str) = ("Host", "box");
        let longest = format!("/{}", "a".repeat(URI_MAX_BYTES - 1));
        let long = format!("{longest}a");
        for (target, headers, wrong) in [
            ("/", &[HOST][..], None),
            (&longest, &[HOST], None),
            (&long, &[HOST], Some("too long")),
            ("/", &[], Some("Host")),
            ("/", &[HOST, HOST], Some("Host")),
            ("/", &[HOST, ("Expect", "100-Continue")], None),
            ("/", &[HOST, ("Expect", "")], Some("100-continue")),
            ("/", &[HOST, ("Expect", "200-ok")], Some("100-continue")),
            (
                "/",
                &[HOST, ("Expect", "100-continue"), ("Expect", "200-ok")],
                Some("100-continue"),
            ),
        ] {
            let error = judged(Version::HTTP_11, target, headers);
            let is_right = match (&error, wrong) {
                (None, None) => true,
                (Some(error), Some(wrong)) => error.contains(wrong),
                _ => false,
            };
            assert!(is_right, "{headers:?}: {error:?}");
        }
        let old = judged(Version::HTTP_10, "/", &[("Expect", "200-ok")]);
        assert_eq!(old, None);
        assert!(judged(Version::HTTP_10, &long, &[]).is_some());
    }
}
