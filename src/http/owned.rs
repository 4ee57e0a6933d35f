//! Ownership: what belongs to a caller. The table of routes is the one place
//! that makes these values; verbs take them instead of ids, so that one without
//! the check does not compile. What belongs to another caller is treated
//! like what does not exist.

use std::sync::Arc;

use uuid::Uuid;

use super::app::App;
use super::error::api::ApiError;
use crate::access::{Caller, Grant};
use crate::blocking;
use crate::task::{TaskProgress, TaskRecord};
use crate::upload::UploadError;

/// An upload of the caller's. Without tokens its existence is not checked here but
/// by its verb.
#[derive(Debug, Clone)]
pub struct OwnedUpload {
    id: Uuid,
    grant: Grant,
}

impl OwnedUpload {
    /// The upload that a path or a header names.
    pub async fn check(app: &App, caller: &Caller, id: Option<Uuid>) -> Result<Self, UploadError> {
        let id = id.ok_or(UploadError::NotFound)?;
        let grant = app.access.grant(caller);
        let Caller::Token(_) = caller else {
            return Ok(OwnedUpload { id, grant });
        };
        let facts = app.uploads.facts(id).await?;
        match caller.may_use(facts.owner.as_deref()) {
            true => Ok(OwnedUpload { id, grant }),
            false => Err(UploadError::NotFound),
        }
    }

    /// Its id.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// What the caller may do with it, while it may.
    pub fn grant(&self) -> &Grant {
        &self.grant
    }
}

/// A task of the caller's.
#[derive(Debug, Clone)]
pub struct OwnedTask {
    record: Arc<TaskRecord>,
    grant: Grant,
}

impl OwnedTask {
    /// The task that a path names.
    pub async fn check(app: &App, caller: &Caller, id: Option<Uuid>) -> Result<Self, ApiError> {
        let id = id.ok_or(ApiError::TaskNotFound)?;
        let tasks = Arc::clone(&app.tasks);
        let found = blocking::run(move || tasks.find(id)).await;
        let owned = found.filter(|record| caller.may_use(record.owner.as_deref()));
        let grant = app.access.grant(caller);
        let owned = owned.map(|record| OwnedTask { record, grant });
        owned.ok_or(ApiError::TaskNotFound)
    }

    /// Its record.
    pub fn record(&self) -> &Arc<TaskRecord> {
        &self.record
    }

    /// What the caller may do with it, while it may.
    pub fn grant(&self) -> &Grant {
        &self.grant
    }
}

/// The progress of a task of the caller's, or of the upload that becomes one.
#[derive(Debug)]
pub struct OwnedProgress {
    /// Of the upload, and of its task.
    pub id: Uuid,
    /// How far it is.
    pub progress: TaskProgress,
}

impl OwnedProgress {
    /// The progress of what has this id.
    pub async fn check(app: &App, caller: &Caller, id: Option<Uuid>) -> Result<Self, ApiError> {
        if let Ok(OwnedTask { record, .. }) = OwnedTask::check(app, caller, id).await {
            let (id, progress) = (record.id, app.tasks.progress(&record));
            return Ok(OwnedProgress { id, progress });
        }
        let id = id.ok_or(ApiError::TaskNotFound)?;
        let found = app.uploads.durable(id).await;
        let (status, facts) = found.map_err(|_| ApiError::TaskNotFound)?;
        let progress = TaskProgress::uploading(status.offset, status.length);
        match caller.may_use(facts.owner.as_deref()) {
            true => Ok(OwnedProgress { id, progress }),
            false => Err(ApiError::TaskNotFound),
        }
    }
}
