//! A client that waits for its task, and what becomes of that when it does not
//! wait any more.

use std::sync::Arc;

use tokio::sync::watch;
use tracing::{Instrument, warn};
use uuid::Uuid;

use super::super::App;
use super::super::api_error::ApiError;
use crate::access::{Caller, Denied};
use crate::store::{helper, ring};
use crate::task::{Standing, Status, TaskRecord};

/// Held as long as a client waits and may. Dropped before [`Hold::over`], as when a
/// connection ends, it cancels the task; not when the daemon stops, for then
/// the task goes on after its start.
#[derive(Debug)]
pub struct Hold {
    app: Arc<App>,
    caller: Caller,
    id: Uuid,
    /// Tells when the caller may be unwelcome by now.
    reloads: watch::Receiver<()>,
    /// Why the task is cancelled when this is dropped, if it is.
    why: Option<&'static str>,
}

impl Hold {
    /// Somebody waits for this task.
    pub fn on(app: Arc<App>, caller: Caller, id: Uuid) -> Hold {
        Hold {
            reloads: app.access.reloads(),
            app,
            caller,
            id,
            why: Some("the client that asked for it hung up"),
        }
    }

    /// The task.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The client needs no more of it.
    pub fn over(mut self) {
        self.why = None;
    }

    /// Resolves when the client's token counts no more.
    pub async fn is_unwelcome(&mut self) {
        while self.app.access.still_admits(&self.caller) {
            if self.reloads.changed().await.is_err() {
                std::future::pending().await
            }
        }
        self.why = Some("the access token that it was asked for with was removed");
    }

    /// The task once it has ended.
    pub async fn ended(&mut self) -> Result<Arc<TaskRecord>, ApiError> {
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
                    () = self.is_unwelcome() => return Err(Denied::WrongToken.into()),
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
        let Some(why) = self.why.filter(|_| !*self.app.stopping.borrow()) else {
            return;
        };
        let (tasks, id) = (Arc::clone(&self.app.tasks), self.id);
        let reason = format!("{why}; POST /task/{id}/retry transcribes it all the same");
        let cancel = async move {
            let cancelled = helper::run(move || tasks.cancel(id, &reason)).await;
            if let Err(error) = cancelled {
                warn!(task_id = %id, "{why}, and that cannot be stored: {error}");
            }
        };
        ring::spawn(cancel.in_current_span());
    }
}
