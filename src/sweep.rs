//! Everything that is taken away because its time is over: one pass, for the
//! timer and for the daemon's start.

use std::io;
use std::time::Duration;

use crate::config::Config;
use crate::store::Layout;
use crate::task::{self, Retention};
use crate::upload;

/// What counts as over.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    idle_expiry: Duration,
    retention: Retention,
}

impl Rules {
    /// As configured.
    pub fn of(config: &Config) -> Rules {
        Rules {
            idle_expiry: config.upload.idle_expiry,
            retention: config.retention,
        }
    }
}

/// What a pass took away; its text is the summary line.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Summary {
    uploads: upload::Swept,
    tasks: task::Removed,
}

/// One pass, safe beside a running daemon and beside other passes. Blocks on
/// the disk.
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
