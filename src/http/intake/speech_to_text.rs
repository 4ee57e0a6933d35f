//! `POST /speech-to-text`.

use hyper::{Request, StatusCode};

use super::super::App;
use super::super::api_error::ApiError;
use super::super::reply::Reply;
use super::super::request_body::RequestBody;
use super::super::task::queued;
use super::intake;
use crate::access::Caller;

/// Takes a recording, with wishes how it is to be transcribed.
pub async fn speech_to_text(
    app: &App,
    caller: &Caller,
    request: Request<RequestBody>,
) -> Result<Reply, ApiError> {
    let taken = intake(app, caller, request).await?;
    Ok(queued(StatusCode::OK, taken.id))
}
