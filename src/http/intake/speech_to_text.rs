//! `POST /speech-to-text`.

use hyper::{Request, StatusCode};

use super::intake;
use crate::access::Caller;
use crate::http::app::App;
use crate::http::connection::request_body::RequestBody;
use crate::http::error::api::ApiError;
use crate::http::reply::Reply;
use crate::http::tasks::queued;

/// Stores a recording, which is then transcribed with the options in the query.
pub async fn speech_to_text(
    app: &App,
    caller: &Caller,
    request: Request<RequestBody>,
) -> Result<Reply, ApiError> {
    let taken = intake(app, caller, request).await?;
    Ok(queued(StatusCode::OK, taken.id))
}
