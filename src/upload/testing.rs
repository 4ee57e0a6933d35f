//! Shared by the tests of this module.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use uuid::Uuid;

use super::{ByteSource, Chunk, Limits, NewUpload, Observer, SourceError, Uploads};
use crate::store::folder::peek_record;
use crate::store::{Layout, ring};

/// Bytes, then the end.
pub(super) struct Content(pub(super) Option<&'static [u8]>);

/// No body at all.
pub(super) const NOTHING: Option<(Chunk, Content)> = None;

/// What an observer was notified of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notice {
    Committed(Uuid, u64),
    Finished(Uuid),
    Terminated(Uuid),
    Expired(Uuid),
}

/// Keeps the notices; what is called committed is in the record on disk.
pub(super) struct Notices {
    layout: Layout,
    all: Mutex<Vec<Notice>>,
}

impl Notices {
    pub(super) fn take(&self) -> Vec<Notice> {
        std::mem::take(&mut self.all.lock().unwrap())
    }

    fn add(&self, notice: Notice) {
        self.all.lock().unwrap().push(notice);
    }
}

impl Observer for Notices {
    fn finished(&self, id: Uuid) {
        self.add(Notice::Finished(id));
    }

    fn committed(&self, id: Uuid, offset: u64, _length: Option<u64>) {
        let record = peek_record(&self.layout.upload(id)).unwrap();
        assert!(record.offset >= offset, "{record:?}");
        self.add(Notice::Committed(id, offset));
    }

    fn terminated(&self, id: Uuid) {
        self.add(Notice::Terminated(id));
    }

    fn expired(&self, id: Uuid) {
        self.add(Notice::Expired(id));
    }
}

impl ByteSource for Content {
    async fn next(&mut self) -> Option<Result<Bytes, SourceError>> {
        Some(Ok(Bytes::from_static(self.0.take()?)))
    }
}

/// Runs a test on a ring, with uploads of these limits.
pub(super) fn with(
    reserve_free_bytes: u64,
    max_unfinished: usize,
    test: impl AsyncFnOnce(Arc<Uploads>, Layout),
) {
    let limits = limits(reserve_free_bytes, max_unfinished);
    observed(limits, async |uploads, layout, _| {
        test(uploads, layout).await
    });
}

/// The limits of [`with`].
pub(super) fn limits(reserve_free_bytes: u64, max_unfinished: usize) -> Limits {
    Limits {
        max_size_bytes: 1000,
        reserve_free_bytes,
        max_unfinished,
        idle_expiry: Duration::from_secs(60),
        stall: Duration::from_secs(60),
    }
}

/// The same, with what the observer was notified of.
pub(super) fn observed(limits: Limits, test: impl AsyncFnOnce(Arc<Uploads>, Layout, Arc<Notices>)) {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::prepare(dir.path()).unwrap();
    let (_stop, stopping) = watch::channel(false);
    let notices = Arc::new(Notices {
        layout: layout.clone(),
        all: Mutex::default(),
    });
    let observer = Arc::clone(&notices) as Arc<dyn Observer>;
    let uploads = Arc::new(Uploads::new(layout.clone(), limits, observer, stopping));
    ring::run(test(uploads, layout, notices)).unwrap();
}

/// An upload of this length.
pub(super) fn of(length: u64) -> NewUpload {
    NewUpload {
        length: Some(length),
        ..NewUpload::default()
    }
}
