//! The sending side: a TUS client that resumes by itself, used by `scribed send`.

mod http;
mod memory;
mod tus;

use serde::Deserialize;

pub use http::{Server, ServerError};
pub use tus::{Event, Recording, SendError, Sent, send};

/// How far the server is with a task.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct TaskProgress {
    /// `queued`, `processing`, `completed` or `failed`.
    pub status: String,
    /// 0..=100.
    pub percentage: f64,
    /// For people.
    pub message: String,
    /// Why it failed.
    pub error: Option<String>,
}

/// Asks how far a task is.
pub async fn progress(server: &Server, task: &str) -> Result<TaskProgress, ServerError> {
    let json = server.get(&format!("/tasks/{task}/progress")).await?;
    serde_json::from_str(&json).map_err(|error| ServerError::Nonsense(error.to_string()))
}

/// The transcript of a completed task.
pub async fn transcript(server: &Server, task: &str, format: &str) -> Result<String, ServerError> {
    server
        .get(&format!("/task/{task}/transcript?format={format}"))
        .await
}
