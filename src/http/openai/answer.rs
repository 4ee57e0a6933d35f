//! The transcript as it was asked for.

use std::io;
use std::sync::Arc;

use hyper::StatusCode;

use super::fields::Wanted;
use crate::blocking;
use crate::http::app::App;
use crate::http::error::api::ApiError;
use crate::http::reply::{self, Reply};
use crate::render::render;
use crate::task::TaskRecord;

/// Answers with the transcript of a completed task.
pub async fn answer(app: &App, wanted: Wanted, record: Arc<TaskRecord>) -> Result<Reply, ApiError> {
    let dir = app.tasks.dir(record.id);
    let format = wanted.format;
    match blocking::run(move || render(format, &record.transcript(&dir))).await {
        Ok(document) => {
            let content_type = format.content_type();
            Ok(reply::body(StatusCode::OK, content_type, document))
        }
        // Deleted at this moment.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(ApiError::TaskNotFound),
        Err(error) => Err(ApiError::Internal(error.to_string())),
    }
}
