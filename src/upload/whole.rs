//! Recordings that come in one piece or not at all: whoever sends one could
//! not go on with the rest of it.

use std::io;
use std::sync::Arc;

use tracing::{Instrument, error};
use uuid::Uuid;

use super::append::{self, Appending, Chunk};
use super::create::no_space;
use super::{NewUpload, Source, Status, UploadError, Uploads};
use crate::store::ring;
use crate::store::writer::STEP_BYTES;

impl Uploads {
    /// Takes in all that `source` gives; the upload is complete and durable when
    /// this returns. After an error nothing of it is left, nor after a crash,
    /// once [`recover`](super::recover()) has run. `at_most_bytes` of disk space
    /// are reserved before the first byte is taken.
    ///
    /// Goes on to its end even when the caller loses interest.
    pub async fn take_whole<S: Source + 'static>(
        self: &Arc<Uploads>,
        new: NewUpload,
        at_most_bytes: Option<u64>,
        source: S,
    ) -> Result<(Uuid, Status), UploadError> {
        let uploads = Arc::clone(self);
        let work = async move { uploads.take_to_the_end(new, at_most_bytes, source).await };
        ring::spawn(work.in_current_span())
            .await
            .map_err(io::Error::other)?
    }

    async fn take_to_the_end<S: Source + 'static>(
        self: Arc<Uploads>,
        new: NewUpload,
        at_most_bytes: Option<u64>,
        source: S,
    ) -> Result<(Uuid, Status), UploadError> {
        self.require_space(at_most_bytes.unwrap_or(STEP_BYTES))?;
        let new = NewUpload {
            is_whole: true,
            length: None,
            ..new
        };
        let (id, mut writer) = self.make(new).await?;
        let arrival = self.writers.arrive(id, source.line());
        // The id is new, and nobody was told of it.
        let turn = self.writers.enter(id).await.ok_or(UploadError::Busy)?;
        turn.committed(writer.record());
        let room = match at_most_bytes {
            Some(bytes) => writer.reserve_all(bytes).await,
            None => Ok(()),
        };
        let appending = Appending {
            uploads: Arc::clone(&self),
            id,
            turn,
            writer,
        };
        let chunk = Chunk {
            is_last: true,
            ..Chunk::default()
        };
        let taken = match room {
            Ok(()) => append::run(appending, source, chunk, arrival).await,
            Err(error) => {
                appending.writer.close().await;
                Err(no_space(error, at_most_bytes.unwrap_or(STEP_BYTES)))
            }
        };
        match taken {
            Ok(status) => Ok((id, status)),
            Err(refusal) => {
                match self.terminate(id).await {
                    // Condemned, and so in `damaged`; or somebody else was faster.
                    Ok(()) | Err(UploadError::NotFound) => {}
                    Err(error) => {
                        error!(upload_id = %id, "what came of it cannot be removed now: {error}");
                    }
                }
                Err(refusal)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::testing::{Content, with};
    use super::super::{Checksum, Cut, Found, Line, recover};
    use super::*;

    /// Some bytes, then a lost connection.
    struct Lost(Content);

    impl Source for Lost {
        async fn next(&mut self) -> Option<Result<Bytes, Cut>> {
            Some(self.0.next().await.unwrap_or(Err(Cut::Lost)))
        }

        fn line(&self) -> Option<Line> {
            None
        }

        fn checksum(&self) -> Option<Checksum> {
            None
        }
    }

    #[test]
    fn all_of_it_is_taken_or_nothing_is_left() {
        with(0, 1, async |uploads, layout| {
            let left = || std::fs::read_dir(layout.uploads()).unwrap().count();
            let new = NewUpload::default;
            let lost = Lost(Content(Some(b"0123")));
            let refused = uploads.take_whole(new(), None, lost).await;
            assert!(
                matches!(refused, Err(UploadError::Cut { .. })),
                "{refused:?}"
            );
            let large = Content(Some(&[7; 1001]));
            let refused = uploads.take_whole(new(), Some(1001), large).await;
            assert!(
                matches!(refused, Err(UploadError::TooLarge { .. })),
                "{refused:?}"
            );
            let nothing = Content(Some(b"0123"));
            let refused = uploads.take_whole(new(), Some(1 << 46), nothing).await;
            assert!(
                matches!(refused, Err(UploadError::NoSpace { .. })),
                "{refused:?}"
            );
            assert_eq!(left(), 0);
            let content = Content(Some(b"0123"));
            let (id, status) = uploads.take_whole(new(), Some(900), content).await.unwrap();
            assert!(status.is_finished() && status.offset == 4, "{status:?}");
            let data = layout.upload(id).join("data");
            assert_eq!(std::fs::read(data).unwrap(), b"0123");
        });
    }

    #[test]
    fn what_a_crash_left_of_one_is_taken_away_and_nothing_else() {
        with(0, 9, async |uploads, layout| {
            let whole = NewUpload {
                is_whole: true,
                ..NewUpload::default()
            };
            let (crashed, writer) = uploads.make(whole.clone()).await.unwrap();
            writer.close().await;
            let (running, writer) = uploads.make(whole).await.unwrap();
            let (other, _) = uploads
                .create(NewUpload::default(), super::super::testing::NOTHING)
                .await
                .unwrap();
            let mut found = Vec::new();
            recover(&layout, |one| found.push(one)).unwrap();
            assert!(!layout.upload(crashed).exists());
            assert!(layout.upload(running).exists());
            assert!(found.contains(&Found::Unfinished(other)), "{found:?}");
            writer.close().await;
        });
    }
}
