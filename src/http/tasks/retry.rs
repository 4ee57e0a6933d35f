//! `POST /task/{id}/retry?model=`.

use std::sync::Arc;

use hyper::StatusCode;

use super::queued;
use crate::access::Denied;
use crate::blocking;
use crate::http::app::App;
use crate::http::error::api::ApiError;
use crate::http::headers::query::parameter;
use crate::http::owned::OwnedTask;
use crate::http::reply::Reply;
use crate::http::upload_request::check_model;

/// Transcribes a recording again, say with a better model.
pub async fn retry(app: &App, task: OwnedTask, query: Option<&str>) -> Result<Reply, ApiError> {
    let id = task.record().id;
    let model = parameter(query, "model").filter(|model| !model.is_empty());
    let model = model.map(|model| model.into_owned());
    check_model(app, model.as_deref()).await?;
    let (tasks, grant) = (Arc::clone(&app.tasks), task.grant().clone());
    let retried = blocking::run(move || {
        let _step = grant.step().map_err(|_| Denied::WrongToken)?;
        tasks.retry(id, model).map_err(ApiError::from)
    });
    retried.await?;
    Ok(queued(StatusCode::ACCEPTED, id))
}
