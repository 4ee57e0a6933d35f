//! Adding bytes to an upload.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tracing::{Instrument, error, info};
use uuid::Uuid;

use super::checksum::{Check, ChecksumPlace};
use super::error::{UploadError, no_space};
use super::source::{ByteSource, SourceError, UploadStatus};
use super::uploads::Uploads;
use super::write_locks::{PendingRequest, Signal, WriteGuard};
use crate::access::{Grant, Step};
use crate::store::record::{Kind, Record};
use crate::store::ring;
use crate::store::writer::{STEP_BYTES, Writer};

/// A long append is committed after this many bytes, so that a crash costs the
/// client little.
const COMMIT_EVERY_BYTES: u64 = 64 << 20;
/// It is also committed after this time.
const COMMIT_EVERY: Duration = Duration::from_secs(5);

/// Shortest time between two notices of received bytes.
const NOTIFY_EVERY: Duration = Duration::from_millis(250);

/// A source that gives less than this in [`Limits::stall`](super::Limits) has
/// stalled too.
const TRICKLE_BYTES: u64 = 1024;

/// An upload with the right to write to it.
pub(super) struct Appending {
    pub(super) uploads: Arc<Uploads>,
    pub(super) id: Uuid,
    pub(super) guard: WriteGuard,
    pub(super) writer: Writer,
    /// Of the client.
    pub(super) grant: Grant,
    /// Made while the upload becomes complete, up to the end.
    pub(super) step: Option<Step>,
}

/// The description of the bytes of an append.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chunk {
    /// Where they begin; must be the offset of the upload.
    pub offset: u64,
    /// Length of the upload, if it was created without one.
    pub length: Option<u64>,
    /// Number of bytes, where known: too many are refused before any is written.
    pub announced_bytes: Option<u64>,
    /// Their checksum; without a match, or if some are missing, none is kept.
    pub checksum: Option<ChecksumPlace>,
    /// Whether they complete the upload, also where their number is unknown.
    pub is_last: bool,
}

impl Uploads {
    /// Appends the bytes of `source`. What arrived before a lost connection is kept.
    /// Continues to the commit if the future is dropped. Once `grant` is revoked it
    /// ends, and does not complete the upload.
    pub async fn append<S: ByteSource + 'static>(
        self: &Arc<Uploads>,
        id: Uuid,
        grant: Grant,
        chunk: Chunk,
        source: S,
    ) -> Result<UploadStatus, UploadError> {
        if self.pending.contains(id) {
            return Err(UploadError::Final);
        }
        // At once: HEAD after a lost connection waits for what has arrived.
        let pending = self.write_locks.arrive(id, source.peer_socket());
        let guard = self.write_locks.enter(id).await.ok_or(UploadError::Busy)?;
        self.require_sound(id)?;
        let writer = Writer::open(&self.layout, id).await?;
        guard.committed(writer.record());
        let mut appending = Appending {
            uploads: Arc::clone(self),
            id,
            guard,
            writer,
            grant,
            step: None,
        };
        let work = async move {
            match appending.accept(&chunk).await {
                Ok(()) => run(appending, source, chunk, pending).await,
                Err(refusal) => {
                    appending.writer.close().await;
                    Err(refusal)
                }
            }
        };
        // Spawned before the checks: the length in a chunk may complete the upload.
        ring::spawn(work.in_current_span())
            .await
            .map_err(io::Error::other)?
    }
}

impl Appending {
    /// Checks a chunk before any of it is read, and makes its length durable.
    async fn accept(&mut self, chunk: &Chunk) -> Result<(), UploadError> {
        let record = self.writer.record();
        self.uploads.require_alive(self.id, record)?;
        let Record { offset, length, .. } = *record;
        if record.kind == Kind::Final {
            return Err(UploadError::Final);
        }
        if chunk.offset != offset {
            return Err(UploadError::Conflict { offset });
        }
        if let (Some(known), Some(stated)) = (length, chunk.length)
            && known != stated
        {
            return Err(UploadError::LengthKnown { length: known });
        }
        let end = offset.saturating_add(chunk.announced_bytes.unwrap_or(0));
        let is_short = chunk.is_last && chunk.announced_bytes.is_some();
        match length.or(chunk.length) {
            Some(length) if end > length => return Err(UploadError::PastLength { length }),
            Some(length) if is_short && end < length => return Err(UploadError::Short { length }),
            Some(_) => {}
            None => self.uploads.require_size(end)?,
        }
        let (None, Some(length)) = (length, chunk.length) else {
            return Ok(());
        };
        self.uploads.require_size(length)?;
        self.uploads.require_space(length - offset)?;
        self.measure(length).await
    }

