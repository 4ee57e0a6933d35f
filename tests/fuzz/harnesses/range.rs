//! Range, and the name of what is downloaded.

use hyper::header::{HeaderMap, HeaderValue, RANGE};

use crate::http::error::upload::ProtocolError;
use crate::http::uploads::download::{attachment, part};

/// No part reaches beyond the recording. The length of that comes in front, eight bytes.
pub fn range(input: &[u8]) {
    let Some((length, asked)) = input.split_first_chunk() else {
        return;
    };
    let length = u64::from_le_bytes(*length);
    let name = attachment(&String::from_utf8_lossy(asked));
    assert!(
        name.bytes()
            .all(|byte| byte.is_ascii_graphic() || byte == b' ')
    );
    let Ok(value) = HeaderValue::from_bytes(asked) else {
        return;
    };
    let headers = HeaderMap::from_iter([(RANGE, value)]);
    match part(&headers, "\"etag\"", length) {
        Ok(None) => {}
        Ok(Some((start, end))) => assert!(start < end && end <= length, "{start}..{end}"),
        Err(ProtocolError::Range { length: reported }) => assert_eq!(reported, length),
        Err(other) => panic!("{other}"),
    }
}
