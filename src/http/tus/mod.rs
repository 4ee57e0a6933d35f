//! The TUS resumable upload protocol 1.0.0: core, creation,
//! all extensions. One file per verb.

mod body;
mod checksum;
mod concat;
mod create;
mod download;
mod error;
mod head;
mod metadata;
mod options;
mod patch;
mod terminate;

use std::time::{SystemTime, UNIX_EPOCH};

use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName};
use hyper::{Method, Request};

use uuid::Uuid;

use super::App;
use super::reply::{self, Reply};
use crate::access::Caller;
use crate::upload::{Status, UploadError};

pub use create::create;
pub use download::download;
pub use error::TusError;
pub use head::head;
pub use options::options;
pub use patch::patch;
pub use terminate::terminate;

const VERSION: &str = "1.0.0";
const EXTENSIONS: &str = "checksum,checksum-trailer,concatenation,concatenation-unfinished,\
     creation,creation-defer-length,creation-with-upload,expiration,termination";
const CHUNK_TYPE: &str = "application/offset+octet-stream";

const METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");
const TUS_EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
const TUS_MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");
const TUS_CHECKSUM_ALGORITHM: HeaderName = HeaderName::from_static("tus-checksum-algorithm");
const UPLOAD_CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");
const UPLOAD_CONCAT: HeaderName = HeaderName::from_static("upload-concat");
const UPLOAD_DEFER_LENGTH: HeaderName = HeaderName::from_static("upload-defer-length");
const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");

/// Core protocol, X-HTTP-Method-Override: for clients that cannot send every
/// method, and proxies that let not every one through.
pub fn override_method<B>(request: &mut Request<B>) -> Result<(), TusError> {
    let Some(method) = request.headers_mut().remove(METHOD_OVERRIDE) else {
        return Ok(());
    };
    match Method::from_bytes(method.as_bytes()) {
        Ok(method) => {
            *request.method_mut() = method;
            Ok(())
        }
        Err(_) => Err(TusError::MethodOverride),
    }
}

/// Core protocol, Tus-Resumable: every request but OPTIONS names a version
/// that we speak.
fn check_version(headers: &HeaderMap) -> Result<(), TusError> {
    match headers.get(TUS_RESUMABLE) {
        Some(version) if version == VERSION => Ok(()),
        _ => Err(TusError::Version),
    }
}

/// The upload that a path names, if it is the caller's. Somebody else's reads
/// like one that does not exist.
async fn owned(app: &App, caller: &Caller, id: Option<Uuid>) -> Result<Uuid, TusError> {
    let id = id.ok_or(UploadError::NotFound)?;
    let Caller::Token(_) = caller else {
        return Ok(id);
    };
    let facts = app.uploads.facts(id).await?;
    match caller.may_use(facts.owner.as_deref()) {
        true => Ok(id),
        false => Err(UploadError::NotFound.into()),
    }
}

/// Whether the body is a chunk of the upload.
fn is_chunk(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value == CHUNK_TYPE)
}

/// A header that holds a number of bytes, in digits alone.
fn bytes_header(headers: &HeaderMap, name: HeaderName) -> Result<Option<u64>, TusError> {
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
        None => Err(TusError::NotANumber { name }),
    }
}

/// What every answer about a living upload carries.
fn describe(reply: &mut Reply, status: &Status) {
    reply::set(reply, TUS_RESUMABLE, VERSION);
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
