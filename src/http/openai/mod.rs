//! OpenAI's speech API, on the same uploads, queue and transcripts as everything
//! else. A request waits for the end of its task; a client that disconnects while
//! it waits cancels the task.

mod cancel_on_disconnect;
mod fields;
mod models;
mod refusal;
mod stream;
mod streamed_text;
mod transcription;

use std::sync::Arc;

use hyper::{Method, Request};

use crate::access::Caller;
use crate::http::app::App;
use crate::http::connection::request_body::RequestBody;
use crate::http::error::api::ApiError;
use crate::http::reply::Reply;
use crate::options::Task;

pub use refusal::refusal;

/// A resource of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// `/v1/audio/transcriptions`
    Transcriptions,
    /// `/v1/audio/translations`
    Translations,
    /// `/v1/models`
    Models,
    /// `/v1/models/{id}`
    Model,
    /// Another part of that API, which is not here.
    Unknown,
}

impl Route {
    /// That of the segments of a path below `/v1`.
    pub fn of(segments: &[&str]) -> Route {
        match segments {
            ["audio", "transcriptions"] => Route::Transcriptions,
            ["audio", "translations"] => Route::Translations,
            ["models"] => Route::Models,
            ["models", _] => Route::Model,
            _ => Route::Unknown,
        }
    }

    /// The methods it takes, for `Allow`.
    pub fn allowed(self) -> &'static str {
        match self {
            Route::Transcriptions | Route::Translations => "POST",
            Route::Models | Route::Model | Route::Unknown => "GET, HEAD",
        }
    }
}

/// Answers a request; HEAD comes here as GET.
pub async fn answer(
    app: Arc<App>,
    caller: &Caller,
    route: Route,
    method: &Method,
    request: Request<RequestBody>,
) -> Result<Reply, ApiError> {
    match (route, method) {
        (Route::Transcriptions, &Method::POST) => {
            transcription::transcribe(app, caller, request, Task::Transcribe).await
        }
        (Route::Translations, &Method::POST) => {
            transcription::transcribe(app, caller, request, Task::Translate).await
        }
        (Route::Models, &Method::GET) => models::list(&app).await,
        (Route::Model, &Method::GET) => models::one(&app, request.uri().path()).await,
        (Route::Unknown, _) => Err(ApiError::NoRoute),
        _ => Err(ApiError::Method(route.allowed().into())),
    }
}
