//! Reading tasks and their transcripts.

mod delete;
mod detail;
mod list;
mod progress;
mod retry;
mod transcript;

use std::sync::Arc;

use hyper::StatusCode;
use serde_json::json;
use uuid::Uuid;

use super::App;
use super::api_error::ApiError;
use super::reply::{self, Reply};
use crate::access::Caller;
use crate::store::helper;
use crate::task::TaskRecord;

pub use delete::delete;
pub use detail::detail;
pub use list::list;
pub use progress::progress;
pub use retry::retry;
pub use transcript::transcript;

/// What every task of ours does.
const TASK_TYPE: &str = "full_process";

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

/// The parameters of a query, decoded. Of a parameter that is there twice the
/// first one counts.
fn parameter<'a>(query: Option<&'a str>, name: &str) -> Option<std::borrow::Cow<'a, str>> {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value)
}
