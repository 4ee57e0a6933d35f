//! What tests of this module share.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use uuid::Uuid;

use super::{Checksum, Chunk, Cut, Limits, NewUpload, Observer, PeerSocket, Source, Uploads};
use crate::store::{Layout, ring};

/// Bytes, then the regular end.
pub(super) struct Content(pub(super) Option<&'static [u8]>);

/// No body at all.
pub(super) const NOTHING: Option<(Chunk, Content)> = None;

struct Deaf;

impl Observer for Deaf {
    fn finished(&self, _id: Uuid) {}
}

impl Source for Content {
    async fn next(&mut self) -> Option<Result<Bytes, Cut>> {
        Some(Ok(Bytes::from_static(self.0.take()?)))
    }

    fn peer_socket(&self) -> Option<PeerSocket> {
        None
    }

    fn checksum(&self) -> Option<Checksum> {
        None
    }
}

/// Runs a test on a ring, with uploads of these limits.
pub(super) fn with(
    reserve_free_bytes: u64,
    max_unfinished: usize,
    test: impl AsyncFnOnce(Arc<Uploads>, Layout),
) {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::prepare(dir.path()).unwrap();
    let limits = Limits {
        max_size_bytes: 1000,
        reserve_free_bytes,
        max_unfinished,
        idle_expiry: Duration::from_secs(60),
        stall: Duration::from_secs(60),
    };
    let (_stop, stopping) = watch::channel(false);
    let uploads = Arc::new(Uploads::new(
        layout.clone(),
        limits,
        Arc::new(Deaf),
        stopping,
    ));
    ring::run(test(uploads, layout)).unwrap();
}

/// An upload of this length.
pub(super) fn of(length: u64) -> NewUpload {
    NewUpload {
        length: Some(length),
        ..NewUpload::default()
    }
}
