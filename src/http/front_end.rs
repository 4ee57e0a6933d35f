//! `/ui/`: the pages of a front end, from a folder; `/`: the same where that is
//! configured, else the way there, or a page of our own that tells what this is.

use std::io;
use std::path::Path;

use hyper::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_RANGE, LOCATION,
    RANGE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Request, Response, StatusCode};
use tower_http::services::{ServeDir, ServeFile};

use super::App;
use super::api_error::ApiError;
use super::reply::{self, Reply};
use crate::engine_client::EngineState;
use crate::models;

/// Where its pages lie on the server.
const PLACE: &str = "/ui";

/// A built single-page application.
#[derive(Debug, Clone)]
pub struct FrontEnd {
    files: ServeDir,
    /// For addresses that only the application itself knows.
    index: ServeFile,
    /// It is also served at `/`.
    is_at_root: bool,
}

impl FrontEnd {
    /// The one in this folder.
    pub fn at(dir: &Path) -> FrontEnd {
        FrontEnd {
            files: ServeDir::new(dir).precompressed_br().precompressed_gzip(),
            index: ServeFile::new(dir.join("index.html")),
            is_at_root: false,
        }
    }

    /// The same, served also at `/`, wherever nothing else is.
    pub fn at_root(dir: &Path) -> FrontEnd {
        FrontEnd {
            is_at_root: true,
            ..FrontEnd::at(dir)
        }
    }

    /// Whether it is served at `/`, too.
    pub fn is_at_root(&self) -> bool {
        self.is_at_root
    }

    /// Answers GET of a file. What is no file and does not look like one gets
    /// the application's first page: it knows the address.
    async fn file(&self, path: &str, headers: &HeaderMap) -> Result<Reply, ApiError> {
        let mut found = self.files.clone().try_call(request(path, headers)?).await;
        let last = path.rsplit('/').next().unwrap_or_default();
        if is_missing(&found) && !last.contains('.') {
            found = self.index.clone().try_call(request("/", headers)?).await;
        }
        if is_missing(&found) {
            return Err(ApiError::NoRoute);
        }
        let found = found.map_err(|error| ApiError::Internal(format!("{path}: {error}")))?;
        let mut reply = found.map(reply::streamed);
        if reply.headers().contains_key(LOCATION) {
            // To the folder that was asked for, wherever that lies for the client.
            reply::set(&mut reply, LOCATION, format!("{last}/"));
        }
        let headers = reply.headers_mut();
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        // A new release counts at once; what has not changed is not sent again.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        Ok(reply)
    }
}

fn is_missing<B>(found: &io::Result<Response<B>>) -> bool {
    match found {
        Ok(found) => found.status() == StatusCode::NOT_FOUND,
        // What no file can be called is not there either.
        Err(error) => matches!(
            error.kind(),
            io::ErrorKind::NotFound
                | io::ErrorKind::NotADirectory
                | io::ErrorKind::PermissionDenied
                | io::ErrorKind::InvalidInput
                | io::ErrorKind::InvalidFilename
        ),
    }
}

/// What tells which form of a file is wanted.
fn request(path: &str, headers: &HeaderMap) -> Result<Request<reply::Nothing>, ApiError> {
    let mut asked = Request::new(reply::Nothing::new());
    *asked.uri_mut() = path.parse().map_err(|_| ApiError::NoRoute)?;
    for name in [ACCEPT_ENCODING, IF_MODIFIED_SINCE, IF_RANGE, RANGE] {
        if let Some(value) = headers.get(&name) {
            asked.headers_mut().insert(name, value.clone());
        }
    }
    Ok(asked)
}

/// Answers GET of a path in [`PLACE`].
pub async fn ui<B>(app: &App, asked: &Request<B>) -> Result<Reply, ApiError> {
    let front_end = app.front_end.as_ref().ok_or(ApiError::NoRoute)?;
    match asked.uri().path().strip_prefix(PLACE) {
        // Relative addresses in its pages need the slash.
        Some("") | None => Ok(moved("ui/")),
        Some(path) => front_end.file(path, asked.headers()).await,
    }
}

/// Answers GET of `/`, and of what is nowhere else if a front end is served there.
pub async fn root<B>(app: &App, asked: &Request<B>) -> Result<Reply, ApiError> {
    match &app.front_end {
        Some(front_end) if front_end.is_at_root() => {
            front_end.file(asked.uri().path(), asked.headers()).await
        }
        Some(_) => Ok(moved("ui/")),
        None => {
            let page = page(app);
            Ok(reply::body(
                StatusCode::OK,
                "text/html; charset=utf-8",
                page,
            ))
        }
    }
}

/// Relative, so that it holds below any path.
fn moved(to: &str) -> Reply {
    let mut reply = reply::empty(StatusCode::FOUND);
    reply::set(&mut reply, LOCATION, to);
    reply
}

fn page(app: &App) -> String {
    let state = match app.engine.state() {
        EngineState::Ready(model) if model.name == models::DEMO => {
            format!("only the demo model is installed: {}", models::DEMO_NOTICE)
        }
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
