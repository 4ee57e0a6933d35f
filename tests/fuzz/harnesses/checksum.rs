//! Upload-Checksum.

use hyper::header::{HeaderMap, HeaderValue};

use crate::http::headers::names::UPLOAD_CHECKSUM;
use crate::http::uploads::checksum;

/// The algorithm and the value that are read are those in the header.
pub fn checksum(input: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(input) else {
        return;
    };
    let headers = HeaderMap::from_iter([(UPLOAD_CHECKSUM, value)]);
    if let Ok(read) = checksum::checksum(&headers) {
        let checksum = read.expect("the header is there");
        let name = checksum.algorithm.name().as_bytes();
        assert!(input.trim_ascii_start().starts_with(name));
        assert!(checksum.value.len() < input.len());
    }
}
