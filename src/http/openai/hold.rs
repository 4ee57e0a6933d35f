//! A client that waits for its task, and what becomes of that when it does not
//! wait any more.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::interval;
use tracing::{Instrument, warn};
use uuid::Uuid;

use crate::access::{Caller, Denied};
use crate::blocking;
use crate::http::app::App;
use crate::http::error::api::ApiError;
use crate::store::ring;
use crate::task::{TaskProgress, TaskRecord};
use crate::upload::PeerSocket;

/// How often to look whether the client is still there.
const LOOK: Duration = Duration::from_secs(1);

const HUNG_UP: &str = "the client that asked for it hung up";

/// Held as long as a client waits and may. Dropped before [`Hold::over`], as when a
/// connection ends, it cancels the task; not when the daemon stops, for then
/// the task goes on after its start.
#[derive(Debug)]
pub struct Hold {
    app: Arc<App>,
    caller: Caller,
    id: Uuid,
    /// What the client is behind.
    line: Option<PeerSocket>,
    /// Tells when the caller may be unwelcome by now.
    reloads: watch::Receiver<()>,
    /// Why the task is cancelled when this is dropped, if it is.
    why: Option<&'static str>,
}

impl Hold {
    /// Somebody waits for this task.
    pub fn on(app: Arc<App>, caller: Caller, line: Option<PeerSocket>, id: Uuid) -> Hold {
        Hold {
            reloads: app.access.reloads(),
            app,
            caller,
            id,
            line,
            why: Some(HUNG_UP),
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

    /// Resolves when there is nobody to wait for: the client's token counts no
    /// more, or it is gone, which the connection does not notice while another
    /// request waits behind this one.
    pub async fn forsaken(&mut self) -> ApiError {
        let mut looks = interval(LOOK);
        loop {
            if !self.app.access.still_admits(&self.caller) {
                self.why = Some("the access token that it was asked for with was removed");
                return Denied::WrongToken.into();
            }
            if self.line.as_ref().is_some_and(PeerSocket::is_closed) {
                return ApiError::TaskFailed(HUNG_UP.into());
            }
            tokio::select! {
                Ok(()) = self.reloads.changed() => {}
                _ = looks.tick() => {}
            }
        }
    }

    /// The task once it has ended.
    pub async fn ended(&mut self) -> Result<Arc<TaskRecord>, ApiError> {
        let mut stopping = self.app.stopping.clone();
        let mut listener = self.app.tasks.listen(self.id);
        loop {
            let (tasks, id) = (Arc::clone(&self.app.tasks), self.id);
            let found = blocking::run(move || tasks.find(id)).await;
            let record = found.ok_or(ApiError::TaskNotFound)?;
            if record.has_ended() {
                return Ok(record);
            }
            while !matches!(
                listener.newest(),
                Some(TaskProgress::Complete { .. } | TaskProgress::Failed { .. })
            ) {
                tokio::select! {
                    changed = listener.changed() => changed.map_err(|_| ApiError::TaskNotFound)?,
                    forsaken = self.forsaken() => return Err(forsaken),
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
            let cancelled = blocking::run(move || tasks.cancel(id, &reason)).await;
            if let Err(error) = cancelled {
                warn!(task_id = %id, "{why}, and that cannot be stored: {error}");
            }
        };
        ring::spawn(cancel.in_current_span());
    }
}
