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
use crate::task::Standing;

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

/// Adds where it waits, if it does, to what is told of it.
pub fn tell_place(told: &mut Value, standing: &Standing) {
    if let Standing::Queued { before, wait_s } = standing {
        told["queue_position"] = json!(before + 1);
        told["estimated_wait_s"] = json!(wait_s);
    }
}
