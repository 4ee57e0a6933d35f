//! Structured fields, Content-Disposition, and Upload-Concat.

use hyper::header::{CONTENT_DISPOSITION, HeaderMap, HeaderValue};

use crate::http::headers::disposition::filename;
use crate::http::headers::names::{UPLOAD_COMPLETE, UPLOAD_CONCAT, UPLOAD_OFFSET};
use crate::http::uploads::ietf::fields::{boolean, integer};
use crate::http::uploads::tus::concat::concat;

/// The largest integer of a structured field (RFC 9651, section 3.3.1).
const INTEGER_MAX: u64 = 999_999_999_999_999;

/// What is read of a header is what such a header can say.
pub fn fields(input: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(input) else {
        return;
    };
    let names = [
        UPLOAD_OFFSET,
        UPLOAD_COMPLETE,
        UPLOAD_CONCAT,
        CONTENT_DISPOSITION,
    ];
    let headers: HeaderMap = names
        .map(|name| (name, value.clone()))
        .into_iter()
        .collect();
    let number = integer(&headers, &UPLOAD_OFFSET);
    assert!(number.is_none_or(|number| number <= INTEGER_MAX));
    let answer = boolean(&headers, &UPLOAD_COMPLETE);
    assert!(number.is_none() || answer.is_none(), "both at once");
    if let Ok(Some(concat)) = concat(&headers) {
        assert!(concat.parts.len() <= 256);
        assert!(!concat.parts.is_empty() || concat.raw == "partial");
    }
    let name = filename(&headers);
    assert!(name.is_none_or(|name| !name.is_empty() && name.len() <= input.len()));
}
