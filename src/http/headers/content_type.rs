//! What a body is said to be.

use hyper::header::{CONTENT_TYPE, HeaderMap};

/// The media type that a body is said to be of, without its parameters.
pub fn media_type(headers: &HeaderMap) -> Option<&str> {
    let told = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    told.split(';').next().map(str::trim)
}

/// Whether a body is said to be of this type, whatever its parameters.
pub fn has_type(headers: &HeaderMap, wanted: &str) -> bool {
    media_type(headers).is_some_and(|told| told.eq_ignore_ascii_case(wanted))
}
