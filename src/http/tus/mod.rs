//! The TUS resumable upload protocol 1.0.0: core, creation,
//! all extensions. One file per verb.

pub(crate) mod checksum;
pub(crate) mod concat;
mod create;
mod head;
pub(crate) mod metadata;
mod patch;

use std::time::{SystemTime, UNIX_EPOCH};

use hyper::header::{HeaderMap, HeaderName};
use hyper::{Method, Request};

use super::body::has_type;
use super::names::{METHOD_OVERRIDE, TUS_RESUMABLE, UPLOAD_EXPIRES, UPLOAD_OFFSET};
use super::protocol::Protocol;
use super::protocol_error::ProtocolError;
use super::reply::{self, Reply};
use crate::upload::Status;

pub use checksum::{checksum, names as algorithms};
pub use create::create;
pub use head::head;
pub use patch::patch;

/// The version of the protocol.
pub const VERSION: &str = "1.0.0";
/// What it offers beyond the core of the protocol.
pub const EXTENSIONS: &str = "checksum,checksum-trailer,concatenation,concatenation-unfinished,\
     creation,creation-defer-length,creation-with-upload,expiration,termination";
/// What the bytes of an upload are called.
pub const CHUNK_TYPE: &str = "application/offset+octet-stream";

/// Core protocol, X-HTTP-Method-Override: for clients that cannot send every
/// method, and proxies that let not every one through.
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
/// that we speak.
pub fn check_version(headers: &HeaderMap) -> Result<(), ProtocolError> {
    match headers.get(TUS_RESUMABLE) {
        Some(version) if version == VERSION => Ok(()),
        _ => Err(ProtocolError::Version),
    }
}

/// Whether the body is a chunk of the upload.
fn is_chunk(headers: &HeaderMap) -> bool {
    has_type(headers, CHUNK_TYPE)
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
    // Beyond 64 bits it is too large for anybody.
    match number {
        Some(number) => Ok(Some(number)),
        None if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => Ok(Some(u64::MAX)),
        None => Err(ProtocolError::NotANumber { name }),
    }
}

/// What every answer about a living upload carries.
fn describe(reply: &mut Reply, status: &Status) {
    Protocol::Tus.mark(reply);
    if !status.is_pending {
        reply::set(reply, UPLOAD_OFFSET, status.offset);
    }
    if let Some(expires) = status.expires {
        reply::set(reply, UPLOAD_EXPIRES, http_date(expires));
    }
}

/// RFC 9110, section 5.6.7. Rounded down: never later than the truth.
pub fn http_date(time: SystemTime) -> String {
    let seconds = time
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let timestamp = i64::try_from(seconds)
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .unwrap_or(jiff::Timestamp::MAX);
    timestamp.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::super::names::UPLOAD_LENGTH;
    use super::*;

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

    #[test]
    fn dates_are_those_of_http() {
        let time = UNIX_EPOCH + std::time::Duration::from_millis(784_111_777_999);
        assert_eq!(http_date(time), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
