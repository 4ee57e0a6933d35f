//! The upload engine: state shared by all uploads, and queries of one.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracing::info;
use uuid::Uuid;

use super::admission::Admission;
use super::error::UploadError;
use super::expiry::{expires_at, is_expired};
use super::join_turns::JoinTurns;
use super::pending::{Pending, awaiting, is_pending};
use super::source::{Observer, UploadStatus};
use super::write_locks::WriteLocks;
use crate::access::Grant;
use crate::blocking;
use crate::shares::Owner;
use crate::store::Layout;
use crate::store::facts::Facts;
use crate::store::folder::{OpenError, Parked, open_recording, peek_record, read_facts};
use crate::store::moment::Moment;
use crate::store::record::Record;

/// A HEAD over a new connection, so soon after a commit, often follows a lost
/// connection.
const LIVELY: Duration = Duration::from_secs(1);

/// Bytes of the lost connection may be registered this much later than the HEAD.
const LATE: Duration = Duration::from_millis(5);

/// Files that the disk must still have room for: an upload and its task have up to
/// five.
const RESERVE_FREE_FILES: u64 = 1024;

/// Limits of uploads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest upload in bytes.
    pub max_size_bytes: u64,
    /// Disk space that must stay free.
    pub reserve_free_bytes: u64,
    /// Most unfinished uploads.
    pub max_unfinished: usize,
    /// Time without bytes after which an unfinished upload expires.
    pub idle_expiry: Duration,
    /// Time with next to no bytes after which a source has stalled.
    pub stall: Duration,
}

impl Limits {
    /// How long space stays reserved for an upload that receives next to nothing.
    pub(super) fn reservation_life(&self) -> Duration {
        RESERVATION_LIFE.min(self.idle_expiry / 2)
    }
}

/// See [`Limits::reservation_life`].
const RESERVATION_LIFE: Duration = Duration::from_secs(10 * 60);

