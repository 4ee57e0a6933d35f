//! Final uploads: made of partial ones (TUS, concatenation extension), also
//! before those are complete (concatenation-unfinished).

use std::io;
use std::sync::Arc;

use tracing::{Instrument, error, info, warn};
use uuid::Uuid;

use super::error::{PartError, UploadError, no_space};
use super::expiry::is_expired;
use super::join_turns::JoinTurn;
use super::new_upload::NewUpload;
use super::source::UploadStatus;
use super::uploads::Uploads;
use crate::access::Grant;
use crate::blocking;
use crate::store::facts::Facts;
use crate::store::folder::{OpenError, peek_record};
use crate::store::join::{Join, JoinError};
use crate::store::moment::Moment;
use crate::store::ring;

impl Uploads {
    /// Creates a final upload, durable. Its parts are joined as soon as all are
    /// complete, see the status. Continues if the future is dropped.
    pub async fn create_final(
        self: &Arc<Uploads>,
        new: NewUpload,
    ) -> Result<(Uuid, UploadStatus), UploadError> {
        let uploads = Arc::clone(self);
        let work = async move { uploads.make_final(new).await };
        ring::spawn(work.in_current_span())
            .await
            .map_err(io::Error::other)?
    }

    async fn make_final(
        self: &Arc<Uploads>,
        new: NewUpload,
    ) -> Result<(Uuid, UploadStatus), UploadError> {
        let (parts, grant) = (new.facts.parts().to_vec(), new.grant.clone());
        self.judge(&parts).await?;
        let (Facts { id, .. }, writer) = self.make(new, 0).await?;
        writer.close().await;
        self.found_pending(id, parts);
        match self.join(id, &grant).await {
            Ok(()) => Ok((id, self.durable(id).await?.0)),
            Err(error) => {
                // No client knows of it yet.
                let _ = self.terminate(id).await;
                Err(error)
            }
        }
    }

    /// Adds a final upload that start-up found and that is not joined yet.
    pub fn found_pending(&self, id: Uuid, parts: Vec<Uuid>) {
        let most = self.limits.max_unfinished;
        self.pending.insert(id, parts, most, &self.layout);
    }

    /// Joins, in the background, the uploads that start-up found.
    pub fn join_found(self: &Arc<Uploads>) {
        self.join_later(self.pending.ids(), &Grant::default());
    }

    /// Joins the final uploads of a part that is complete.
    pub(super) fn part_is_complete(self: &Arc<Uploads>, part: Uuid, grant: &Grant) {
        self.join_later(self.pending.of_part(part), grant);
    }

    /// Joins, in the background, those whose parts are complete. One that a
    /// revocation of `grant` stops waits for the next request for it.
    pub(super) fn join_later(self: &Arc<Uploads>, finals: Vec<Uuid>, grant: &Grant) {
        for id in finals {
            let (uploads, grant) = (Arc::clone(self), grant.clone());
            tokio::spawn(async move {
                if let Err(error) = uploads.join(id, &grant).await {
                    warn!(upload_id = %id, "the final upload cannot be joined: {error}");
                }
            });
        }
    }

    /// Refuses parts that can never be joined.
    async fn judge(&self, parts: &[Uuid]) -> Result<(), UploadError> {
        let (layout, ids) = (self.layout.clone(), parts.to_vec());
        let records: Vec<_> = blocking::run(move || {
            let records = ids.iter().map(|id| peek_record(&layout.upload(*id)));
            records.collect()
        })
        .await;
        let mut length = 0_u64;
        let mut is_complete = true;
        for (&id, record) in parts.iter().zip(records) {
            let refused = |why| UploadError::Part { id, why };
            self.require_sound(id)?;
            let record = record.map_err(|error| match error {
                OpenError::Missing => refused(PartError::Missing),
                other => other.into(),
            })?;
            if !record.kind.is_partial() {
                return Err(refused(PartError::NotPartial));
            }
            if is_expired(&record, self.limits.idle_expiry, Moment::now()) {
                return Err(refused(PartError::Expired));
            }
            length = length.saturating_add(record.length.unwrap_or(record.offset));
            is_complete &= record.is_finished();
        }
        self.require_size(length)?;
        match is_complete {
            true => self.require_space(length).map(|_| ()),
            false => Ok(()),
        }
    }

    /// Joins a final upload, if all its parts are complete.
    async fn join(self: &Arc<Uploads>, id: Uuid, grant: &Grant) -> Result<(), UploadError> {
        if !self.pending.begin(id) {
            return Ok(());
        }
        loop {
            let outcome = self.join_in_turn(id, grant).await;
            if !self.pending.end(id) {
                return outcome;
            }
        }
    }

    async fn join_in_turn(&self, id: Uuid, grant: &Grant) -> Result<(), UploadError> {
        let owner = self.facts(id).await?.share_owner();
        let turn = self.join_turns.begin(owner).await;
        self.try_join(id, &turn, grant).await
    }

    async fn try_join(
        &self,
        id: Uuid,
        turn: &JoinTurn<'_>,
        grant: &Grant,
    ) -> Result<(), UploadError> {
        let guard = self.write_locks.enter(id).await.ok_or(UploadError::Busy)?;
        self.require_sound(id)?;
        let parts = self.facts(id).await?.parts().to_vec();
        let (layout, part_ids) = (self.layout.clone(), parts.clone());
        let begun = blocking::run(move || Join::begin(&layout, id, &parts)).await;
        let mut join = match begun {
            Ok(join) => join,
            Err(JoinError::Waiting) => return Ok(()),
            Err(JoinError::Whole(error)) => return Err(error.into()),
            Err(JoinError::Part(id, OpenError::Missing)) => {
                let why = PartError::Missing;
                return Err(UploadError::Part { id, why });
            }
            Err(JoinError::Part(_, error)) => return Err(error.into()),
        };
        guard.committed(&join.record());
        if join.record().is_finished() {
            self.pending.remove(id);
            return Ok(());
        }
        let length = join.length();
        self.require_size(length)?;
        self.require_share(id, length)?;
        let mut has_more = true;
        while has_more {
            if *self.stopping.borrow() {
                return Err(UploadError::Stopping);
            }
            if grant.is_revoked() {
                return Err(UploadError::Revoked);
            }
            if guard.is_superseded() {
                return Err(UploadError::Superseded { offset: 0 });
            }
            let _step = turn.step().await;
            let step = move || {
                let has_more = join.step()?;
                Ok((join, has_more))
            };
            let stepped: io::Result<(Join, bool)> = blocking::run(step).await;
            (join, has_more) = stepped.map_err(|error| no_space(error, length))?;
        }
        let observer = Arc::clone(&self.observer);
        let completion = grant.step()?;
        let joined = blocking::run(move || {
            let _completion = completion;
            let record = join.finish()?;
            observer.committed(id, record.offset, record.length);
            observer.finished(id);
            Ok::<_, io::Error>(record)
        });
        match joined.await {
            Ok(record) => {
                guard.committed(&record);
                self.pending.remove(id);
                for id in part_ids.into_iter().chain([id]) {
                    self.admission.remove(id);
                }
                info!(upload_id = %id, bytes = length, "upload joined, {length} bytes");
                Ok(())
            }
            Err(error) => {
                error!(upload_id = %id, "upload condemned: it could not be made durable: {error}");
                self.condemn(id);
                Err(error.into())
            }
        }
    }
}
