//! `GET /tasks/{id}/progress`.

use hyper::StatusCode;
use serde_json::json;
use uuid::Uuid;

use super::super::App;
use super::super::api_error::ApiError;
use super::super::reply::{self, Reply};
use super::{standing, tell_place};
use crate::access::Caller;
use crate::task::TaskProgress;

/// How far a task is, from its upload on. Both spellings of stage and
/// percentage are sent: clients of both kinds exist.
pub async fn progress(app: &App, caller: &Caller, id: Option<Uuid>) -> Result<Reply, ApiError> {
    let id = id.ok_or(ApiError::TaskNotFound)?;
    let standing = standing(app, caller, id).await;
    let standing = standing.ok_or(ApiError::TaskNotFound)?;
    let (status, error) = match &standing {
        TaskProgress::Uploading { .. } | TaskProgress::Queued { .. } => ("queued", None),
        TaskProgress::Transcribing { .. } => ("processing", None),
        TaskProgress::Complete { .. } => ("completed", None),
        TaskProgress::Failed { reason } => ("failed", Some(reason)),
    };
    let (stage, percentage) = (standing.stage(), standing.percentage());
    let mut told = json!({
        "identifier": id,
        "status": status,
        "progress_percentage": percentage,
        "progress_stage": stage,
        "stage": stage,
        "percentage": percentage,
        "message": standing.message(),
        "error": error,
    });
    tell_place(&mut told, &standing);
    Ok(reply::json(StatusCode::OK, &told))
}
