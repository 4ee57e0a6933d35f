//! Nothing acknowledged is ever lost, whatever happens to the disk. The real
//! daemon works on a disk that records every write and every flush; then power
//! cuts are made of the recording, and the daemon is started on each.
//!
//! Needs root, FUSE, loop devices, mkfs.ext4, mkfs.xfs and espeak-ng. What is
//! missing is an error, never a skipped test. The tests must run one after the
//! other (`--test-threads=1`): they share the machine's two cores with the
//! daemons they start.

mod appliance;
#[cfg(feature = "sabotage")]
mod broken;
mod campaign;
mod client;
mod disk;
mod faults;
mod full;
mod joining;
mod powercut;
mod restarts;
mod sharing;
mod slow_disk;
mod states;
mod story;
mod verify;
mod volume;
mod workload;

// What the end-to-end tests have for their own use, too.
#[path = "../e2e/daemon.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod daemon;
#[path = "../e2e/http.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod http;
#[path = "../e2e/random.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod random;
#[path = "../e2e/speech.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod speech;
#[path = "../e2e/task.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod task;
#[path = "../e2e/tus.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod tus;
#[path = "../e2e/waiting.rs"]
mod waiting;
