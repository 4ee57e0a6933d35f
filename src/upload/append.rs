//! Adding bytes to an upload.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tracing::{Instrument, error, info};
use uuid::Uuid;

use super::writers::Turn;
use super::{Source, Status, UploadError, Uploads};
use crate::store::ring;
use crate::store::writer::Writer;

/// A long append is committed on the way, so that a crash costs the client
/// little: after so many bytes ...
const COMMIT_EVERY_BYTES: u64 = 32 << 20;
/// ... or so long, whichever comes first.
const COMMIT_EVERY: Duration = Duration::from_secs(5);

/// An upload that this request may write to.
pub(super) struct Appending {
    pub(super) uploads: Arc<Uploads>,
    pub(super) id: Uuid,
    pub(super) turn: Turn,
    pub(super) writer: Writer,
}

impl Uploads {
    /// Appends what `source` gives at `offset`. `announced_bytes` is how many
    /// that will be, where known: too many are refused before any is taken.
    ///
    /// Everything that arrived before a cut is kept. The work goes on to its
    /// commit even when the caller loses interest and drops this future.
    pub async fn append<S: Source + 'static>(
        self: &Arc<Uploads>,
        id: Uuid,
        offset: u64,
        announced_bytes: Option<u64>,
        source: S,
    ) -> Result<Status, UploadError> {
        // Cheap refusals first, so that a request that is wrong anyway ends nobody.
        self.durable_status(id).await?;
        let turn = self.writers.enter(id).await.ok_or(UploadError::Busy)?;
        let writer = Writer::open(&self.layout, id).await?;
        let record = *writer.record();
        turn.committed(&record);
        let room = record.length.map(|length| (length, length - record.offset));
        let refusal = match (announced_bytes, room) {
            _ if record.offset != offset => Some(UploadError::Conflict {
                offset: record.offset,
            }),
            (Some(count), Some((length, room))) if count > room => {
                Some(UploadError::PastLength { length })
            }
            _ => None,
        };
        if let Some(refusal) = refusal {
            writer.close().await?;
            return Err(refusal);
        }
        let appending = Appending {
            uploads: Arc::clone(self),
            id,
            turn,
            writer,
        };
        run(appending, source).await
    }
}

/// Takes bytes until the source ends, then commits.
pub(super) async fn run<S: Source + 'static>(
    appending: Appending,
    source: S,
) -> Result<Status, UploadError> {
    let work = async move {
        let mut appending = appending;
        let id = appending.id;
        let received = receive(&mut appending, source).await;
        if let Err(UploadError::Storage(error)) = received {
            // The data may not be what the disk holds: tell and keep nothing more.
            appending.writer.close().await?;
            return Err(error.into());
        }
        let status = finish(appending).await?;
        let offset = status.offset;
        if let Err(error) = &received {
            info!(upload_id = %id, bytes = offset, "upload parked at {offset}: {error}");
        }
        Err(match received {
            Ok(()) => return Ok(status),
            Err(UploadError::Cut { .. }) => UploadError::Cut { offset },
            Err(UploadError::Superseded { .. }) => UploadError::Superseded { offset },
            Err(other) => other,
        })
    };
    ring::spawn(work.in_current_span())
        .await
        .map_err(std::io::Error::other)?
}

async fn receive<S: Source>(appending: &mut Appending, mut source: S) -> Result<(), UploadError> {
    let Appending {
        uploads,
        id,
        turn,
        writer,
    } = appending;
    let mut stopping = uploads.stopping.clone();
    let mut committed_at = Instant::now();
    loop {
        let offset = writer.record().offset;
        let next = tokio::select! {
            biased;
            () = turn.superseded() => return Err(UploadError::Superseded { offset }),
            _ = stopping.wait_for(|stopping| *stopping) => return Err(UploadError::Stopping),
            next = tokio::time::timeout(uploads.limits.stall, source.next()) => next,
        };
        let bytes: Bytes = match next {
            Ok(None) => return Ok(()),
            Ok(Some(Ok(bytes))) => bytes,
            Ok(Some(Err(_))) | Err(_) => return Err(UploadError::Cut { offset }),
        };
        if let Some(length) = writer.record().length
            && bytes.len() as u64 > length - writer.position()
        {
            return Err(UploadError::PastLength { length });
        }
        turn.moved();
        writer.write(bytes).await?;
        if writer.position() - offset >= COMMIT_EVERY_BYTES
            || committed_at.elapsed() >= COMMIT_EVERY
        {
            commit(uploads, *id, turn, writer).await?;
            committed_at = Instant::now();
        }
    }
}

