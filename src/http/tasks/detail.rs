//! `GET /task/{id}`.

use std::sync::Arc;

use crate::http::app::App;
use crate::http::error::api::ApiError;
use crate::http::owned::OwnedTask;
use crate::http::reply::Reply;
use crate::http::reply::document::document;
use crate::task::TaskDocument;

/// A task with its transcript.
pub async fn detail(app: &App, task: OwnedTask) -> Result<Reply, ApiError> {
    let tasks = Arc::clone(&app.tasks);
    let open = move || Ok(TaskDocument::of(&tasks, task.record())?.json());
    let reply = document("application/json", open).await;
    reply.map_err(|error| ApiError::Internal(error.to_string()))
}
