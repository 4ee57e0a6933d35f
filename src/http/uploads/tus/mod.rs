//! The TUS resumable upload protocol 1.0.0 with all extensions. One file per verb.

pub(crate) mod concat;
mod create;
mod head;
pub(crate) mod metadata;
mod patch;

use hyper::header::{HeaderMap, HeaderName};
use hyper::{Method, Request};

use crate::http::error::upload::ProtocolError;
use crate::http::headers::content_type::has_type;
use crate::http::headers::date::http_date;
use crate::http::headers::names::{METHOD_OVERRIDE, TUS_RESUMABLE, UPLOAD_EXPIRES, UPLOAD_OFFSET};
use crate::http::headers::upload_protocol::Protocol;
use crate::http::headers::upload_protocol::{OFFSET_STREAM, VERSION};
use crate::http::reply::{self, Reply};
use crate::upload::UploadStatus;

pub use create::create;
pub use head::head;
pub use patch::patch;

/// Core protocol, X-HTTP-Method-Override: for clients and proxies that do not
/// support every method.
pub fn override_method<B>(request: &mut Request<B>) -> Result<(), ProtocolError> {
    let Some(method) = request.headers_mut().remove(METHOD_OVERRIDE) else {
        return Ok(());
    };
    match Method::from_bytes(method.as_bytes()) {
        Ok(method) => {
            *request.method_mut() = method;
            Ok(())
        }
        Err(_) => Err(ProtocolError::MethodOverride),
    }
}

/// Core protocol, Tus-Resumable: every request but OPTIONS names a version
/// that is supported.
pub fn check_version(headers: &HeaderMap) -> Result<(), ProtocolError> {
    match headers.get(TUS_RESUMABLE) {
        Some(version) if version == VERSION => Ok(()),
        _ => Err(ProtocolError::Version),
    }
}

/// Whether the body is a chunk of the upload.
fn is_chunk(headers: &HeaderMap) -> bool {
    has_type(headers, OFFSET_STREAM)
}

/// A header that holds a number of bytes, in digits alone.
fn bytes_header(headers: &HeaderMap, name: HeaderName) -> Result<Option<u64>, ProtocolError> {
    let Some(value) = headers.get(&name) else {
        return Ok(None);
    };
    let digits = value.as_bytes();
    let number = str::from_utf8(digits)
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|text| text.parse().ok());
    // Beyond 64 bits it is over every limit.
    match number {
        Some(number) => Ok(Some(number)),
        None if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => Ok(Some(u64::MAX)),
        None => Err(ProtocolError::NotANumber(name)),
    }
}

/// Adds the headers of every response about an existing upload.
fn describe(reply: &mut Reply, status: &UploadStatus) {
    Protocol::Tus.mark(reply);
    if !status.is_pending {
        reply::set(reply, UPLOAD_OFFSET, status.offset);
    }
    if let Some(expires) = status.expires {
        reply::set(reply, UPLOAD_EXPIRES, http_date(expires));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::headers::names::UPLOAD_LENGTH;

    #[test]
    fn numbers_are_digits_and_nothing_else() {
        let cases = [
            (None, Ok(None)),
            (Some("0"), Ok(Some(0))),
            (Some("5368709120"), Ok(Some(5_368_709_120))),
            (Some("99999999999999999999999"), Ok(Some(u64::MAX))),
            (Some("-1"), Err(())),
            (Some("+1"), Err(())),
            (Some("1.5"), Err(())),
            (Some(""), Err(())),
            (Some("1 "), Err(())),
        ];
        for (value, expected) in cases {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(UPLOAD_LENGTH, value.parse().unwrap());
            }
            let parsed = bytes_header(&headers, UPLOAD_LENGTH).map_err(|_| ());
            assert_eq!(parsed, expected, "{value:?}");
        }
    }
}
