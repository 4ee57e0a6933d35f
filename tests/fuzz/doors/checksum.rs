//! Upload-Checksum.

use hyper::header::{HeaderMap, HeaderValue};

use crate::http::names::UPLOAD_CHECKSUM;
use crate::http::tus;

/// What is read is whole: an algorithm and as many bytes as it makes.
pub fn checksum(input: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(input) else {
        return;
    };
    let headers = HeaderMap::from_iter([(UPLOAD_CHECKSUM, value)]);
    if let Ok(read) = tus::checksum::checksum(&headers) {
        let checksum = read.expect("the header is there");
        assert_eq!(checksum.value.len(), checksum.algorithm.bytes());
    }
}
