//! Reading tasks and their transcripts.

mod delete;
mod detail;
mod list;
mod progress;
mod retry;
mod transcript;

use std::sync::Arc;

use hyper::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::App;
use super::api_error::ApiError;
use super::reply::{self, Reply};
use crate::access::Caller;
use crate::store::helper;
use crate::task::{TaskProgress, TaskRecord};

pub use delete::delete;
pub use detail::detail;
pub use list::list;
pub use progress::progress;
pub use retry::retry;
pub use transcript::transcript;

/// The answer to whoever sent the last bytes of a recording: what becomes of it.
pub fn queued(status: StatusCode, id: Uuid) -> Reply {
    let document = json!({ "identifier": id, "message": "Task queued" });
    reply::json(status, &document)
}

/// A task, if it is the caller's. Somebody else's reads like one that does not
/// exist.
async fn find(app: &App, caller: &Caller, id: Option<Uuid>) -> Result<Arc<TaskRecord>, ApiError> {
    let id = id.ok_or(ApiError::TaskNotFound)?;
    let tasks = Arc::clone(&app.tasks);
    helper::run(move || tasks.find(id))
        .await
        .filter(|record| caller.may_use(record.owner.as_deref()))
        .ok_or(ApiError::TaskNotFound)
}

/// How far it is what will be, or is, a task of this id, from its upload on;
/// `None` if nothing of the caller's has it.
pub async fn standing(app: &App, caller: &Caller, id: Uuid) -> Option<TaskProgress> {
    if let Ok(record) = find(app, caller, Some(id)).await {
        return Some(app.tasks.progress(&record));
    }
    let (status, facts) = app.uploads.durable(id).await.ok()?;
    let is_theirs = caller.may_use(facts.owner.as_deref());
    is_theirs.then(|| TaskProgress::uploading(status.offset, status.length))
}

/// Adds where it waits, if it does, to what is told of it.
pub fn tell_place(told: &mut Value, standing: &TaskProgress) {
    if let TaskProgress::Queued { ahead, wait_s } = standing {
        told["queue_position"] = json!(ahead + 1);
        told["estimated_wait_s"] = json!(wait_s);
    }
}

/// A parameter of a query, decoded. Of a parameter that is there twice the
/// first one counts.
pub fn parameter<'a>(query: Option<&'a str>, name: &str) -> Option<std::borrow::Cow<'a, str>> {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value)
}
