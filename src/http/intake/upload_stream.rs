//! `POST /upload/stream`.

use hyper::{Request, StatusCode};
use serde_json::json;

use super::intake;
use crate::access::Caller;
use crate::http::app::App;
use crate::http::connection::request_body::RequestBody;
use crate::http::error::api::ApiError;
use crate::http::reply::{self, Reply};

/// Stores a recording and describes it.
pub async fn upload_stream(
    app: &App,
    caller: &Caller,
    request: Request<RequestBody>,
) -> Result<Reply, ApiError> {
    let taken = intake(app, caller, request).await?;
    Ok(reply::json(
        StatusCode::OK,
        &json!({
            "upload_id": taken.id,
            "filename": taken.filename,
            "size_bytes": taken.size_bytes,
            // RFC 2046, section 4.5.1, for an unknown type.
            "detected_type": taken.detected_type.unwrap_or("application/octet-stream"),
        }),
    ))
}
