//! GET: a finished recording, or a part of it (RFC 9110, section 14).

use http_range_header::{RangeUnsatisfiableError, parse_range_header};
use hyper::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    HeaderMap, IF_RANGE, RANGE,
};
use hyper::{Request, Response, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::access::Caller;
use crate::http::app::App;
use crate::http::error::unmet::Unmet;
use crate::http::error::upload::ProtocolError;
use crate::http::owned::OwnedUpload;
use crate::http::reply::file_body::FileBody;
use crate::http::reply::{self, Reply};

/// Handles GET. Browsers save the file and never display it: an upload may be a
/// page with scripts.
pub async fn download<B>(
    app: &App,
    caller: &Caller,
    upload: OwnedUpload,
    request: &Request<B>,
) -> Result<Reply, ProtocolError> {
    let id = upload.id();
    let (status, facts) = app.uploads.durable(id).await?;
    if !status.is_finished() {
        return Err(ProtocolError::NotFinished);
    }
    let share = app.downloads.take(caller.owner());
    let share = share.map_err(|exceeded| Unmet::Exceeded("downloads of recordings", exceeded))?;
    let file = app.uploads.recording(id).await?;
    let file = file.ok_or(ProtocolError::RecordingGone)?;
    let length = status.offset;
    // A finished recording never changes.
    let etag = format!("\"{id}\"");
    let part = part(request.headers(), &etag, length)?;
    let (start, end) = part.unwrap_or((0, length));
    let mut reply = Response::new(reply::streamed(FileBody::new(file, start, end, share)));
    if part.is_some() {
        *reply.status_mut() = StatusCode::PARTIAL_CONTENT;
        let range = format!("bytes {start}-{}/{length}", end - 1);
        reply::set(&mut reply, CONTENT_RANGE, range);
    }
    let name = facts.filename.unwrap_or_else(|| id.to_string());
    for (header, value) in [
        (ACCEPT_RANGES, "bytes"),
        (CONTENT_DISPOSITION, &*attachment(&name)),
        (CONTENT_TYPE, media_type(facts.filetype.as_deref())),
        (ETAG, &etag),
        (CACHE_CONTROL, "private"),
    ] {
        reply::set(&mut reply, header, value);
    }
    Ok(reply)
}

/// Start and end of the requested range; `None`: the whole file, also for
/// several ranges and invalid ones (RFC 9110, section 14.2).
pub(crate) fn part(
    headers: &HeaderMap,
    etag: &str,
    length: u64,
) -> Result<Option<(u64, u64)>, ProtocolError> {
    let is_of_this = headers.get(IF_RANGE).is_none_or(|known| known == etag);
    let asked = headers.get(RANGE).filter(|_| is_of_this);
    let Some(asked) = asked.and_then(|value| parse_range_header(value.to_str().ok()?).ok()) else {
        return Ok(None);
    };
    if asked.ranges.len() > 1 {
        return Ok(None);
    }
    match asked.validate(length).as_deref() {
        Ok([range]) if length > 0 => Ok(Some((*range.start(), *range.end() + 1))),
        // A suffix longer than the file: all of it.
        Err(RangeUnsatisfiableError::FileSuffixOutOfBounds) => Ok(None),
        _ => Err(ProtocolError::Range { length }),
    }
}

/// Content-Disposition with a name of any characters (RFC 6266, RFC 8187).
pub(crate) fn attachment(name: &str) -> String {
    const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'.')
        .remove(b'_')
        .remove(b'~');
    let name = utf8_percent_encode(name, ENCODED);
    format!("attachment; filename*=UTF-8''{name}")
}

/// The media type from the upload, if it is one of a recording.
fn media_type(claimed: Option<&str>) -> &str {
    let is_recording = |claimed: &&str| {
        let name = claimed
            .strip_prefix("audio/")
            .or(claimed.strip_prefix("video/"));
        name.is_some_and(|name| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-.+".contains(&byte))
        })
    };
    claimed
        .filter(is_recording)
        .unwrap_or("application/octet-stream")
}
