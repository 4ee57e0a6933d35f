//! DELETE: an upload nobody wants any more (termination extension).

use std::sync::Arc;

use hyper::{Request, StatusCode};
use uuid::Uuid;

use super::super::App;
use super::super::reply::{self, Reply};
use super::{TUS_RESUMABLE, TusError, VERSION, check_version, owned};
use crate::access::Caller;
use crate::store::helper;
use crate::task::DeleteError;
use crate::upload::UploadError;

/// Answers DELETE. A finished upload goes with its task and transcript.
pub async fn terminate<B>(
    app: &App,
    caller: &Caller,
    id: Option<Uuid>,
    request: &Request<B>,
) -> Result<Reply, TusError> {
    check_version(request.headers())?;
    let id = owned(app, caller, id).await?;
    let tasks = Arc::clone(&app.tasks);
    let is_task = helper::run(move || tasks.find(id).map(|_| tasks.delete(id))).await;
    match is_task {
        None => app.uploads.terminate(id).await?,
        Some(deleted) => deleted.map_err(|error| match error {
            DeleteError::NotFound => UploadError::NotFound,
            DeleteError::Busy => UploadError::Busy,
            DeleteError::Storage(error) => UploadError::Storage(error),
        })?,
    }
    let mut reply = reply::empty(StatusCode::NO_CONTENT);
    reply::set(&mut reply, TUS_RESUMABLE, VERSION);
    Ok(reply)
}
