//! Recordings in one request, which cannot be resumed: all or nothing.

use std::io;
use std::sync::Arc;

use tracing::{Instrument, error, info};
use uuid::Uuid;

use super::append::{self, Appending};
use super::error::{UploadError, no_space};
use super::new_upload::NewUpload;
use super::source::{ByteSource, UploadStatus};
use super::uploads::Uploads;
use crate::store::facts::Facts;
use crate::store::ring;
use crate::store::writer::STEP_BYTES;

impl Uploads {
    /// Stores all bytes of `source`; the upload is complete and durable when this
    /// returns. After an error nothing is left, nor after a crash once
    /// [`recover`](super::recover()) has run. `at_most_bytes` of disk space are
    /// reserved before the first byte.
    ///
    /// `complete` gets the upload and the source after its end, and returns the
    /// upload with the final language, model and options; an error refuses it.
    ///
    /// Continues if the future is dropped.
    pub async fn take_whole<S, E>(
        self: &Arc<Uploads>,
        new: NewUpload,
        at_most_bytes: Option<u64>,
        source: S,
        complete: impl AsyncFnOnce(NewUpload, S) -> Result<NewUpload, E> + 'static,
    ) -> Result<(Uuid, UploadStatus), E>
    where
        S: ByteSource + 'static,
        E: From<UploadError> + 'static,
    {
        let uploads = Arc::clone(self);
        let work = async move {
            let taking = uploads.take_to_the_end(new, at_most_bytes, source, complete);
            taking.await
        };
        let ended = ring::spawn(work.in_current_span()).await;
        ended.map_err(|error| UploadError::from(io::Error::other(error)))?
    }

    async fn take_to_the_end<S: ByteSource + 'static, E: From<UploadError>>(
        self: Arc<Uploads>,
        mut new: NewUpload,
        at_most_bytes: Option<u64>,
        source: S,
        complete: impl AsyncFnOnce(NewUpload, S) -> Result<NewUpload, E>,
    ) -> Result<(Uuid, UploadStatus), E> {
        let grant = new.grant.clone();
        new.facts.is_whole = true;
        new.length = None;
        let (facts, writer) = self
            .make(new.clone(), at_most_bytes.unwrap_or(STEP_BYTES))
            .await?;
        let id = facts.id;
        let _until_the_end = self.write_locks.arrive(id, source.peer_socket());
        // The id is new and no client knows it.
        let guard = self.write_locks.enter(id).await.ok_or(UploadError::Busy)?;
        guard.committed(writer.record());
        let mut appending = Appending {
            uploads: Arc::clone(&self),
            id,
            guard,
            writer,
            grant,
            step: None,
        };
        let refusal = match take(&mut appending, at_most_bytes, new, &facts, source, complete).await
        {
            Ok(()) => match append::finish(appending).await {
                Ok(status) => return Ok((id, status)),
                Err(error) => error.into(),
            },
            Err(refusal) => {
                // Released, so that it can be removed.
                let Appending { guard, writer, .. } = appending;
                writer.close().await;
                drop(guard);
                info!(upload_id = %id, "the recording is incomplete, nothing of it is kept");
                refusal
            }
        };
        match self.terminate(id).await {
            // Condemned, and so in `damaged`; or removed by another request.
            Ok(()) | Err(UploadError::NotFound) => {}
            Err(error) => {
                error!(upload_id = %id, "its bytes cannot be removed now: {error}");
            }
        }
        Err(refusal)
    }
}

