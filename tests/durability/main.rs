//! Nothing acknowledged is ever lost, whatever happens to the disk. The real
//! daemon works on a disk that records every write and every flush; then power
//! cuts are made of the recording, and the daemon is started on each.
//!
//! Needs root, FUSE, loop devices, mkfs.ext4, mkfs.xfs and espeak-ng. What is
//! missing is an error, never a skipped test. The tests must run one after the
//! other (`--test-threads=1`): they share the machine's two cores with the
//! daemons they start.

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod support;

mod fixtures;

#[cfg(feature = "sabotage")]
mod broken;
mod faults;
mod full;
mod joining;
mod powercut;
mod reservations;
mod restarts;
mod sharing;
mod slow_disk;
