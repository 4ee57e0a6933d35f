//! Creating an upload.

use std::io;
use std::sync::Arc;

use tracing::{Instrument, debug};
use uuid::Uuid;

use super::admission::Room;
use super::append::{self, Appending, Chunk};
use super::error::{UploadError, no_space};
use super::new_upload::NewUpload;
use super::source::{ByteSource, UploadStatus};
use super::uploads::Uploads;
use crate::store::facts::Facts;
use crate::store::ring;
use crate::store::writer::{STEP_BYTES, Writer};

impl Uploads {
    /// Creates an upload, durable and with all its space reserved, and appends its
    /// `first` chunk. An error of that append is not returned: the status has the
    /// offset.
    ///
    /// Continues if the future is dropped: what is on disk must be counted, and an
    /// empty upload is complete at once.
    pub async fn create<S: ByteSource + 'static>(
        self: &Arc<Uploads>,
        new: NewUpload,
        first: Option<(Chunk, S)>,
    ) -> Result<(Uuid, UploadStatus), UploadError> {
        let uploads = Arc::clone(self);
        let work = async move { uploads.create_to_the_end(new, first).await };
        ring::spawn(work.in_current_span())
            .await
            .map_err(io::Error::other)?
    }

    async fn create_to_the_end<S: ByteSource + 'static>(
        self: Arc<Uploads>,
        new: NewUpload,
        first: Option<(Chunk, S)>,
    ) -> Result<(Uuid, UploadStatus), UploadError> {
        let length = new.length;
        self.require_size(length.unwrap_or(0))?;
        if let Some((chunk, _)) = &first
            && let (Some(length), Some(count)) = (length, chunk.announced_bytes)
            && count > length
        {
            return Err(UploadError::PastLength { length });
        }
        let grant = new.grant.clone();
        // An empty one is complete at once.
        let step = match length {
            Some(0) => Some(grant.step()?),
            _ => None,
        };
        let (facts, writer) = self.make(new, length.unwrap_or(STEP_BYTES)).await?;
        let id = facts.id;
        let socket = first.as_ref().and_then(|(_, source)| source.peer_socket());
        let pending = self.write_locks.arrive(id, socket);
        let Some(guard) = self.write_locks.enter(id).await else {
            // Another request guessed the id and writes already.
            return Ok((id, self.durable(id).await?.0));
        };
        guard.committed(writer.record());
        let appending = Appending {
            uploads: Arc::clone(&self),
            id,
            guard,
            writer,
            grant,
            step,
        };
        let status = match first {
            None => append::finish(appending).await?,
            Some((chunk, mut source)) => {
                source.created(id, &self.status_of(appending.writer.record()));
                match append::run(appending, source, chunk, pending).await {
                    Ok(status) => status,
                    Err(error @ (UploadError::Storage(_) | UploadError::Revoked)) => {
                        return Err(error);
                    }
                    Err(_) => self.durable(id).await?.0,
                }
            }
        };
        Ok((id, status))
    }

    /// Admits an upload; if a limit is reached, once more without what has expired.
    async fn admit(&self, facts: &Facts, bytes: u64) -> Result<(), UploadError> {
        let admit = || {
            let room = Room {
                most: self.limits.max_unfinished,
                free_bytes: self.require_space(bytes)?,
            };
            self.admission
                .admit(facts.id, facts.share_owner(), bytes, room)
        };
        match admit() {
            Err(UploadError::Storage(error)) => Err(error.into()),
            Err(_) => {
                self.tidy_now().await;
                admit()
            }
            admitted => admitted,
        }
    }

    /// Creates an upload, durable, with the wanted id or another one, for which so
    /// many bytes are going to be reserved.
    pub(super) async fn make(
        &self,
        new: NewUpload,
        reserved_bytes: u64,
    ) -> Result<(Facts, Writer), UploadError> {
        let length = new.length;
        let id = new.wanted_id.unwrap_or_else(Uuid::new_v4);
        let mut facts = Facts {
            id,
            created_at: jiff::Timestamp::now(),
            ..new.facts
        };
        let writer = loop {
            // Counted before it exists: those in creation count too.
            if self.admission.contains(facts.id) {
                facts.id = Uuid::new_v4();
            }
            self.admit(&facts, reserved_bytes).await?;
            match Writer::create(&self.layout, &facts, length).await {
                Ok(writer) => break writer,
                Err(error) => {
                    self.admission.remove(facts.id);
                    if error.kind() != io::ErrorKind::AlreadyExists {
                        return Err(no_space(error, length.unwrap_or(STEP_BYTES)));
                    }
                    facts.id = Uuid::new_v4();
                }
            }
        };
        debug!(upload_id = %facts.id, bytes = length, "upload created");
        self.notify_committed(facts.id, writer.record());
        Ok((facts, writer))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{NOTHING, of, with};
    use super::*;

    #[test]
    fn what_cannot_be_kept_is_refused_and_leaves_nothing() {
        with(u64::MAX / 2, 9, async |uploads, layout| {
            let refused = uploads.create(of(10), NOTHING).await;
            assert!(
                matches!(refused, Err(UploadError::NoSpace { bytes: 10 })),
                "{refused:?}"
            );
            let refused = uploads.create(of(1001), NOTHING).await;
            assert!(
                matches!(refused, Err(UploadError::TooLarge { .. })),
                "{refused:?}"
            );
            for dir in [layout.creating(), layout.uploads()] {
                assert_eq!(std::fs::read_dir(dir).unwrap().count(), 0);
            }
        });
    }

    #[test]
    fn only_so_many_may_be_unfinished() {
        with(0, 3, async |uploads, _| {
            let (first, _) = uploads.create(of(10), NOTHING).await.unwrap();
            uploads.create(of(10), NOTHING).await.unwrap();
            let refused = uploads.create(of(10), NOTHING).await;
            assert!(
                matches!(refused, Err(UploadError::TooMany(_))),
                "{refused:?}"
            );
            uploads.terminate(first).await.unwrap();
            let empty = uploads.create(of(0), NOTHING).await.unwrap();
            assert_eq!(empty.1.expires, None, "finished, so it does not count");
            uploads.create(of(10), NOTHING).await.unwrap();
        });
    }

    #[test]
    fn a_taken_id_is_replaced() {
        with(0, 9, async |uploads, _| {
            let wanted = NewUpload {
                wanted_id: Some(Uuid::new_v4()),
                ..of(10)
            };
            let (first, _) = uploads.create(wanted.clone(), NOTHING).await.unwrap();
            let (second, _) = uploads.create(wanted.clone(), NOTHING).await.unwrap();
            assert_eq!(Some(first), wanted.wanted_id);
            assert_ne!(first, second);
        });
    }
}
