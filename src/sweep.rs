//! Removes everything that has expired: expired and abandoned uploads, and
//! recordings and transcripts past their retention. The timer runs a pass every
//! minute; the daemon runs one at its start, and while no timer does.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, SystemTime};

use tracing::{info, warn};

use crate::blocking;
use crate::config::Config;
use crate::store::Layout;
use crate::task::{self, Retention};
use crate::upload::{self, Uploads};

/// Time between two passes.
const INTERVAL: Duration = Duration::from_secs(60);

/// A timer that did nothing for this long does not run; it may be late by half a
/// minute.
const OVERDUE: Duration = Duration::from_secs(100);

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
    note_sweep(layout)?;
    Ok(Summary {
        uploads: upload::sweep(layout, rules.idle_expiry)?,
        tasks: task::sweep(layout, rules.retention)?,
    })
}

/// Sweeps every minute in which no timer did, and has the daemon's own state follow.
pub async fn every_minute(layout: &Layout, rules: Rules, uploads: &Uploads) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        let layout = layout.clone();
        blocking::run(move || {
            if is_due(&layout) {
                sweep_and_log(&layout, rules);
            }
        })
        .await;
        uploads.tidy().await;
    }
}

/// Runs one pass; the journal has what it removed. Blocks on the disk.
pub fn sweep_and_log(layout: &Layout, rules: Rules) {
    match sweep(layout, rules) {
        Ok(summary) if summary == Summary::default() => {}
        Ok(summary) => info!("{summary}"),
        Err(error) => warn!("sweep failed: {error}"),
    }
}

/// Sets the time of the file that says when the last sweep was.
fn note_sweep(layout: &Layout) -> io::Result<()> {
    let mut options = File::options();
    options.create(true).write(true).truncate(false).mode(0o600);
    let options = options.custom_flags(nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK);
    options
        .open(layout.last_sweep())?
        .set_modified(SystemTime::now())
}

/// Whether the last sweep was longer ago than the timer takes.
fn is_due(layout: &Layout) -> bool {
    let noted = std::fs::symlink_metadata(layout.last_sweep()).and_then(|file| file.modified());
    // A time in the future is a clock that was set.
    noted.map_or(true, |at| at.elapsed().map_or(true, |age| age > OVERDUE))
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
