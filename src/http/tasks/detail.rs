//! `GET /task/{id}`.

use std::sync::Arc;

use hyper::StatusCode;

use crate::blocking;
use crate::http::app::App;
use crate::http::error::api::ApiError;
use crate::http::owned::OwnedTask;
use crate::http::reply::{self, Reply};
use crate::task::document;

/// A task with its transcript.
pub async fn detail(app: &App, task: OwnedTask) -> Result<Reply, ApiError> {
    let tasks = Arc::clone(&app.tasks);
    match blocking::run(move || document(&tasks, task.record())).await {
        Ok(document) => Ok(reply::json(StatusCode::OK, &document)),
        Err(error) => Err(ApiError::Internal(error.to_string())),
    }
}
