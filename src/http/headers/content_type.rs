//! Content-Type.

use hyper::header::{CONTENT_TYPE, HeaderMap};

/// The media type without its parameters.
pub fn media_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').next().map(str::trim)
}

/// Whether the media type is this one, whatever its parameters.
pub fn has_type(headers: &HeaderMap, wanted: &str) -> bool {
    media_type(headers).is_some_and(|found| found.eq_ignore_ascii_case(wanted))
}
