//! `POST /api/ws/ticket`.

use http_body_util::{BodyExt, Limited};
use hyper::body::Body;
use hyper::{Request, StatusCode};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use crate::access::Caller;
use crate::http::app::App;
use crate::http::connection::request_body::RequestBody;
use crate::http::error::api::ApiError;
use crate::http::owned::OwnedProgress;
use crate::http::reply::{self, Reply};

const BODY_MAX_BYTES: usize = 4 << 10;

#[derive(Deserialize)]
struct Wanted {
    task_id: Uuid,
}

/// Makes a ticket for the live progress of one task of the caller's, or of the
/// upload that becomes one.
pub async fn ticket(
    app: &App,
    caller: &Caller,
    request: Request<RequestBody>,
) -> Result<Reply, ApiError> {
    let wanted = read(request.into_body()).await.ok_or_else(|| {
        let expected = "expected a JSON document with a UUID: {\"task_id\": \"...\"}";
        ApiError::Validation(expected.into())
    })?;
    let task = OwnedProgress::check(app, caller, Some(wanted.task_id)).await?;
    let ticket = app.access.ticket(caller, task.id)?;
    let document = json!({ "ticket": ticket.secret, "expires_at": ticket.expires_at });
    Ok(reply::json(StatusCode::CREATED, &document))
}

async fn read(body: RequestBody) -> Option<Wanted> {
    if body.size_hint().lower() > BODY_MAX_BYTES as u64 {
        return None;
    }
    let body = Limited::new(body, BODY_MAX_BYTES).collect().await.ok()?;
    serde_json::from_slice(&body.to_bytes()).ok()
}
