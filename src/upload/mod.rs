//! The upload engine, whatever protocol speaks to it: create, append, look,
//! terminate, expire. One writer per upload; every offset that leaves this
//! module is on stable storage.

mod append;
mod checksum;
mod concat;
mod create;
mod expiry;
mod line;
mod pending;
mod recover;
mod sweep;
#[cfg(test)]
mod testing;
mod unfinished;
mod whole;
mod writers;

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::sync::watch;
use tracing::info;
use uuid::Uuid;

pub use append::Chunk;
pub use checksum::{Algorithm, Checksum, Promise};
pub use concat::PartError;
pub use create::NewUpload;
pub use line::Line;
pub use recover::{Found, recover, settle};
pub use sweep::{Swept, sweep};

use concat::{awaiting, is_pending};
use expiry::{expires_at, is_expired};
use pending::Pending;
use unfinished::Unfinished;

use crate::store::Layout;
use crate::store::facts::Facts;
use crate::store::folder::{OpenError, Parked, open_recording, peek_record, read_facts};
use crate::store::helper;
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

/// Where an append takes its bytes from.
pub trait Source {
    /// The next bytes, `None` at the regular end.
    fn next(&mut self) -> impl Future<Output = Option<Result<Bytes, Cut>>>;

    /// What they come over, if that can be asked.
    fn line(&self) -> Option<Line>;

    /// What they must come to, if that was told after the regular end.
    fn checksum(&self) -> Option<Checksum>;

    /// Hears of the upload that was made for them, once it is durable.
    fn created(&mut self, _id: Uuid, _status: &Status) {}

    /// Hears of what is durable, while it goes on.
    fn committed(&mut self, _offset: u64) {}
}

/// Why a source ended before its regular end.
#[derive(Debug, PartialEq, Eq)]
pub enum Cut {
    /// The connection was lost.
    Lost,
    /// What came cannot be understood.
    Malformed,
}

/// Hears of all uploads.
pub trait Observer: Send + Sync {
    /// It is complete; said once that is durable and before anybody is
    /// answered. May wait for the disk.
    fn finished(&self, id: Uuid);

    /// It is there, and so much of it has come, durable or not; said from time
    /// to time. Must not wait.
    fn received(&self, _id: Uuid, _offset: u64, _length: Option<u64>) {}

    /// It was taken away; said before another one can have its id. Must not wait.
    fn terminated(&self, _id: Uuid) {}
}

/// All uploads. Its calls that touch files must be made on an ingest thread.
pub struct Uploads {
    layout: Layout,
    limits: Limits,
    writers: Arc<writers::Writers>,
    unfinished: Unfinished,
    /// Final uploads that wait for their parts.
    pending: Pending,
    /// Held by the one who joins.
    joining: tokio::sync::Mutex<()>,
    /// Uploads that a sync failed on: nobody knows what the disk holds of them.
    condemned: Mutex<HashSet<Uuid>>,
    observer: Arc<dyn Observer>,
    stopping: watch::Receiver<bool>,
}

/// An upload as a client sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// Durable bytes.
    pub offset: u64,
    /// Bytes of the whole.
    pub length: Option<u64>,
    /// When it expires if nothing is added; `None` for a complete recording.
    pub expires: Option<SystemTime>,
    /// A final upload that is not joined yet.
    pub is_pending: bool,
}

impl Status {
    /// All bytes are there.
    pub fn is_finished(&self) -> bool {
        self.length == Some(self.offset)
    }
}

/// Why a request about an upload was not carried out. Where an offset is
/// given, it is durable.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// No upload of this id.
    #[error("there is no upload of this id; create a new one")]
    NotFound,
    /// Idle for too long.
    #[error("this upload has expired; create a new one")]
    Expired,
    /// Larger than [`Limits::max_size_bytes`]; what had arrived is kept.
    #[error("the upload is larger than the {max_size_bytes} bytes this server accepts")]
    TooLarge {
        /// The limit.
        max_size_bytes: u64,
    },
    /// Not enough disk space. Nothing was created; of an upload whose length
    /// was not known before, what had arrived is kept.
    #[error("the disk has no space for {bytes} more bytes; try later or free some space")]
    NoSpace {
        /// What was asked for.
        bytes: u64,
    },
    /// As many unfinished uploads as there may be; nothing was created.
    #[error("the server has too many unfinished uploads; try again later")]
    TooMany,
    /// The bytes do not start at the offset.
    #[error("the upload stands at offset {offset}; ask with HEAD and send from there")]
    Conflict {
        /// Where it stands.
        offset: u64,
    },
    /// More bytes than the upload's length; nothing of this frame was kept.
    #[error("more bytes than the upload's length of {length}")]
    PastLength {
        /// The length.
        length: u64,
    },
    /// The last bytes came, and there should be more.
    #[error("these were not all of its {length} bytes")]
    Short {
        /// The length.
        length: u64,
    },
    /// Another length than the one that was told before.
    #[error("the length of this upload is {length} and cannot change")]
    LengthKnown {
        /// The length.
        length: u64,
    },
    /// The source was cut or stalled; what had arrived is kept.
    #[error("the connection was lost at offset {offset}")]
    Cut {
        /// Where it stands now.
        offset: u64,
    },
    /// The source broke the rules of its protocol; what had arrived is kept.
    #[error("what was sent after offset {offset} is not a body as HTTP/1.1 has them")]
    Malformed {
        /// Where it stands now.
        offset: u64,
    },
    /// Not what its checksum says; nothing of the chunk was kept.
    #[error("the bytes do not match their checksum and were discarded; send them again")]
    Checksum,
    /// A checksum was to follow the bytes; nothing of the chunk was kept.
    #[error("no checksum that can be read came after the bytes; they were discarded")]
    NoChecksum,
    /// A newer request for the same upload took over; what had arrived is kept.
    #[error("a newer request for this upload took over at offset {offset}")]
    Superseded {
        /// Where it stood then.
        offset: u64,
    },
    /// Its bytes come from its parts and from nowhere else.
    #[error("a final upload takes no bytes; send them to its parts")]
    Final,
    /// An upload that was to be joined with others.
    #[error("the partial upload {id} cannot be used: {why}")]
    Part {
        /// Which.
        id: Uuid,
        /// What is wrong with it.
        why: PartError,
    },
    /// The one who has it does not let go.
    #[error("the upload is in use; try again")]
    Busy,
    /// The daemon is stopping; what had arrived is kept.
    #[error("the server is restarting; resume in a moment")]
    Stopping,
    /// The record on disk is damaged.
    #[error("this upload was damaged on disk; create a new one")]
    Damaged,
    /// The disk failed.
    #[error("storage failed: {0}")]
    Storage(#[from] io::Error),
}

