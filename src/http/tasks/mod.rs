//! Reading tasks and their transcripts.

mod delete;
mod detail;
mod list;
mod progress;
mod retry;
mod transcript;

use hyper::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::http::reply::{self, Reply};
use crate::task::TaskProgress;

pub use delete::delete;
pub use detail::detail;
pub use list::list;
pub use progress::progress;
pub use retry::retry;
pub use transcript::transcript;

/// The response to the last bytes of a recording.
pub fn queued(status: StatusCode, id: Uuid) -> Reply {
    let document = json!({ "identifier": id, "message": "Task queued" });
    reply::json(status, &document)
}

/// Adds the place in the queue, for a queued or interrupted task.
pub fn add_place(document: &mut Value, progress: &TaskProgress) {
    if let TaskProgress::Queued { ahead, wait_s } | TaskProgress::Paused { ahead, wait_s, .. } =
        progress
    {
        document["queue_position"] = json!(ahead + 1);
        document["estimated_wait_s"] = json!(wait_s);
    }
}
