//! `GET /task/{id}/transcript?format=`.

use std::sync::Arc;

use crate::http::app::App;
use crate::http::error::api::ApiError;
use crate::http::headers::query::parameter;
use crate::http::owned::OwnedTask;
use crate::http::reply::Reply;
use crate::http::reply::document::document;
use crate::render::{Format, UnknownFormat, render};
use crate::task::Status;

/// The transcript of a completed task, as plain text if nothing else is asked for.
pub async fn transcript(
    app: &App,
    task: OwnedTask,
    query: Option<&str>,
) -> Result<Reply, ApiError> {
    let record = task.record();
    let format: Format = parameter(query, "format")
        .unwrap_or("txt".into())
        .parse()
        .map_err(|error: UnknownFormat| ApiError::Validation(error.to_string()))?;
    match record.status {
        Status::Completed => {}
        Status::Queued => return Err(ApiError::NotCompleted("queued")),
        Status::Processing => return Err(ApiError::NotCompleted("being transcribed")),
        Status::Failed => {
            return Err(ApiError::TaskFailed(
                record.error.clone().unwrap_or_default(),
            ));
        }
    }
    let tasks = Arc::clone(&app.tasks);
    let record = Arc::clone(record);
    let open = move || {
        let transcript = record.transcript(&tasks.dir(record.id))?;
        Ok(render(format, &transcript))
    };
    let reply = document(format.content_type(), open).await;
    reply.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => ApiError::TranscriptGone,
        _ => ApiError::Internal(error.to_string()),
    })
}