impl From<OpenError> for UploadError {
    fn from(error: OpenError) -> UploadError {
        match error {
            OpenError::Missing => UploadError::NotFound,
            OpenError::Locked => UploadError::Busy,
            OpenError::Damaged => UploadError::Damaged,
            OpenError::Io(error) => UploadError::Storage(error),
        }
    }
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
            writers: Arc::default(),
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
    fn condemn(&self, id: Uuid) {
        self.condemned().insert(id);
        self.unfinished.remove(id);
    }

    fn condemned(&self) -> MutexGuard<'_, HashSet<Uuid>> {
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

    async fn catch_up(&self, id: Uuid, may_be_back: bool) -> Result<(Status, Facts), UploadError> {
        if !self.writers.catch_up(id).await {
            let (record, facts) = self.read(id).await?;
            let idle = Moment::now().at_least_since(&record.committed_at);
            if !may_be_back || record.is_finished() || idle >= LIVELY {
                return Ok((self.status_of(&record), facts));
            }
            tokio::time::sleep(LATE).await;
            self.writers.catch_up(id).await;
        }
        if self.writers.has_stalled(id) {
            // Whoever is faster, or cannot let go, changes nothing about the answer.
            drop(self.writers.enter(id).await);
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
    async fn read(&self, id: Uuid) -> Result<(Record, Facts), UploadError> {
        let dir = self.layout.upload(id);
        let (found, facts) = helper::run(move || (peek_record(&dir), read_facts(&dir))).await;
        // Looked at after the file: whoever wrote what was read there, and is
        // not here any more, has made it durable or condemned it.
        let committed = self.writers.committed(id);
        self.require_sound(id)?;
        let mut record = committed.map_or(found, Ok)?;
        let facts = facts.map_err(OpenError::from)?;
        if is_pending(&record) {
            let (layout, parts) = (self.layout.clone(), facts.parts().to_vec());
            record = helper::run(move || awaiting(&layout, record, &parts)).await;
        }
        self.require_alive(&record)?;
        Ok((record, facts))
    }

    /// Opens the recording of a finished upload for reading; `None` if it is
    /// there no longer.
    pub async fn recording(&self, id: Uuid) -> Result<Option<File>, UploadError> {
        let dir = self.layout.upload(id);
        match helper::run(move || open_recording(&dir)).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => Ok(Some(opened?)),
        }
    }

    /// What was told at its creation.
    pub async fn facts(&self, id: Uuid) -> Result<Facts, UploadError> {
        let dir = self.layout.upload(id);
        helper::run(move || read_facts(&dir))
            .await
            .map_err(|error| OpenError::from(error).into())
    }

    /// Takes an unfinished upload away for good; an append that runs is ended.
    pub async fn terminate(&self, id: Uuid) -> Result<(), UploadError> {
        let _turn = self.writers.enter(id).await.ok_or(UploadError::Busy)?;
        let layout = self.layout.clone();
        let removed = helper::run(move || {
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

    fn status_of(&self, record: &Record) -> Status {
        Status {
            offset: record.offset,
            length: record.length,
            expires: expires_at(record, self.limits.idle_expiry, Moment::now()),
            is_pending: is_pending(record),
        }
    }

    fn require_sound(&self, id: Uuid) -> Result<(), UploadError> {
        match self.condemned().contains(&id) {
            true => Err(UploadError::Damaged),
            false => Ok(()),
        }
    }

    fn require_alive(&self, record: &Record) -> Result<(), UploadError> {
        match is_expired(record, self.limits.idle_expiry, Moment::now()) {
            true => Err(UploadError::Expired),
            false => Ok(()),
        }
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
