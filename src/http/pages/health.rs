//! `/health`, `/health/live`, `/health/ready`.

use hyper::StatusCode;
use serde_json::json;

use crate::engine_client::EngineState;
use crate::http::app::App;
use crate::http::reply::{self, Reply};
use crate::models;

/// The process responds.
pub fn health() -> Reply {
    reply::json(
        StatusCode::OK,
        &json!({ "status": "ok", "message": "scribed is running" }),
    )
}

/// The same, with the time.
pub fn live() -> Reply {
    let timestamp = jiff::Timestamp::now();
    reply::json(
        StatusCode::OK,
        &json!({ "status": "ok", "message": "scribed is running", "timestamp": timestamp }),
    )
}

/// Recordings are transcribed; 503 names what is missing. Uploads are accepted in
/// any case.
pub fn ready(app: &App) -> Reply {
    let (status, message, model) = match app.engine.state() {
        _ if !app.tasks.is_complete() => (
            StatusCode::SERVICE_UNAVAILABLE,
            "reading the state directory".to_owned(),
            None,
        ),
        EngineState::Ready(model) => {
            let message = match model.name.as_str() {
                models::DEMO => {
                    format!("only the demo model is installed: {}", models::DEMO_NOTICE)
                }
                name => format!("ready with model {name} on {}", model.device),
            };
            (StatusCode::OK, message, Some(model))
        }
        EngineState::Starting => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the transcription engine is starting".to_owned(),
            None,
        ),
        EngineState::Loading { model } => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("loading model {model}"),
            None,
        ),
        EngineState::Unusable { reason } => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("recordings are taken but not transcribed: {reason}"),
            None,
        ),
    };
    let word = if status.is_success() {
        "ok"
    } else {
        "unavailable"
    };
    reply::json(
        status,
        &json!({ "status": word, "message": message, "model": model }),
    )
}
