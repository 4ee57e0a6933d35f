use super::*;
use crate::store::faults::SYNC_FAILS;
use crate::upload::testing::{Content, NOTHING, Notice, limits, observed, of, with};
use crate::upload::{Limits, NewUpload};

fn four_at(offset: u64) -> Chunk {
    Chunk {
        offset,
        announced_bytes: Some(4),
        ..Chunk::default()
    }
}

#[test]
fn a_failed_sync_condemns_that_upload_alone() {
    with(0, 9, async |uploads, layout| {
        let (id, _) = uploads.create(of(10), NOTHING).await.unwrap();
        let (other, _) = uploads.create(of(10), NOTHING).await.unwrap();
        let append = async |id, offset| {
            uploads
                .append(
                    id,
                    Grant::default(),
                    four_at(offset),
                    Content(Some(b"0123")),
                )
                .await
        };
        assert_eq!(append(id, 0).await.unwrap().offset, 4);
        SYNC_FAILS.set(true);
        let failed = append(id, 4).await;
        SYNC_FAILS.set(false);
        assert!(matches!(failed, Err(UploadError::Storage(_))), "{failed:?}");
        // The file may say 8 by now, the disk may not.
        for answer in [
            uploads.durable(id).await.map(|(status, _)| status),
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
fn the_observer_is_notified_where_bytes_become_durable() {
    observed(limits(0, 1), async |uploads, _, notices| {
        let (id, _) = uploads.create(NewUpload::default(), NOTHING).await.unwrap();
        for offset in [0, 4] {
            let chunk = Chunk {
                length: Some(8),
                ..four_at(offset)
            };
            let appended = uploads
                .append(id, Grant::default(), chunk, Content(Some(b"0123")))
                .await;
            appended.unwrap();
        }
        // At creation, with the length, and at the end of each append.
        let committed = [0, 0, 4, 8].map(|offset| Notice::Committed(id, offset));
        let all = [&committed[..], &[Notice::Finished(id)]].concat();
        assert_eq!(notices.take(), all);

        let (id, _) = uploads.create(of(8), NOTHING).await.unwrap();
        uploads.terminate(id).await.unwrap();
        let created = Notice::Committed(id, 0);
        assert_eq!(notices.take(), [created, Notice::Terminated(id)]);
    });
}

#[test]
fn an_upload_found_expired_is_noticed() {
    let limits = Limits {
        idle_expiry: Duration::from_millis(1),
        ..limits(0, 1)
    };
    observed(limits, async |uploads, _, notices| {
        let (id, _) = uploads.create(of(8), NOTHING).await.unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
        let late = uploads.append(id, Grant::default(), four_at(0), Content(Some(b"0123")));
        assert!(matches!(late.await, Err(UploadError::Expired)));
        let created = Notice::Committed(id, 0);
        assert_eq!(notices.take(), [created, Notice::Expired(id)]);
    });
}

#[test]
fn a_swept_upload_is_noticed_when_its_place_is_wanted() {
    observed(limits(0, 1), async |uploads, layout, notices| {
        let (id, _) = uploads.create(of(8), NOTHING).await.unwrap();
        std::fs::remove_dir_all(layout.upload(id)).unwrap();
        let (next, _) = uploads.create(of(8), NOTHING).await.unwrap();
        let created = [id, next].map(|id| Notice::Committed(id, 0));
        assert_eq!(
            notices.take(),
            [created[0], Notice::Expired(id), created[1]]
        );
    });
}

#[test]
fn what_does_not_fit_is_refused_and_kept_out() {
    with(0, 9, async |uploads, _| {
        let (id, _) = uploads.create(of(6), NOTHING).await.unwrap();
        let append = async |offset, announced_bytes| {
            let chunk = Chunk {
                announced_bytes,
                ..four_at(offset)
            };
            uploads
                .append(id, Grant::default(), chunk, Content(Some(b"0123")))
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
        assert_eq!(uploads.durable(id).await.unwrap().0.offset, 4);
    });
}
