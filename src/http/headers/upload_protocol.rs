//! Which of the two upload protocols a client uses.

use hyper::header::HeaderMap;

use super::names::{TUS_RESUMABLE, UPLOAD_COMPLETE, UPLOAD_DRAFT, UPLOAD_INCOMPLETE};
use crate::http::reply::{self, Reply};

/// TUS: the version of the protocol.
pub const VERSION: &str = "1.0.0";
/// TUS: the supported extensions.
pub const EXTENSIONS: &str = "checksum,checksum-trailer,concatenation,concatenation-unfinished,\
     creation,creation-defer-length,creation-with-upload,expiration,termination";
/// TUS: the media type of bytes for an upload.
pub const OFFSET_STREAM: &str = "application/offset+octet-stream";
/// Resumable Uploads for HTTP: the same, from interop version 6 on.
pub const PARTIAL_UPLOAD: &str = "application/partial-upload";
/// TUS: longest Upload-Metadata. It is kept with the recording and comes back
/// with every HEAD, whose head must stay within what clients read.
pub const METADATA_MAX_BYTES: usize = 8 << 10;

/// A protocol for resumable uploads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// TUS 1.0.0.
    Tus,
    /// Resumable Uploads for HTTP (draft-ietf-httpbis-resumable-upload).
    Ietf(Interop),
}

/// An interop version of the draft (Upload-Draft-Interop-Version).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interop {
    /// Draft 01: Upload-Incomplete.
    V3 = 3,
    /// Draft 02: Upload-Complete.
    V4 = 4,
    /// Draft 03: interim responses with the offset.
    V5 = 5,
    /// Drafts 04 and 05: a media type for PATCH, Upload-Limit.
    V6 = 6,
    /// Draft 09 and later.
    V8 = 8,
}

impl Interop {
    /// All supported versions.
    pub const ALL: [Interop; 5] = [
        Interop::V3,
        Interop::V4,
        Interop::V5,
        Interop::V6,
        Interop::V8,
    ];

    /// The supported version that a request names.
    pub fn named(headers: &HeaderMap) -> Option<Interop> {
        let named = headers.get(UPLOAD_DRAFT)?.as_bytes();
        let is_named = |interop: &Interop| named == interop.to_string().as_bytes();
        Interop::ALL.into_iter().find(is_named)
    }
}

impl std::fmt::Display for Interop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", *self as u8)
    }
}

impl Protocol {
    /// The protocol of a request; TUS if it names none, so that the error explains
    /// it. An unsupported version of the draft is ignored as the draft demands:
    /// there are no interim responses.
    pub fn of(headers: &HeaderMap) -> Protocol {
        if headers.contains_key(TUS_RESUMABLE) {
            return Protocol::Tus;
        }
        if let Some(interop) = Interop::named(headers) {
            return Protocol::Ietf(interop);
        }
        if headers.contains_key(UPLOAD_INCOMPLETE) && !headers.contains_key(UPLOAD_COMPLETE) {
            Protocol::Ietf(Interop::V3)
        } else if headers.contains_key(UPLOAD_COMPLETE) || headers.contains_key(UPLOAD_DRAFT) {
            Protocol::Ietf(Interop::V8)
        } else {
            Protocol::Tus
        }
    }

    /// Sets the header that names the protocol of a response.
    pub fn mark(self, reply: &mut Reply) {
        match self {
            Protocol::Tus => reply::set(reply, TUS_RESUMABLE, VERSION),
            Protocol::Ietf(interop) => reply::set(reply, UPLOAD_DRAFT, interop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_known_by_their_headers() {
        use Protocol::{Ietf, Tus};
        let tus = ("tus-resumable", "1.0.0");
        let version = |version| ("upload-draft-interop-version", version);
        let complete = ("upload-complete", "?1");
        let incomplete = ("upload-incomplete", "?0");
        for (headers, protocol) in [
            (&[][..], Tus),
            (&[tus], Tus),
            (&[tus, complete], Tus),
            (&[tus, version("9")], Tus),
            (&[complete], Ietf(Interop::V8)),
            (&[incomplete], Ietf(Interop::V3)),
            (&[version("3")], Ietf(Interop::V3)),
            (&[version("6")], Ietf(Interop::V6)),
            (&[version("7")], Ietf(Interop::V8)),
            (&[version("x"), complete], Ietf(Interop::V8)),
            (&[version("2"), incomplete], Ietf(Interop::V3)),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.insert(*name, value.parse().unwrap());
            }
            assert_eq!(Protocol::of(&map), protocol, "{headers:?}");
        }
    }
}
