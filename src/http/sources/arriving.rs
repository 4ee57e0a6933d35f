//! A recording of which the first bytes are there, wherever it comes from.

use bytes::{Bytes, BytesMut};

use crate::content::LOOK_BYTES;
use crate::http::headers::disposition::display_name;
use crate::upload::{Checksum, Cut, PeerSocket, Source};

/// What was read and told of it, and the rest of it.
pub struct Arriving<S> {
    start: Bytes,
    rest: S,
    /// As whoever sends it calls it, without the folders.
    pub filename: Option<String>,
    /// Media type that is claimed.
    pub content_type: Option<String>,
}

impl<S: Source> Arriving<S> {
    /// Reads the first bytes: [`LOOK_BYTES`], or all where there are fewer.
    pub async fn begin(
        mut rest: S,
        filename: Option<String>,
        content_type: Option<String>,
    ) -> Result<Arriving<S>, Cut> {
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

    /// Its first bytes; none if it is empty.
    pub fn start(&self) -> &[u8] {
        &self.start
    }

    /// What brings it.
    pub fn rest(&self) -> &S {
        &self.rest
    }

    /// All of it, from its first byte.
    pub fn source(self) -> Whole<S> {
        Whole {
            start: Some(self.start),
            rest: self.rest,
        }
    }
}

/// All bytes of a recording of which some were read already.
pub struct Whole<S> {
    start: Option<Bytes>,
    rest: S,
}

impl<S> Whole<S> {
    /// What brings it.
    pub fn rest(&self) -> &S {
        &self.rest
    }
}

impl<S: Source> Source for Whole<S> {
    async fn next(&mut self) -> Option<Result<Bytes, Cut>> {
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
