//! Tests: what a revoked [`Grant`] leaves of an upload.

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use super::testing::{Content, NOTHING, Notice, limits, observed, of};
use super::{ByteSource, Chunk, NewUpload, SourceError, UploadError};
use crate::access::Grant;
use crate::store::facts::Concat;

/// Bytes as the test sends them, and how many were taken.
struct Sent(mpsc::UnboundedReceiver<&'static [u8]>, watch::Sender<usize>);

impl ByteSource for Sent {
    async fn next(&mut self) -> Option<Result<Bytes, SourceError>> {
        let bytes = self.0.recv().await?;
        self.1.send_modify(|taken| *taken += bytes.len());
        Some(Ok(Bytes::from_static(bytes)))
    }
}

fn sent() -> (
    mpsc::UnboundedSender<&'static [u8]>,
    watch::Receiver<usize>,
    Sent,
) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let taken = watch::Sender::new(0);
    let watched = taken.subscribe();
    (sender, watched, Sent(receiver, taken))
}

fn at(offset: u64) -> Chunk {
    Chunk {
        offset,
        ..Chunk::default()
    }
}

fn finished(notices: &[Notice]) -> bool {
    let is_end = |notice: &Notice| matches!(notice, Notice::Finished(_));
    notices.iter().any(is_end)
}

#[test]
fn a_running_append_is_parked() {
    observed(limits(0, 9), async |uploads, _, notices| {
        let (id, _) = uploads.create(of(8), NOTHING).await.unwrap();
        let grant = Grant::default();
        let (sender, mut taken, source) = sent();
        let start = Content(Some(b"0123"));
        let appended = uploads.append(id, grant.clone(), at(0), start).await;
        appended.unwrap();
        let appending = uploads.append(id, grant.clone(), at(4), source);
        let revoking = async {
            sender.send(b"45").unwrap();
            taken.wait_for(|taken| *taken == 2).await.unwrap();
            grant.revoke();
        };
        let (parked, ()) = tokio::join!(appending, revoking);
        assert!(matches!(parked, Err(UploadError::Revoked)), "{parked:?}");
        let offset = uploads.durable(id).await.unwrap().0.offset;
        assert_eq!(offset, 6);
        // Another holder of the name goes on.
        let rest = Content(Some(&b"01234567"[offset as usize..]));
        let appended = uploads.append(id, Grant::default(), at(offset), rest).await;
        assert!(appended.unwrap().is_finished());
        assert!(finished(&notices.take()));
    });
}

#[test]
fn the_last_byte_comes_too_late() {
    observed(limits(0, 9), async |uploads, _, notices| {
        for (chunk, length) in [
            (at(0), Some(4)),
            (
                Chunk {
                    is_last: true,
                    ..at(0)
                },
                None,
            ),
        ] {
            let new = NewUpload {
                length,
                ..NewUpload::default()
            };
            let (id, _) = uploads.create(new, NOTHING).await.unwrap();
            let grant = Grant::default();
            let (sender, mut taken, source) = sent();
            let appending = uploads.append(id, grant.clone(), chunk, source);
            let revoking = async {
                sender.send(b"0123").unwrap();
                taken.wait_for(|taken| *taken == 4).await.unwrap();
                grant.revoke();
                drop(sender);
            };
            let (late, ()) = tokio::join!(appending, revoking);
            assert!(matches!(late, Err(UploadError::Revoked)), "{late:?}");
            grant.wait_for_steps();
            assert!(!uploads.durable(id).await.unwrap().0.is_finished());
            let looked = uploads.look(id, &Grant::default(), false).await.unwrap();
            assert!(!looked.0.is_finished(), "nor later");
        }
        assert!(!finished(&notices.take()));
    });
}

#[test]
fn a_length_that_completes_an_upload_comes_too_late() {
    observed(limits(0, 9), async |uploads, _, notices| {
        let (id, _) = uploads.create(NewUpload::default(), NOTHING).await.unwrap();
        let appended = uploads
            .append(id, Grant::default(), at(0), Content(Some(b"0123")))
            .await;
        appended.unwrap();
        let grant = Grant::default();
        grant.revoke();
        let chunk = Chunk {
            length: Some(4),
            ..at(4)
        };
        let late = uploads.append(id, grant, chunk, Content(None)).await;
        assert!(matches!(late, Err(UploadError::Revoked)), "{late:?}");
        assert!(!uploads.durable(id).await.unwrap().0.is_finished());
        assert!(!finished(&notices.take()));
    });
}

#[test]
fn nothing_complete_is_created() {
    observed(limits(0, 9), async |uploads, layout, notices| {
        let revoked = Grant::default();
        revoked.revoke();
        let with = |new: NewUpload| NewUpload {
            grant: revoked.clone(),
            ..new
        };
        let empty = uploads.create(with(of(0)), NOTHING).await;
        assert!(matches!(empty, Err(UploadError::Revoked)), "{empty:?}");
        let first = Some((at(0), Content(Some(b"0123"))));
        let created = uploads.create(with(of(4)), first).await;
        assert!(matches!(created, Err(UploadError::Revoked)), "{created:?}");
        let same = async |new, _| Ok::<_, UploadError>(new);
        let content = Content(Some(b"0123"));
        let whole = uploads
            .take_whole(with(NewUpload::default()), None, content, same)
            .await;
        assert!(matches!(whole, Err(UploadError::Revoked)), "{whole:?}");
        // Revoked behind the last byte.
        let late = Grant::default();
        let new = NewUpload {
            grant: late.clone(),
            ..NewUpload::default()
        };
        let then = async move |new, _| {
            late.revoke();
            Ok::<_, UploadError>(new)
        };
        let whole = uploads
            .take_whole(new, None, Content(Some(b"0123")), then)
            .await;
        assert!(matches!(whole, Err(UploadError::Revoked)), "{whole:?}");
        let left = std::fs::read_dir(layout.uploads()).unwrap().count();
        assert_eq!(left, 1, "the one that can be resumed");
        assert!(!finished(&notices.take()));
    });
}

#[test]
fn parts_are_not_joined() {
    observed(limits(0, 9), async |uploads, _, notices| {
        let concat = |raw: &str, parts: &[Uuid]| Concat {
            raw: raw.into(),
            parts: parts.to_vec(),
        };
        let mut partial = of(4);
        partial.facts.concat = Some(concat("partial", &[]));
        let (part, _) = uploads.create(partial, NOTHING).await.unwrap();
        let mut whole = NewUpload::default();
        whole.facts.concat = Some(concat("final;x", &[part]));
        let (id, _) = uploads.create_final(whole.clone()).await.unwrap();

        // The revocation precedes the end of the part, or its join.
        let grant = Grant::default();
        let content = Content(Some(b"0123"));
        let appended = uploads.append(part, grant.clone(), at(0), content).await;
        grant.revoke();
        appended.unwrap();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        uploads.look(id, &grant, false).await.unwrap();
        let refused = uploads
            .create_final(NewUpload {
                grant: grant.clone(),
                ..whole
            })
            .await;
        assert!(matches!(refused, Err(UploadError::Revoked)), "{refused:?}");
        assert!(!finished(&notices.take()));

        // The owner still has the parts.
        let owner = Grant::default();
        while !uploads
            .look(id, &owner, false)
            .await
            .unwrap()
            .0
            .is_finished()
        {
            tokio::task::yield_now().await;
        }
        assert!(finished(&notices.take()));
    });
}
