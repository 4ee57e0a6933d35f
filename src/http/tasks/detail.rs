//! `GET /task/{id}`.

use std::sync::Arc;

use hyper::StatusCode;
use uuid::Uuid;

use super::find;
use crate::access::Caller;
use crate::blocking;
use crate::http::app::App;
use crate::http::error::api::ApiError;
use crate::http::reply::{self, Reply};
use crate::task::document;

/// A task with its transcript.
pub async fn detail(app: &App, caller: &Caller, id: Option<Uuid>) -> Result<Reply, ApiError> {
    let record = find(app, caller, id).await?;
    let tasks = Arc::clone(&app.tasks);
    match blocking::run(move || document(&tasks, &record)).await {
        Ok(document) => Ok(reply::json(StatusCode::OK, &document)),
        Err(error) => Err(ApiError::Internal(error.to_string())),
    }
}
