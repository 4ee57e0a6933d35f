//! A recording whose first bytes have arrived, from any source.

use bytes::{Bytes, BytesMut};

use crate::content::LOOK_BYTES;
use crate::http::headers::disposition::display_name;
use crate::upload::{ByteSource, Checksum, PeerSocket, SourceError};

/// The first bytes of a recording, and the source of the rest.
pub struct Arriving<S> {
    start: Bytes,
    rest: S,
    /// File name without folders.
    pub filename: Option<String>,
    /// Media type as stated by the sender.
    pub content_type: Option<String>,
}

impl<S: ByteSource> Arriving<S> {
    /// Reads the first [`LOOK_BYTES`], or all where there are fewer.
    pub async fn begin(
        mut rest: S,
        filename: Option<String>,
        content_type: Option<String>,
    ) -> Result<Arriving<S>, SourceError> {
        let mut start = BytesMut::new();
        while start.len() < LOOK_BYTES {
            match rest.next().await {
                Some(bytes) => start.extend_from_slice(&bytes?),
                None => break,
            }
        }
        let filename = filename.as_deref().map(display_name);
        Ok(Arriving {
            start: start.freeze(),
            rest,
            filename: filename.filter(|name| !name.is_empty()),
            content_type,
        })
    }

    /// The first bytes; none of an empty recording.
    pub fn start(&self) -> &[u8] {
        &self.start
    }

    /// The source of the rest.
    pub fn rest(&self) -> &S {
        &self.rest
    }

    /// A source of the whole recording, from its first byte.
    pub fn source(self) -> Whole<S> {
        Whole {
            start: Some(self.start),
            rest: self.rest,
        }
    }
}

/// All bytes of a recording, some of which were read already.
pub struct Whole<S> {
    start: Option<Bytes>,
    rest: S,
}

impl<S> Whole<S> {
    /// The source of the rest.
    pub fn rest(&self) -> &S {
        &self.rest
    }
}

impl<S: ByteSource> ByteSource for Whole<S> {
    async fn next(&mut self) -> Option<Result<Bytes, SourceError>> {
        match self.start.take() {
            Some(start) => Some(Ok(start)),
            None => self.rest.next().await,
        }
    }

    fn peer_socket(&self) -> Option<PeerSocket> {
        self.rest.peer_socket()
    }

    fn checksum(&self) -> Option<Checksum> {
        self.rest.checksum()
    }
}
