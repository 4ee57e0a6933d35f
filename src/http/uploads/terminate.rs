//! DELETE: removes an upload (TUS, termination extension;
//! Resumable Uploads for HTTP, upload cancellation).

use std::sync::Arc;

use hyper::{Request, StatusCode};

use super::ietf::check_bare;
use crate::blocking;
use crate::http::app::App;
use crate::http::error::upload::ProtocolError;
use crate::http::headers::upload_protocol::Protocol;
use crate::http::owned::OwnedUpload;
use crate::http::reply::{self, Reply};
use crate::task::DeleteError;
use crate::upload::UploadError;

/// Handles DELETE. A finished upload is removed with its task and transcript.
pub async fn terminate<B>(
    app: &App,
    protocol: Protocol,
    upload: OwnedUpload,
    request: &Request<B>,
) -> Result<Reply, ProtocolError> {
    if let Protocol::Ietf(interop) = protocol {
        check_bare(request.headers(), interop)?;
    }
    let id = upload.id();
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
