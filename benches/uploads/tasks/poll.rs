//! Polling.

use std::time::Duration;

/// Time between two looks at a task.
pub const POLL: Duration = Duration::from_millis(10);
