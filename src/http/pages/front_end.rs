//! `/ui/`: the files of a front end; `/`: the same if configured, else a redirect to
//! it, or a status page.

use hyper::header::LOCATION;
use hyper::{Request, StatusCode};

use crate::access::Client;
use crate::engine_client::EngineState;
use crate::http::app::App;
use crate::http::auth;
use crate::http::error::api::ApiError;
use crate::http::reply::{self, Reply};
use crate::models;

/// The path of the front end.
const PLACE: &str = "/ui";

/// Handles GET below [`PLACE`].
pub async fn ui<B>(app: &App, asked: &Request<B>) -> Result<Reply, ApiError> {
    let front_end = app.front_end.as_ref().ok_or(ApiError::NoRoute)?;
    match asked.uri().path().strip_prefix(PLACE) {
        // Relative URLs in its pages need the slash.
        Some("") | None => Ok(moved("ui/")),
        Some(path) => front_end.file(path, asked.headers()).await,
    }
}

/// Handles GET of `/`, and of unknown paths if a front end is served there.
pub async fn root<B>(app: &App, client: Client, asked: &Request<B>) -> Result<Reply, ApiError> {
    match &app.front_end {
        Some(front_end) if front_end.is_at_root() => {
            front_end.file(asked.uri().path(), asked.headers()).await
        }
        Some(_) => Ok(moved("ui/")),
        None => {
            let is_admitted = auth::admit(app, client, asked).is_ok();
            let page = page(app, is_admitted);
            Ok(reply::body(
                StatusCode::OK,
                "text/html; charset=utf-8",
                page,
            ))
        }
    }
}

/// A redirect, relative so that it works below any prefix.
fn moved(to: &str) -> Reply {
    let mut reply = reply::empty(StatusCode::FOUND);
    reply::set(&mut reply, LOCATION, to);
    reply
}

fn page(app: &App, is_admitted: bool) -> String {
    let state = match app.engine.state() {
        EngineState::Ready(model) if model.name == models::DEMO => {
            format!("only the demo model is installed: {}", models::DEMO_NOTICE)
        }
        EngineState::Ready(_) if !is_admitted => "ready".to_owned(),
        EngineState::Ready(model) => {
            format!("ready with model {} on {}", model.name, model.device)
        }
        EngineState::Starting | EngineState::Loading { .. } => "loading its model".to_owned(),
        EngineState::Unusable { .. } => "takes uploads, but cannot transcribe".to_owned(),
    };
    PAGE.replace("VERSION", env!("CARGO_PKG_VERSION"))
        .replace("STATE", &escaped(&state))
}

const PAGE: &str = include_str!("front_end.html");

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