/// Receives all of it, up to the step that makes it complete.
async fn take<S: ByteSource, E: From<UploadError>>(
    appending: &mut Appending,
    at_most_bytes: Option<u64>,
    new: NewUpload,
    facts: &Facts,
    mut source: S,
    complete: impl AsyncFnOnce(NewUpload, S) -> Result<NewUpload, E>,
) -> Result<(), E> {
    if let Some(bytes) = at_most_bytes {
        let reserved = appending.writer.reserve_all(bytes).await;
        reserved.map_err(|error| no_space(error, bytes))?;
    }
    append::receive(appending, &mut source, &mut None).await?;
    let completed = complete(new.clone(), source).await?;
    if completed != new {
        // Before it is complete: a complete upload is a task, made of its facts.
        let facts = Facts {
            id: facts.id,
            created_at: facts.created_at,
            ..completed.facts
        };
        let replaced = appending.writer.replace_facts(facts).await;
        replaced.map_err(UploadError::from)?;
    }
    Ok(appending.end().await?)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::testing::{Content, with};
    use super::super::{Checksum, PeerSocket, RecoveredUpload, SourceError, recover};
    use super::*;
    use crate::store::folder::peek_record;

    /// Some bytes, then a lost connection.
    struct Lost(Content);

    impl ByteSource for Lost {
        async fn next(&mut self) -> Option<Result<Bytes, SourceError>> {
            Some(self.0.next().await.unwrap_or(Err(SourceError::Lost)))
        }

        fn peer_socket(&self) -> Option<PeerSocket> {
            None
        }

        fn checksum(&self) -> Option<Checksum> {
            None
        }
    }

    async fn as_it_is<S>(new: NewUpload, _: S) -> Result<NewUpload, UploadError> {
        Ok(new)
    }

    #[test]
    fn all_of_it_is_taken_or_nothing_is_left() {
        with(0, 1, async |uploads, layout| {
            let left = || std::fs::read_dir(layout.uploads()).unwrap().count();
            let new = NewUpload::default;
            let lost = Lost(Content(Some(b"0123")));
            let refused = uploads.take_whole(new(), None, lost, as_it_is).await;
            assert!(
                matches!(refused, Err(UploadError::ConnectionLost { .. })),
                "{refused:?}"
            );
            let large = Content(Some(&[7; 1001]));
            let refused = uploads.take_whole(new(), Some(1001), large, as_it_is).await;
            assert!(
                matches!(refused, Err(UploadError::TooLarge { .. })),
                "{refused:?}"
            );
            let nothing = Content(Some(b"0123"));
            let refused = uploads
                .take_whole(new(), Some(1 << 46), nothing, as_it_is)
                .await;
            assert!(
                matches!(refused, Err(UploadError::NoSpace { .. })),
                "{refused:?}"
            );
            assert_eq!(left(), 0);
            let content = Content(Some(b"0123"));
            let taken = uploads
                .take_whole(new(), Some(900), content, as_it_is)
                .await;
            let (id, status) = taken.unwrap();
            assert!(status.is_finished() && status.offset == 4, "{status:?}");
            let data = layout.upload(id).join("data");
            assert_eq!(std::fs::read(data).unwrap(), b"0123");
        });
    }

    #[test]
    fn fields_after_the_bytes_count_or_refuse_them() {
        with(0, 1, async |uploads, layout| {
            let left = || std::fs::read_dir(layout.uploads()).unwrap().count();
            let mut new = NewUpload::default();
            new.facts.filename = Some("a.wav".into());
            new.facts.language = Some("de".into());
            let content = || Content(Some(b"0123"));
            let refused = async |_, _| Err::<NewUpload, _>(UploadError::NoChecksum);
            let refused = uploads.take_whole(new.clone(), None, content(), refused);
            let refused = refused.await;
            assert!(
                matches!(refused, Err(UploadError::NoChecksum)),
                "{refused:?}"
            );
            assert_eq!(left(), 0);
            let seen = layout.clone();
            let amended = async move |mut new: NewUpload, _| {
                let dir = std::fs::read_dir(seen.uploads()).unwrap().next();
                let record = peek_record(&dir.unwrap().unwrap().path()).unwrap();
                assert!(!record.is_finished(), "not readable before");
                new.facts.language = Some("fr".into());
                Ok::<_, UploadError>(new)
            };
            let (id, _) = uploads
                .take_whole(new, None, content(), amended)
                .await
                .unwrap();
            let facts = uploads.facts(id).await.unwrap();
            assert_eq!(facts.id, id);
            assert_eq!(facts.filename.as_deref(), Some("a.wav"));
            assert_eq!(facts.language.as_deref(), Some("fr"));
        });
    }

    #[test]
    fn the_rest_of_a_crash_is_removed_and_nothing_else() {
        with(0, 9, async |uploads, layout| {
            let mut whole = NewUpload::default();
            whole.facts.is_whole = true;
            let (Facts { id: crashed, .. }, writer) = uploads.make(whole.clone(), 0).await.unwrap();
            writer.close().await;
            let (Facts { id: running, .. }, writer) = uploads.make(whole, 0).await.unwrap();
            let (other, _) = uploads
                .create(NewUpload::default(), super::super::testing::NOTHING)
                .await
                .unwrap();
            let mut found = Vec::new();
            recover(&layout, |one| found.push(one)).unwrap();
            assert!(!layout.upload(crashed).exists());
            assert!(layout.upload(running).exists());
            assert!(
                matches!(found[..], [RecoveredUpload::Unfinished { id, .. }] if id == other),
                "{found:?}"
            );
            writer.close().await;
        });
    }
}
