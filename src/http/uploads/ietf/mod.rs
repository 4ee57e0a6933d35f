//! Resumable Uploads for HTTP (draft-ietf-httpbis-resumable-upload), in the
//! versions of the draft that clients use. One file per verb; cancellation, limits
//! and errors are shared with TUS.

mod append;
mod create;
pub(crate) mod fields;
mod head;

use hyper::header::HeaderMap;

use crate::http::app::App;
use crate::http::error::upload::ProtocolError;
use crate::http::headers::names::{
    UPLOAD_COMPLETE, UPLOAD_INCOMPLETE, UPLOAD_LIMIT, UPLOAD_OFFSET,
};
use crate::http::headers::upload_fields::{limits, set_complete};
use crate::http::headers::upload_protocol::{Interop, Protocol};
use crate::http::reply::{self, Reply};
use crate::upload::UploadStatus;

pub use append::append;
pub use create::create;
pub use head::head;

/// Refuses HEAD and DELETE with headers of an append. The drafts up to interop
/// version 6 demand that.
pub fn check_bare(headers: &HeaderMap, interop: Interop) -> Result<(), ProtocolError> {
    let of_an_append = [UPLOAD_OFFSET, UPLOAD_COMPLETE, UPLOAD_INCOMPLETE];
    let found = of_an_append
        .into_iter()
        .find(|name| headers.contains_key(name));
    match found.filter(|_| interop <= Interop::V6) {
        Some(name) => Err(ProtocolError::Unexpected(name)),
        None => Ok(()),
    }
}

/// Whether a request has the last bytes; `None` if that is not stated.
fn completes(headers: &HeaderMap, interop: Interop) -> Option<bool> {
    match interop {
        Interop::V3 => match fields::boolean(headers, &UPLOAD_INCOMPLETE) {
            Some(is_incomplete) => Some(!is_incomplete),
            None => Some(true),
        },
        _ => fields::boolean(headers, &UPLOAD_COMPLETE),
    }
}

/// The length of the upload, if the request states it or brings all that is
/// missing.
fn length_of(
    stated: Option<u64>,
    rest: Option<u64>,
    offset: u64,
) -> Result<Option<u64>, ProtocolError> {
    let end = rest.map(|rest| offset.saturating_add(rest));
    match (stated, end) {
        (Some(stated), Some(end)) if stated != end => Err(ProtocolError::Length),
        (stated, end) => Ok(stated.or(end)),
    }
}

/// Adds the headers of every response about an upload.
fn describe(app: &App, reply: &mut Reply, status: &UploadStatus, interop: Interop) {
    Protocol::Ietf(interop).mark(reply);
    if !status.is_pending {
        reply::set(reply, UPLOAD_OFFSET, status.offset);
    }
    set_complete(reply, status.is_finished(), interop);
    let max_size_bytes = app.uploads.limits().max_size_bytes;
    let limits = limits(max_size_bytes, status.expires);
    reply::set(reply, UPLOAD_LIMIT, limits);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_must_agree() {
        assert_eq!(length_of(None, None, 4).unwrap(), None);
        assert_eq!(length_of(Some(10), None, 4).unwrap(), Some(10));
        assert_eq!(length_of(None, Some(6), 4).unwrap(), Some(10));
        assert_eq!(length_of(Some(10), Some(6), 4).unwrap(), Some(10));
        assert!(length_of(Some(11), Some(6), 4).is_err());
        assert!(length_of(Some(9), Some(u64::MAX), 4).is_err());
    }
}
