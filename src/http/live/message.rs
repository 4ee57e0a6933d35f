//! The messages, as JSON.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::http::tasks::add_place;
use crate::protocol::Segment;
use crate::task::{TaskProgress, now};

/// The progress of a task.
pub fn progress(id: Uuid, progress: &TaskProgress) -> String {
    match progress {
        TaskProgress::Failed { reason } => {
            let text = format!("The transcription failed: {reason}");
            error(id, "TRANSCRIPTION_FAILED", &text, reason)
        }
        _ => {
            let message = progress.message();
            let mut document = stage(id, progress.stage(), progress.percentage(), &message);
            add_place(&mut document, progress);
            document.to_string()
        }
    }
}

/// There is no upload of this id yet.
pub fn waiting(id: Uuid) -> String {
    stage(id, "uploading", 0.0, "waiting for the upload").to_string()
}

/// The task or upload was deleted.
pub fn deleted(id: Uuid) -> String {
    let text = "The upload or task was deleted or has expired.";
    error(id, "TASK_DELETED", text, "nothing of this id is left")
}

/// The access token was removed.
pub fn token_removed(id: Uuid) -> String {
    let text = "Your access token is not valid any more; ask for a new one.";
    error(id, "ACCESS_REVOKED", text, "the access token was removed")
}

/// A new segment.
pub fn segment(segment: &Segment) -> String {
    let Segment {
        start, end, text, ..
    } = segment;
    json!({ "type": "segment", "start": start, "end": end, "text": text }).to_string()
}

/// Sent so that the connection is not idle.
pub fn heartbeat() -> String {
    json!({ "type": "heartbeat", "timestamp": now() }).to_string()
}

/// The response to a ping.
pub fn pong() -> String {
    json!({ "type": "pong" }).to_string()
}

fn stage(id: Uuid, stage: &str, percentage: f64, message: &str) -> Value {
    json!({
        "type": "progress",
        "task_id": id,
        "stage": stage,
        "percentage": percentage,
        "message": message,
        "timestamp": now(),
    })
}

fn error(id: Uuid, code: &str, user_message: &str, technical_detail: &str) -> String {
    json!({
        "type": "error",
        "task_id": id,
        "error_code": code,
        "user_message": user_message,
        "technical_detail": technical_detail,
        "timestamp": now(),
    })
    .to_string()
}