/// Makes what was written durable, and says so; a failure condemns the upload.
async fn commit(
    uploads: &Uploads,
    id: Uuid,
    turn: &Turn,
    writer: &mut Writer,
) -> Result<(), UploadError> {
    match writer.commit().await {
        Ok(_) => {
            turn.committed(writer.record());
            Ok(())
        }
        Err(error) => {
            error!(upload_id = %id, "upload condemned: it could not be made durable: {error}");
            uploads.condemn(id);
            if let Err(error) = writer.set_aside(&uploads.layout).await {
                error!(upload_id = %id, "nor could it be set aside: {error}");
            }
            Err(error.into())
        }
    }
}

/// Commits, lets go of the upload, and tells when it is complete.
pub(super) async fn finish(mut appending: Appending) -> Result<Status, UploadError> {
    let Appending {
        uploads,
        id,
        turn,
        writer,
    } = &mut appending;
    let committed = commit(uploads, *id, turn, writer).await;
    let record = *appending.writer.record();
    appending.writer.close().await?;
    drop(appending.turn);
    committed?;
    if record.is_finished() {
        appending.uploads.unfinished.remove(appending.id);
        info!(upload_id = %appending.id, bytes = record.offset, "upload received, {} bytes", record.offset);
        // Nobody listens only while the daemon stops; the next start finds it.
        let _ = appending.uploads.finished.send(appending.id);
    }
    Ok(appending.uploads.status_of(&record))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Content, NOTHING, of, with};
    use super::*;
    use crate::store::writer::faults::SYNC_FAILS;

    #[test]
    fn a_failed_sync_condemns_that_upload_alone() {
        with(0, 9, async |uploads, layout| {
            let (id, _) = uploads.create(of(10), None, NOTHING).await.unwrap();
            let (other, _) = uploads.create(of(10), None, NOTHING).await.unwrap();
            let append = async |id, offset| {
                uploads
                    .append(id, offset, Some(4), Content(Some(b"0123")))
                    .await
            };
            assert_eq!(append(id, 0).await.unwrap().offset, 4);
            SYNC_FAILS.set(true);
            let failed = append(id, 4).await;
            SYNC_FAILS.set(false);
            assert!(matches!(failed, Err(UploadError::Storage(_))), "{failed:?}");
            // The file may say 8 by now, and nobody knows what the disk says.
            for answer in [
                uploads.status(id).await,
                append(id, 4).await,
                append(id, 8).await,
            ] {
                assert!(matches!(answer, Err(UploadError::Damaged)), "{answer:?}");
            }
            assert_eq!(append(other, 0).await.unwrap().offset, 4);
            assert_eq!(std::fs::read_dir(layout.damaged()).unwrap().count(), 1);
            assert!(
                !layout.upload(id).exists(),
                "a restart would believe its record"
            );
        });
    }

    #[test]
    fn what_does_not_fit_is_refused_and_kept_out() {
        with(0, 9, async |uploads, _| {
            let (id, _) = uploads.create(of(6), None, NOTHING).await.unwrap();
            let append = async |offset, announced_bytes| {
                uploads
                    .append(id, offset, announced_bytes, Content(Some(b"0123")))
                    .await
            };
            assert_eq!(append(0, None).await.unwrap().offset, 4);
            for announced_bytes in [Some(4), None] {
                let refused = append(4, announced_bytes).await;
                assert!(
                    matches!(refused, Err(UploadError::PastLength { length: 6 })),
                    "{refused:?}"
                );
            }
            let refused = append(3, None).await;
            assert!(
                matches!(refused, Err(UploadError::Conflict { offset: 4 })),
                "{refused:?}"
            );
            assert_eq!(uploads.status(id).await.unwrap().offset, 4);
        });
    }
}
