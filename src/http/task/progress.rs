//! `GET /tasks/{id}/progress`.

use hyper::StatusCode;
use serde_json::json;
use uuid::Uuid;

use super::super::App;
use super::super::api_error::ApiError;
use super::super::reply::{self, Reply};
use super::find;
use crate::task::Status;

/// How far a task is, from its upload on. Both spellings of stage and
/// percentage are sent: clients of both kinds exist.
pub async fn progress(app: &App, id: Option<Uuid>) -> Result<Reply, ApiError> {
    let id = id.ok_or(ApiError::TaskNotFound)?;
    let found = find(app, Some(id)).await;
    let (status, stage, percentage, message, error) = match app.tasks.progress(id) {
        Some(task) => match task.status {
            Status::Queued => {
                let message = format!("{} before it", task.waiting);
                ("queued", "queued", 0.0, message, None)
            }
            Status::Processing => (
                "processing",
                "transcribing",
                task.percentage,
                "transcribing".to_owned(),
                None,
            ),
            Status::Completed => ("completed", "complete", 100.0, "done".to_owned(), None),
            Status::Failed => ("failed", "complete", 100.0, "failed".to_owned(), task.error),
        },
        None => {
            let Ok(upload) = app.uploads.status(id).await else {
                return Err(found.err().unwrap_or(ApiError::TaskNotFound));
            };
            let length = upload.length.unwrap_or(upload.offset).max(1);
            let percentage = upload.offset as f64 * 100.0 / length as f64;
            (
                "queued",
                "uploading",
                percentage,
                "uploading".to_owned(),
                None,
            )
        }
    };
    // One decimal is as fine as anybody shows it.
    let percentage = (percentage * 10.0).round() / 10.0;
    Ok(reply::json(
        StatusCode::OK,
        &json!({
            "identifier": id,
            "status": status,
            "progress_percentage": percentage,
            "progress_stage": stage,
            "stage": stage,
            "percentage": percentage,
            "message": message,
            "error": error,
        }),
    ))
}
