//! `DELETE /task/{id}` and `DELETE /task/{id}/delete`.

use std::sync::Arc;

use hyper::StatusCode;
use serde_json::json;

use crate::blocking;
use crate::http::app::App;
use crate::http::error::api::ApiError;
use crate::http::owned::OwnedTask;
use crate::http::reply::{self, Reply};

/// Deletes a task, its recording and its transcript; cancels a running one.
pub async fn delete(app: &App, task: OwnedTask) -> Result<Reply, ApiError> {
    let id = task.record().id;
    let tasks = Arc::clone(&app.tasks);
    blocking::run(move || tasks.delete(id)).await?;
    Ok(reply::json(
        StatusCode::OK,
        &json!({ "identifier": id, "message": "Task deleted" }),
    ))
}
