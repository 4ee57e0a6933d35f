//! `/health`, `/health/live`, `/health/ready`.

use hyper::{Request, StatusCode};
use serde_json::json;

use crate::access::Client;
use crate::engine_client::EngineState;
use crate::http::app::App;
use crate::http::auth;
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

/// Recordings are transcribed, or 503. Uploads are accepted in any case. Which
/// model there is and what is missing, which may have paths and names of devices in
/// it, is only for clients that may use the server.
pub fn ready<B>(app: &App, client: Client, request: &Request<B>) -> Reply {
    let is_admitted = auth::admit(app, client, request).is_ok();
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
                _ if !is_admitted => "ready".to_owned(),
                name => format!("ready with model {name} on {}", model.device),
            };
            (StatusCode::OK, message, Some(model).filter(|_| is_admitted))
        }
        EngineState::Starting => (
            StatusCode::SERVICE_UNAVAILABLE,
            "the transcription engine is starting".to_owned(),
            None,
        ),
        EngineState::Loading { model } => (
            StatusCode::SERVICE_UNAVAILABLE,
            match is_admitted {
                true => format!("loading model {model}"),
                false => "loading a model".to_owned(),
            },
            None,
        ),
        EngineState::Unusable { reason } => (
            StatusCode::SERVICE_UNAVAILABLE,
            match is_admitted {
                true => format!("recordings are taken but not transcribed: {reason}"),
                false => "recordings are taken but not transcribed; send an access token to see the reason, or read the journal".to_owned(),
            },
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
