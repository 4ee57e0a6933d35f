//! All uploads: what they share, and the questions about one of them.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tracing::info;
use uuid::Uuid;

use super::error::UploadError;
use super::expiry::{expires_at, is_expired};
use super::pending::{Pending, awaiting, is_pending};
use super::source::{Observer, Status};
use super::unfinished::Unfinished;
use super::write_locks::WriteLocks;
use crate::blocking;
use crate::store::Layout;
use crate::store::facts::Facts;
use crate::store::folder::{OpenError, Parked, open_recording, peek_record, read_facts};
use crate::store::moment::Moment;
use crate::store::record::Record;

/// So soon after a commit, who asks over a new connection has often lost
/// another one ...
const LIVELY: Duration = Duration::from_secs(1);

/// ... and what came over that may be taken up this much later than the question.
const LATE: Duration = Duration::from_millis(5);

/// What limits uploads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest upload.
    pub max_size_bytes: u64,
    /// Disk space that must stay free.
    pub reserve_free_bytes: u64,
    /// Unfinished uploads at a time.
    pub max_unfinished: usize,
    /// Unfinished uploads expire when nothing was added for this long.
    pub idle_expiry: Duration,
    /// A source that gives nothing for this long, or next to nothing, has stalled.
    pub stall: Duration,
}

/// All uploads. Its calls that touch files must be made on an ingest thread.
pub struct Uploads {
    pub(super) layout: Layout,
    pub(super) limits: Limits,
    pub(super) write_locks: Arc<WriteLocks>,
    pub(super) unfinished: Unfinished,
    /// Final uploads that wait for their parts.
    pub(super) pending: Pending,
    /// Held by the one who joins.
    pub(super) joining: tokio::sync::Mutex<()>,
    /// Uploads that a sync failed on: nobody knows what the disk holds of them.
    pub(super) condemned: Mutex<HashSet<Uuid>>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) stopping: watch::Receiver<bool>,
}

