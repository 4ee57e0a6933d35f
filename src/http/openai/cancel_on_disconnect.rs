//! A client that waits for its task, which is cancelled when the client
//! disconnects.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::interval;
use tracing::{Instrument, warn};
use uuid::Uuid;

use crate::access::{Denied, Grant};
use crate::blocking;
use crate::http::app::App;
use crate::http::error::api::ApiError;
use crate::store::ring;
use crate::task::{TaskProgress, TaskRecord};
use crate::upload::PeerSocket;

/// How often the socket of the client is polled.
const LOOK: Duration = Duration::from_secs(1);

const HUNG_UP: &str = "the client disconnected";
const REVOKED: &str = "its access token was removed";

/// Held while a client waits. Dropped before [`CancelOnDisconnect::disarm`], as when
/// the connection ends, it cancels the task; not when the daemon stops: then the
/// task continues after the next start.
#[derive(Debug)]
pub struct CancelOnDisconnect {
    app: Arc<App>,
    /// Of the client.
    grant: Grant,
    id: Uuid,
    /// The socket of the client.
    socket: Option<PeerSocket>,
    is_armed: bool,
}

impl CancelOnDisconnect {
    /// Guards this task.
    pub fn on(
        app: Arc<App>,
        grant: Grant,
        socket: Option<PeerSocket>,
        id: Uuid,
    ) -> CancelOnDisconnect {
        CancelOnDisconnect {
            app,
            grant,
            id,
            socket,
            is_armed: true,
        }
    }

    /// The task.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The task is not cancelled any more.
    pub fn disarm(mut self) {
        self.is_armed = false;
    }

    /// Resolves when the access token was removed or the client has disconnected,
    /// which hyper does not notice while another request waits on the connection.
    pub async fn disconnected(&mut self) -> ApiError {
        let mut looks = interval(LOOK);
        loop {
            if self.grant.is_revoked() {
                return Denied::WrongToken.into();
            }
            if self.socket.as_ref().is_some_and(PeerSocket::is_closed) {
                return ApiError::TaskFailed(HUNG_UP.into());
            }
            tokio::select! {
                () = self.grant.revoked() => {}
                _ = looks.tick() => {}
            }
        }
    }

    /// The record of the task once it has ended.
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
                    disconnected = self.disconnected() => return Err(disconnected),
                    _ = stopping.wait_for(|stopping| *stopping) => return Err(restarting(self.id)),
                }
            }
        }
    }
}

/// The error while the daemon stops.
pub fn restarting(id: Uuid) -> ApiError {
    ApiError::Busy(format!(
        "the server is restarting and transcribes the recording afterwards: GET /task/{id}"
    ))
}

/// The error of a failed task: of the recording, or of the server.
pub fn failure(record: &TaskRecord) -> ApiError {
    let reason = record.error.clone().unwrap_or_default();
    match record.is_rejected {
        true => ApiError::NoRecording(reason),
        false => ApiError::TaskFailed(reason),
    }
}

impl Drop for CancelOnDisconnect {
    fn drop(&mut self) {
        if !self.is_armed || *self.app.stopping.borrow() {
            return;
        }
        let why = match self.grant.is_revoked() {
            true => REVOKED,
            false => HUNG_UP,
        };
        let (tasks, id) = (Arc::clone(&self.app.tasks), self.id);
        let reason = format!("{why}; POST /task/{id}/retry transcribes it");
        let cancel = async move {
            let cancelled = blocking::run(move || tasks.cancel(id, &reason)).await;
            if let Err(error) = cancelled {
                warn!(task_id = %id, "{why}, but the cancellation cannot be stored: {error}");
            }
        };
        ring::spawn(cancel.in_current_span());
    }
}