/// All uploads. Calls that touch files must be made on an ingest thread.
pub struct Uploads {
    pub(super) layout: Layout,
    pub(super) limits: Limits,
    pub(super) write_locks: Arc<WriteLocks>,
    pub(super) admission: Arc<Admission>,
    /// Final uploads that wait for their parts.
    pub(super) pending: Pending,
    pub(super) join_turns: JoinTurns,
    /// When what has expired was last looked for because a limit was reached.
    pub(super) tidied: tokio::sync::Mutex<Option<Instant>>,
    /// Uploads with a failed sync: their content on disk is unknown.
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
    /// `stopping` turns true when appends must commit and end.
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
            admission: Arc::default(),
            pending: Pending::default(),
            join_turns: JoinTurns::default(),
            tidied: tokio::sync::Mutex::default(),
            condemned: Mutex::default(),
            observer,
            stopping,
        }
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Adds an unfinished upload or a part that start-up found.
    pub fn found_unfinished(&self, id: Uuid, owner: Owner, reserved_bytes: u64) {
        self.admission.found(id, owner, reserved_bytes);
    }

    /// Withdraws an upload after a failed sync, which is never retried (I8): the
    /// kernel may have dropped the data.
    pub(super) fn condemn(&self, id: Uuid) {
        self.condemned().insert(id);
        self.admission.remove(id);
    }

    pub(super) fn condemned(&self) -> MutexGuard<'_, HashSet<Uuid>> {
        self.condemned
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// UploadStatus and facts of an upload, with all bytes that have arrived. A running
    /// append continues; a stalled one is ended. `is_new_connection`: the client may
    /// have just lost another connection. Joins a final upload that waits, while
    /// `grant` lasts.
    pub async fn look(
        self: &Arc<Uploads>,
        id: Uuid,
        grant: &Grant,
        is_new_connection: bool,
    ) -> Result<(UploadStatus, Facts), UploadError> {
        let (status, facts) = self.catch_up(id, is_new_connection).await?;
        if status.is_pending {
            // In case an earlier attempt failed.
            self.join_later(vec![id], grant);
        }
        Ok((status, facts))
    }

    pub(super) async fn catch_up(
        &self,
        id: Uuid,
        is_new_connection: bool,
    ) -> Result<(UploadStatus, Facts), UploadError> {
        if !self.write_locks.catch_up(id).await {
            let (record, facts) = self.read(id).await?;
            let idle = Moment::now().at_least_since(&record.committed_at);
            if !is_new_connection || record.is_finished() || idle >= LIVELY {
                return Ok((self.status_of(&record), facts));
            }
            tokio::time::sleep(LATE).await;
            self.write_locks.catch_up(id).await;
        }
        if self.write_locks.has_stalled(id) {
            // Without the lock the durable state is still right.
            drop(self.write_locks.enter(id).await);
        }
        self.durable(id).await
    }

    /// UploadStatus and facts of an upload as they are durable, without a commit.
    pub async fn durable(&self, id: Uuid) -> Result<(UploadStatus, Facts), UploadError> {
        let (record, facts) = self.read(id).await?;
        Ok((self.status_of(&record), facts))
    }

    /// The last durable state of an upload that has not expired.
    pub(super) async fn read(&self, id: Uuid) -> Result<(Record, Facts), UploadError> {
        let dir = self.layout.upload(id);
        let (found, facts) = blocking::run(move || (peek_record(&dir), read_facts(&dir))).await;
        // Read after the file: a writer that has left since made its state durable
        // or condemned it.
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

    /// Opens the recording of a finished upload for reading; `None` if it was
    /// deleted.
    pub async fn recording(&self, id: Uuid) -> Result<Option<File>, UploadError> {
        let dir = self.layout.upload(id);
        match blocking::run(move || open_recording(&dir)).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => Ok(Some(opened?)),
        }
    }

    /// The facts stated at its creation.
    pub async fn facts(&self, id: Uuid) -> Result<Facts, UploadError> {
        let dir = self.layout.upload(id);
        blocking::run(move || read_facts(&dir))
            .await
            .map_err(|error| OpenError::from(error).into())
    }

    /// Removes an unfinished upload; a running append is ended.
    pub async fn terminate(&self, id: Uuid) -> Result<(), UploadError> {
        let _guard = self.write_locks.enter(id).await.ok_or(UploadError::Busy)?;
        let layout = self.layout.clone();
        let removed = blocking::run(move || {
            let parked = Parked::lock(&layout, id)?;
            parked.remove(&layout)?;
            Ok::<_, OpenError>(())
        });
        removed.await?;
        self.admission.remove(id);
        self.pending.remove(id);
        self.observer.terminated(id);
        info!(upload_id = %id, "upload terminated");
        Ok(())
    }

    pub(super) fn status_of(&self, record: &Record) -> UploadStatus {
        UploadStatus {
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
        self.admission.received(id, offset, length);
        self.observer.committed(id, offset, length);
    }

    /// Refuses bytes that the disk has no space for (I8). Returns the space that may
    /// be reserved in all.
    pub fn require_space(&self, bytes: u64) -> Result<u64, UploadError> {
        let free = self.layout.free()?;
        if free.files < RESERVE_FREE_FILES {
            return Err(UploadError::NoFiles);
        }
        let free_bytes = free.bytes.checked_sub(self.limits.reserve_free_bytes);
        match free_bytes {
            Some(free_bytes) if free_bytes >= bytes => Ok(free_bytes),
            _ => Err(UploadError::NoSpace { bytes }),
        }
    }

    /// Reserves this space for an upload, in its owner's share, in place of what it
    /// has.
    pub(super) fn require_share(&self, id: Uuid, bytes: u64) -> Result<(), UploadError> {
        let free_bytes = self.require_space(bytes)?;
        self.admission.reserve(id, bytes, free_bytes)
    }

    /// Refuses a length over the limit.
    pub fn require_size(&self, length: u64) -> Result<(), UploadError> {
        let max_size_bytes = self.limits.max_size_bytes;
        match length > max_size_bytes {
            true => Err(UploadError::TooLarge { max_size_bytes }),
            false => Ok(()),
        }
    }
}
