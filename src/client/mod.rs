//! The client of `scribed send`: a TUS client that resumes uploads automatically.

mod http;
mod resume_store;
mod tus;

use serde::Deserialize;

pub use http::{Server, ServerError};
pub use tus::{Event, FileToSend, SendError, Sent, send};

/// The progress of a task.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct TaskProgress {
    /// `queued`, `processing`, `completed` or `failed`.
    pub status: String,
    /// 0..=100.
    pub percentage: f64,
    /// A description for users.
    pub message: String,
    /// The error of a failed task.
    pub error: Option<String>,
}

/// Gets the progress of a task.
pub async fn progress(server: &Server, task: &str) -> Result<TaskProgress, ServerError> {
    let json = server.get(&format!("/tasks/{task}/progress")).await?;
    serde_json::from_str(&json).map_err(|error| ServerError::InvalidResponse(error.to_string()))
}

/// Gets the transcript of a completed task.
pub async fn transcript(server: &Server, task: &str, format: &str) -> Result<String, ServerError> {
    server
        .get(&format!("/task/{task}/transcript?format={format}"))
        .await
}