    /// Makes the upload as long as what has arrived.
    pub(super) async fn end(&mut self) -> Result<(), UploadError> {
        let length = self.writer.position();
        match self.writer.record().length {
            Some(known) if known == length => Ok(()),
            Some(known) => Err(UploadError::Short { length: known }),
            None => {
                self.commit().await?;
                self.measure(length).await
            }
        }
    }

    /// Makes the length durable and reserves the space for it.
    async fn measure(&mut self, length: u64) -> Result<(), UploadError> {
        let missing = length - self.writer.record().offset;
        if missing == 0 {
            self.begin_completion()?;
        }
        let reserved = self.writer.reserve_all(length).await;
        reserved.map_err(|error| no_space(error, missing))?;
        let measured = self.writer.set_length(length).await;
        self.publish(measured).await
    }

    /// Notifies of how much has arrived.
    fn notify_received(&self) {
        let length = self.writer.record().length;
        let observer = &self.uploads.observer;
        observer.received(self.id, self.writer.position(), length);
    }

    /// Whether what was written completes the upload.
    fn is_complete(&self) -> bool {
        self.writer.record().length == Some(self.writer.position())
    }

    /// Must precede the write that makes the upload complete, hence a task.
    fn begin_completion(&mut self) -> Result<(), UploadError> {
        if self.step.is_none() {
            self.step = Some(self.grant.step()?);
        }
        Ok(())
    }

    /// Makes what was written durable.
    async fn commit(&mut self) -> Result<(), UploadError> {
        if self.is_complete() {
            self.begin_completion()?;
        }
        let committed = self.writer.commit().await;
        self.publish(committed).await
    }

    /// Publishes the durable state; a failure condemns the upload.
    async fn publish(&mut self, outcome: io::Result<()>) -> Result<(), UploadError> {
        match outcome {
            Ok(()) => {
                let record = self.writer.record();
                self.guard.committed(record);
                self.uploads.notify_committed(self.id, record);
                Ok(())
            }
            Err(error) => Err(condemn(&self.uploads, self.id, &mut self.writer, error).await),
        }
    }

    /// Checks the limits and the space for these bytes.
    fn make_room(&self, count: u64) -> Result<(), UploadError> {
        let position = self.writer.position();
        match self.writer.record().length {
            Some(length) if count > length - position => Err(UploadError::PastLength { length }),
            Some(_) => Ok(()),
            None if self.writer.must_grow(count) => {
                self.uploads.require_size(position + count)?;
                self.uploads.require_space(count.max(STEP_BYTES))
            }
            None => self.uploads.require_size(position + count),
        }
    }
}

/// Writes bytes until the source ends, then commits; with a checksum only if it
/// matches. Must not be dropped before its end.
pub(super) async fn run<S: ByteSource + 'static>(
    mut appending: Appending,
    mut source: S,
    chunk: Chunk,
    _until_the_end: PendingRequest,
) -> Result<UploadStatus, UploadError> {
    let id = appending.id;
    let mut check = chunk.checksum.map(Check::new);
    let mut received = receive(&mut appending, &mut source, &mut check).await;
    let is_all_or_nothing = check.is_some();
    if let (Ok(()), Some(check)) = (&received, check) {
        received = check.settle(source.checksum()).await;
    }
    drop(source);
    if chunk.is_last && received.is_ok() {
        received = appending.end().await;
    }
    let received = match received {
        // After a storage error the content of the disk is unknown.
        Err(error) if is_all_or_nothing || matches!(error, UploadError::Storage(_)) => {
            info!(upload_id = %id, "nothing of a chunk is kept: {error}");
            appending.writer.close().await;
            return Err(error);
        }
        received => received,
    };
    let status = finish(appending).await?;
    let offset = status.offset;
    if let Err(error) = &received {
        info!(upload_id = %id, bytes = offset, "upload parked at {offset}: {error}");
    }
    Err(match received {
        Ok(()) => return Ok(status),
        Err(UploadError::ConnectionLost { .. }) => UploadError::ConnectionLost { offset },
        Err(UploadError::Malformed { .. }) => UploadError::Malformed { offset },
        Err(UploadError::Superseded { .. }) => UploadError::Superseded { offset },
        Err(other) => other,
    })
}

