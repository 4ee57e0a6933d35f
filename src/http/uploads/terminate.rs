//! DELETE: an upload nobody wants any more (TUS, termination extension;
//! Resumable Uploads for HTTP, upload cancellation).

use std::sync::Arc;

use hyper::{Request, StatusCode};
use uuid::Uuid;

use super::ietf::check_bare;
use super::owned::owned;
use super::tus::check_version;
use crate::access::Caller;
use crate::blocking;
use crate::http::app::App;
use crate::http::error::upload::ProtocolError;
use crate::http::headers::upload_protocol::Protocol;
use crate::http::reply::{self, Reply};
use crate::task::DeleteError;
use crate::upload::UploadError;

/// Answers DELETE. A finished upload goes with its task and transcript.
pub async fn terminate<B>(
    app: &App,
    caller: &Caller,
    protocol: Protocol,
    id: Option<Uuid>,
    request: &Request<B>,
) -> Result<Reply, ProtocolError> {
    match protocol {
        Protocol::Tus => check_version(request.headers())?,
        Protocol::Ietf(interop) => check_bare(request.headers(), interop)?,
    }
    let id = owned(app, caller, id).await?;
    let tasks = Arc::clone(&app.tasks);
    let is_task = blocking::run(move || tasks.find(id).map(|_| tasks.delete(id))).await;
    match is_task {
        None => app.uploads.terminate(id).await?,
        Some(deleted) => deleted.map_err(|error| match error {
            DeleteError::NotFound => UploadError::NotFound,
            DeleteError::Busy => UploadError::Busy,
            DeleteError::Storage(error) => UploadError::Storage(error),
        })?,
    }
    let mut reply = reply::empty(StatusCode::NO_CONTENT);
    protocol.mark(&mut reply);
    Ok(reply)
}