impl std::fmt::Debug for Uploads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Uploads")
            .field("layout", &self.layout)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Uploads {
    /// `stopping` turns true when appends shall park what they have and end.
    pub fn new(
        layout: Layout,
        limits: Limits,
        observer: Arc<dyn Observer>,
        stopping: watch::Receiver<bool>,
    ) -> Uploads {
        Uploads {
            layout,
            limits,
            write_locks: Arc::default(),
            unfinished: Unfinished::default(),
            pending: Pending::default(),
            joining: tokio::sync::Mutex::default(),
            condemned: Mutex::default(),
            observer,
            stopping,
        }
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Says that start-up found this unfinished upload.
    pub fn found_unfinished(&self, id: Uuid) {
        self.unfinished.insert(id);
    }

    /// A failed sync is never retried as if it were fine (I8): the kernel may
    /// have dropped what it could not write.
    pub(super) fn condemn(&self, id: Uuid) {
        self.condemned().insert(id);
        self.unfinished.remove(id);
    }

    pub(super) fn condemned(&self) -> MutexGuard<'_, HashSet<Uuid>> {
        self.condemned
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// How an upload stands, with all that has arrived, and its facts. An append
    /// that runs goes on; one that has stalled is ended. `may_be_back`: who asks
    /// may have lost a connection just now.
    pub async fn look(
        self: &Arc<Uploads>,
        id: Uuid,
        may_be_back: bool,
    ) -> Result<(Status, Facts), UploadError> {
        let (status, facts) = self.catch_up(id, may_be_back).await?;
        if status.is_pending {
            // Should an earlier attempt have failed.
            self.join_later(vec![id]);
        }
        Ok((status, facts))
    }

    pub(super) async fn catch_up(
        &self,
        id: Uuid,
        may_be_back: bool,
    ) -> Result<(Status, Facts), UploadError> {
        if !self.write_locks.catch_up(id).await {
            let (record, facts) = self.read(id).await?;
            let idle = Moment::now().at_least_since(&record.committed_at);
            if !may_be_back || record.is_finished() || idle >= LIVELY {
                return Ok((self.status_of(&record), facts));
            }
            tokio::time::sleep(LATE).await;
            self.write_locks.catch_up(id).await;
        }
        if self.write_locks.has_stalled(id) {
            // Whoever is faster, or cannot let go, changes nothing about the answer.
            drop(self.write_locks.enter(id).await);
        }
        self.durable(id).await
    }

    /// How an upload stands, as far as that is durable already, and its facts;
    /// asks nobody for anything.
    pub async fn durable(&self, id: Uuid) -> Result<(Status, Facts), UploadError> {
        let (record, facts) = self.read(id).await?;
        Ok((self.status_of(&record), facts))
    }

    /// The last durable state of an upload that is there for its client.
    pub(super) async fn read(&self, id: Uuid) -> Result<(Record, Facts), UploadError> {
        let dir = self.layout.upload(id);
        let (found, facts) = blocking::run(move || (peek_record(&dir), read_facts(&dir))).await;
        // Looked at after the file: whoever wrote what was read there, and is
        // not here any more, has made it durable or condemned it.
        let committed = self.write_locks.committed(id);
        self.require_sound(id)?;
        let mut record = committed.map_or(found, Ok)?;
        let facts = facts.map_err(OpenError::from)?;
        if is_pending(&record) {
            let (layout, parts) = (self.layout.clone(), facts.parts().to_vec());
            record = blocking::run(move || awaiting(&layout, record, &parts)).await;
        }
        self.require_alive(id, &record)?;
        Ok((record, facts))
    }

    /// Opens the recording of a finished upload for reading; `None` if it is
    /// there no longer.
    pub async fn recording(&self, id: Uuid) -> Result<Option<File>, UploadError> {
        let dir = self.layout.upload(id);
        match blocking::run(move || open_recording(&dir)).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => Ok(Some(opened?)),
        }
    }

    /// What was told at its creation.
    pub async fn facts(&self, id: Uuid) -> Result<Facts, UploadError> {
        let dir = self.layout.upload(id);
        blocking::run(move || read_facts(&dir))
            .await
            .map_err(|error| OpenError::from(error).into())
    }

    /// Takes an unfinished upload away for good; an append that runs is ended.
    pub async fn terminate(&self, id: Uuid) -> Result<(), UploadError> {
        let _turn = self.write_locks.enter(id).await.ok_or(UploadError::Busy)?;
        let layout = self.layout.clone();
        let removed = blocking::run(move || {
            let parked = Parked::lock(&layout, id)?;
            parked.remove(&layout)?;
            Ok::<_, OpenError>(())
        });
        removed.await?;
        self.unfinished.remove(id);
        self.pending.remove(id);
        self.observer.terminated(id);
        info!(upload_id = %id, "upload terminated");
        Ok(())
    }

    pub(super) fn status_of(&self, record: &Record) -> Status {
        Status {
            offset: record.offset,
            length: record.length,
            expires: expires_at(record, self.limits.idle_expiry, Moment::now()),
            is_pending: is_pending(record),
        }
    }

    pub(super) fn require_sound(&self, id: Uuid) -> Result<(), UploadError> {
        match self.condemned().contains(&id) {
            true => Err(UploadError::Damaged),
            false => Ok(()),
        }
    }

    pub(super) fn require_alive(&self, id: Uuid, record: &Record) -> Result<(), UploadError> {
        match is_expired(record, self.limits.idle_expiry, Moment::now()) {
            true => {
                self.observer.expired(id);
                Err(UploadError::Expired)
            }
            false => Ok(()),
        }
    }

    /// Notifies of a record that has become durable.
    pub(super) fn notify_committed(&self, id: Uuid, record: &Record) {
        let Record { offset, length, .. } = *record;
        self.observer.committed(id, offset, length);
    }

    /// Refuses what the disk has no space for (I8), seen before it is tried.
    pub fn require_space(&self, bytes: u64) -> Result<(), UploadError> {
        let free_bytes = self.layout.free_bytes()?;
        match free_bytes < bytes.saturating_add(self.limits.reserve_free_bytes) {
            true => Err(UploadError::NoSpace { bytes }),
            false => Ok(()),
        }
    }

    /// Refuses what is larger than may be.
    pub fn require_size(&self, length: u64) -> Result<(), UploadError> {
        let max_size_bytes = self.limits.max_size_bytes;
        match length > max_size_bytes {
            true => Err(UploadError::TooLarge { max_size_bytes }),
            false => Ok(()),
        }
    }
}
