//! A client that waits for its task, and what becomes of that when it does not
//! wait any more.

use std::sync::Arc;

use tracing::{Instrument, warn};
use uuid::Uuid;

use super::super::App;
use super::super::api_error::ApiError;
use crate::store::{helper, ring};
use crate::task::{Standing, Status, TaskRecord};

/// Held as long as a client waits. Dropped before [`Hold::over`], as when a
/// connection ends, it cancels the task; not when the daemon stops, for then
/// the task goes on after its start.
#[derive(Debug)]
pub struct Hold {
    app: Arc<App>,
    id: Uuid,
    is_over: bool,
}

impl Hold {
    /// Somebody waits for this task.
    pub fn on(app: Arc<App>, id: Uuid) -> Hold {
        Hold {
            app,
            id,
            is_over: false,
        }
    }

    /// The task.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The client needs no more of it.
    pub fn over(mut self) {
        self.is_over = true;
    }

    /// The task once it has ended.
    pub async fn ended(&self) -> Result<Arc<TaskRecord>, ApiError> {
        let mut stopping = self.app.stopping.clone();
        let mut listener = self.app.tasks.listen(self.id);
        loop {
            let (tasks, id) = (Arc::clone(&self.app.tasks), self.id);
            let found = helper::run(move || tasks.find(id)).await;
            let record = found.ok_or(ApiError::TaskNotFound)?;
            if let Status::Completed | Status::Failed = record.status {
                return Ok(record);
            }
            while !matches!(
                listener.told(),
                Some(Standing::Complete { .. } | Standing::Failed { .. })
            ) {
                tokio::select! {
                    changed = listener.changed() => changed.map_err(|_| ApiError::TaskNotFound)?,
                    _ = stopping.wait_for(|stopping| *stopping) => return Err(restarting(self.id)),
                }
            }
        }
    }
}

/// Nobody can be answered now.
pub fn restarting(id: Uuid) -> ApiError {
    ApiError::Busy(format!(
        "the server is restarting; it has the recording and transcribes it then: GET /task/{id}"
    ))
}

/// Why there is no transcript: the recording is at fault, or we are.
pub fn failure(record: &TaskRecord) -> ApiError {
    let reason = record.error.clone().unwrap_or_default();
    match record.is_rejected {
        true => ApiError::NoRecording(reason),
        false => ApiError::TaskFailed(reason),
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.is_over || *self.app.stopping.borrow() {
            return;
        }
        let (tasks, id) = (Arc::clone(&self.app.tasks), self.id);
        let reason = format!(
            "the client that asked for it hung up; POST /task/{id}/retry transcribes it all the same"
        );
        let cancel = async move {
            let cancelled = helper::run(move || tasks.cancel(id, &reason)).await;
            if let Err(error) = cancelled {
                warn!(task_id = %id, "its client hung up, and that cannot be stored: {error}");
            }
        };
        ring::spawn(cancel.in_current_span());
    }
}
