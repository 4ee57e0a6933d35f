//! `GET /tasks/{id}/progress`.

use hyper::StatusCode;
use serde_json::json;
use uuid::Uuid;

use super::super::App;
use super::super::api_error::ApiError;
use super::super::reply::{self, Reply};
use super::find;
use crate::access::Caller;
use crate::task::Status;

/// How far a task is, from its upload on. Both spellings of stage and
/// percentage are sent: clients of both kinds exist.
pub async fn progress(app: &App, caller: &Caller, id: Option<Uuid>) -> Result<Reply, ApiError> {
    let id = id.ok_or(ApiError::TaskNotFound)?;
    let found = find(app, caller, Some(id)).await;
    let task = found.ok().map(|record| app.tasks.progress(&record));
    let (status, stage, percentage, message, error) = match task {
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
            let upload = uploading(app, caller, id)
                .await
                .ok_or(ApiError::TaskNotFound)?;
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

/// The upload of this id, if it is the caller's and not finished.
async fn uploading(app: &App, caller: &Caller, id: Uuid) -> Option<crate::upload::Status> {
    let (status, facts) = app.uploads.durable(id).await.ok()?;
    caller.may_use(facts.owner.as_deref()).then_some(status)
}
