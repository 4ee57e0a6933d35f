//! `GET /tasks/{id}/progress`.

use hyper::StatusCode;
use serde_json::json;

use super::add_place;
use crate::http::owned::OwnedProgress;
use crate::http::reply::{self, Reply};
use crate::task::TaskProgress;

/// The progress of a task, from its upload on. Stage and percentage have two
/// names each, since clients of both kinds exist.
pub fn progress(OwnedProgress { id, progress }: OwnedProgress) -> Reply {
    let (status, error) = match &progress {
        TaskProgress::Uploading { .. } | TaskProgress::Queued { .. } => ("queued", None),
        TaskProgress::Transcribing { .. } | TaskProgress::Paused { .. } => ("processing", None),
        TaskProgress::Complete { .. } => ("completed", None),
        TaskProgress::Failed { reason } => ("failed", Some(reason)),
    };
    let (stage, percentage) = (progress.stage(), progress.percentage());
    let mut document = json!({
        "identifier": id,
        "status": status,
        "progress_percentage": percentage,
        "progress_stage": stage,
        "stage": stage,
        "percentage": percentage,
        "message": progress.message(),
        "error": error,
    });
    add_place(&mut document, &progress);
    reply::json(StatusCode::OK, &document)
}