/// Writes bytes until the source ends; they are durable after a commit.
pub(super) async fn receive<S: ByteSource>(
    appending: &mut Appending,
    source: &mut S,
    check: &mut Option<Check>,
) -> Result<(), UploadError> {
    let mut stopping = appending.uploads.stopping.clone();
    let grant = appending.grant.clone();
    let mut revoked = pin!(grant.revoked());
    let stall = appending.uploads.limits.stall;
    let mut committed_at = Instant::now();
    let mut notified_at = committed_at;
    let mut stalled_at = Instant::now() + stall;
    let mut trickled_bytes = 0;
    appending.guard.waits(true);
    loop {
        let offset = appending.writer.record().offset;
        let next = tokio::select! {
            biased;
            signal = appending.guard.signal() => match signal {
                Signal::Leave => return Err(UploadError::Superseded { offset }),
                Signal::Commit(number) => {
                    if check.is_none() {
                        appending.commit().await?;
                        source.committed(appending.writer.record().offset);
                    }
                    appending.guard.answer(number);
                    continue;
                }
            },
            _ = stopping.wait_for(|stopping| *stopping) => return Err(UploadError::Stopping),
            () = &mut revoked => return Err(UploadError::Revoked),
            next = tokio::time::timeout_at(stalled_at, source.next()) => next,
            () = appending.writer.buffer_requested() => {
                appending.writer.release_buffer().await?;
                continue;
            }
        };
        appending.guard.waits(false);
        let bytes: Bytes = match next {
            Ok(None) => return Ok(()),
            Ok(Some(Ok(bytes))) => bytes,
            Ok(Some(Err(SourceError::Malformed))) => return Err(UploadError::Malformed { offset }),
            Ok(Some(Err(SourceError::Lost))) | Err(_) => {
                return Err(UploadError::ConnectionLost { offset });
            }
        };
        let count = bytes.len() as u64;
        trickled_bytes += count;
        if trickled_bytes >= TRICKLE_BYTES {
            trickled_bytes = 0;
            stalled_at = Instant::now() + stall;
        }
        appending.make_room(count)?;
        if let Some(check) = check {
            check.add(bytes.clone()).await?;
        }
        let written = appending.writer.write(bytes).await;
        written.map_err(|error| no_space(error, count))?;
        let now = Instant::now();
        if now - notified_at >= NOTIFY_EVERY {
            notified_at = now;
            appending.notify_received();
        }
        let is_due = appending.writer.position() - offset >= COMMIT_EVERY_BYTES
            || now - committed_at >= COMMIT_EVERY;
        if is_due && check.is_none() {
            appending.commit().await?;
            source.committed(appending.writer.record().offset);
            committed_at = now;
        }
        appending.guard.waits(true);
    }
}

/// Commits, notifies if the upload is complete, and releases it. After a revocation
/// nothing becomes complete: the bytes since the last commit are not kept then.
pub(super) async fn finish(mut appending: Appending) -> Result<UploadStatus, UploadError> {
    if appending.is_complete()
        && let Err(revoked) = appending.begin_completion()
    {
        info!(upload_id = %appending.id, "upload parked without its last bytes: {revoked}");
        appending.writer.close().await;
        return Err(revoked);
    }
    let Appending {
        uploads,
        id,
        guard,
        writer,
        grant,
        step,
    } = appending;
    let observed = Arc::clone(&uploads);
    let done = move |record: &Record| {
        observed.notify_committed(id, record);
        if record.is_recording() {
            observed.observer.finished(id);
        }
    };
    let record = match writer.finish(done).await {
        Ok(record) => record,
        Err((mut writer, error)) => {
            let error = condemn(&uploads, id, &mut writer, error).await;
            writer.close().await;
            return Err(error);
        }
    };
    drop(step);
    guard.committed(&record);
    drop(guard);
    if record.is_finished() {
        uploads.unfinished.remove(id);
        if record.kind.is_partial() {
            uploads.part_is_complete(id, &grant);
        }
        info!(upload_id = %id, bytes = record.offset, "upload received, {} bytes", record.offset);
    }
    Ok(uploads.status_of(&record))
}

/// Withdraws an upload that could not be made durable: its content is unknown.
async fn condemn(
    uploads: &Uploads,
    id: Uuid,
    writer: &mut Writer,
    error: io::Error,
) -> UploadError {
    error!(upload_id = %id, "upload condemned: it could not be made durable: {error}");
    uploads.condemn(id);
    if let Err(error) = writer.set_aside(&uploads.layout).await {
        error!(upload_id = %id, "it cannot be set aside either: {error}");
    }
    error.into()
}

#[cfg(test)]
mod tests;
