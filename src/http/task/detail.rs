//! `GET /task/{id}`.

use std::sync::Arc;

use hyper::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::super::App;
use super::super::api_error::ApiError;
use super::super::reply::{self, Reply};
use super::{TASK_TYPE, find};
use crate::access::Caller;
use crate::models;
use crate::store::helper;
use crate::task::{Status, TaskRecord, render, transcript};

/// A task with its transcript.
pub async fn detail(app: &App, caller: &Caller, id: Option<Uuid>) -> Result<Reply, ApiError> {
    let record = find(app, caller, id).await?;
    let tasks = Arc::clone(&app.tasks);
    let document = helper::run(move || {
        let segments = match record.status {
            Status::Completed => match transcript::read(&tasks.dir(record.id)) {
                // Past its retention period.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
                segments => Some(segments?),
            },
            _ => None,
        };
        let result = segments
            .map(|segments| render::result(record.language.as_deref(), segments))
            .transpose()?;
        Ok::<_, std::io::Error>(json!({
            "status": record.status,
            "result": result,
            "metadata": metadata(&record),
            "error": record.error,
        }))
    });
    match document.await {
        Ok(document) => Ok(reply::json(StatusCode::OK, &document)),
        Err(error) => Err(ApiError::Internal(error.to_string())),
    }
}

fn metadata(record: &TaskRecord) -> Value {
    json!({
        "task_type": TASK_TYPE,
        "task_params": params(record),
        "language": record.language.as_ref().or(record.wanted_language.as_ref()),
        "file_name": record.file_name,
        "url": null,
        "callback_url": null,
        "duration": record.processing_s(),
        "audio_duration": record.audio_duration,
        "start_time": record.start_time,
        "end_time": record.end_time,
        "model": record.model.as_deref().map(|model| match model {
            models::DEMO => format!("{model}: {}", models::DEMO_NOTICE),
            _ => model.to_owned(),
        }),
        "format": record.format,
        "warning": record.warning,
    })
}

/// What was asked for; wishes that nobody had are not there.
fn params(record: &TaskRecord) -> Value {
    let mut params = serde_json::to_value(&record.options).unwrap_or_default();
    params["language"] = json!(record.wanted_language);
    params["model"] = json!(record.wanted_model);
    params
}
