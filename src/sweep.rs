//! Removes everything that has expired: expired and abandoned uploads, and
//! recordings and transcripts past their retention. One pass; the timer and the
//! daemon's start run it.

use std::io;
use std::time::Duration;

use crate::config::Config;
use crate::store::Layout;
use crate::task::{self, Retention};
use crate::upload;

/// When uploads, recordings and transcripts expire.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    idle_expiry: Duration,
    retention: Retention,
}

impl Rules {
    /// The rules in the configuration.
    pub fn of(config: &Config) -> Rules {
        Rules {
            idle_expiry: config.upload.idle_expiry,
            retention: config.retention,
        }
    }
}

/// What a pass removed; [`Display`](std::fmt::Display) gives the summary line.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Summary {
    uploads: upload::Swept,
    tasks: task::Removed,
}

/// Runs one pass. Safe while a daemon or another pass is running. Blocks on the
/// disk.
pub fn sweep(layout: &Layout, rules: Rules) -> io::Result<Summary> {
    Ok(Summary {
        uploads: upload::sweep(layout, rules.idle_expiry)?,
        tasks: task::sweep(layout, rules.retention)?,
    })
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Summary { uploads, tasks } = self;
        write!(
            f,
            "removed {} expired uploads, {} orphans, {} recordings and {} transcripts past their retention: {} bytes",
            uploads.expired,
            uploads.orphans,
            tasks.recordings,
            tasks.transcripts,
            uploads.freed_bytes + tasks.freed_bytes
        )
    }
}
