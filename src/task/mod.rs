//! What becomes of a finished upload: its task, its transcript.
//!
//! A task needs no creation of its own: a finished upload *is* a task, of the
//! same id, so there is exactly one, also across crashes (I4). Its record
//! `task.json` is written into the upload's folder whenever its state changes;
//! a finished upload without one is queued.

mod accounts;
mod document;
mod events;
mod follow;
mod forecast;
mod index;
mod inspect;
mod job_progress;
mod outbox;
mod pace;
mod places;
mod progress;
mod queue;
mod record;
mod residency;
mod retention;
mod retry;
mod run;
mod scheduler;
mod search;
#[cfg(test)]
mod simulation;
mod slots;
mod space;
mod state;
mod tasks;
pub mod transcript;
mod turn;
mod worker;

pub use document::{TASK_TYPE, TaskDocument};
pub use events::{Gone, Listener};
pub use follow::{Follower, TaskEvent};
pub use index::Query;
pub use inspect::refusal;
pub use outbox::{Callback, CallbackStatus, Outbox};
pub use progress::{TaskProgress, TranscriptPosition};
pub use record::{Status, TaskRecord, now};
pub use retention::{Keep, Removed, Retention, sweep};
pub use retry::RetryError;
pub use search::Page;
pub use tasks::{DeleteError, Tasks};
pub use worker::{WorkerSettings, process_queue};
