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

use crate::access::Caller;
use crate::blocking;
use crate::http::app::App;
use crate::http::error::api::ApiError;
use crate::http::reply::{self, Reply};
use crate::task::{Standing, TaskRecord};

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
    blocking::run(move || tasks.find(id))
        .await
        .filter(|record| caller.may_use(record.owner.as_deref()))
        .ok_or(ApiError::TaskNotFound)
}

/// How far it is what will be, or is, a task of this id, from its upload on;
/// `None` if nothing of the caller's has it.
pub async fn standing(app: &App, caller: &Caller, id: Uuid) -> Option<Standing> {
    if let Ok(record) = find(app, caller, Some(id)).await {
        return Some(app.tasks.standing(&record));
    }
    let (status, facts) = app.uploads.durable(id).await.ok()?;
    let is_theirs = caller.may_use(facts.owner.as_deref());
    is_theirs.then(|| Standing::uploading(status.offset, status.length))
}

/// Adds where it waits, if it does, to what is told of it.
pub fn tell_place(told: &mut Value, standing: &Standing) {
    if let Standing::Queued { before, wait_s } = standing {
        told["queue_position"] = json!(before + 1);
        told["estimated_wait_s"] = json!(wait_s);
    }
}
