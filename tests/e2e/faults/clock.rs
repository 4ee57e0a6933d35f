//! A wall clock that jumps (a machine without a battery for it, a person who
//! sets it): no upload expires before its time, and time still passes.
//!
//! libfaketime changes the wall clock of one process while it runs; the clocks
//! that cannot be set stay true.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};

use crate::support::daemon::Daemon;
use crate::support::http::{Response, get};
use crate::support::task;
use crate::support::tus::Upload;
use crate::support::waiting::until;

const DAY: &str = "+1d";
const THIRTY_YEARS_BACK: &str = "-10957d";
const TRUE: &str = "+0";

/// The default of `upload.idle_expiry`.
const IDLE_EXPIRY: SignedDuration = SignedDuration::from_mins(10);

/// A daemon and the file that sets its wall clock.
struct Clocked {
    daemon: Daemon,
    clock: PathBuf,
}

impl Clocked {
    fn start(config: &str) -> Clocked {
        let folder = Daemon::folder_with(config);
        let clock = folder.path().join("clock");
        fs::write(&clock, TRUE).unwrap();
        let daemon = Daemon::start_changed(folder, {
            let clock = clock.clone();
            move |command| set_clock_of(command, &clock)
        });
        Clocked { daemon, clock }
    }

    /// Moves the wall clock and sees to it that the daemon noticed.
    fn set(&self, offset: &str) {
        let new = self.clock.with_extension("new");
        fs::write(&new, offset).unwrap();
        fs::rename(new, &self.clock).unwrap();
        let days: i64 = offset.trim_end_matches('d').parse().unwrap();
        let expected = Timestamp::now() + SignedDuration::from_hours(24 * days);
        let shown = self.shown();
        let apart = shown.duration_since(expected).abs();
        assert!(apart < SignedDuration::from_hours(1), "{offset}: {shown}");
    }

    /// What the daemon takes for the time.
    fn shown(&self) -> Timestamp {
        let live = get(self.daemon.address(), "/health/live").expect(200, "live");
        live.json()["timestamp"].as_str().unwrap().parse().unwrap()
    }

    /// `scribed sweep` by the same clock; what it said.
    fn sweep(&self) -> String {
        let mut command = self.daemon.sweep_command();
        set_clock_of(&mut command, &self.clock);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Fails unless `Upload-Expires` lies in the time to come, as shown.
    fn assert_expires_later(&self, answer: &Response) {
        let expires = answer.header("upload-expires").expect("Upload-Expires");
        let expires = rfc2822::parse(expires).unwrap().timestamp();
        let now = self.shown();
        assert!(
            expires > now && expires <= now + IDLE_EXPIRY,
            "{expires} at {now}"
        );
    }
}

fn set_clock_of(command: &mut Command, clock: &Path) {
    let library = fs::read_dir("/usr/lib").unwrap().find_map(|entry| {
        let library = entry.ok()?.path().join("faketime/libfaketimeMT.so.1");
        library.exists().then_some(library)
    });
    command
        .env("LD_PRELOAD", library.expect("libfaketime is installed"))
        .env("FAKETIME_TIMESTAMP_FILE", clock)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("NO_FAKE_STAT", "1");
}

#[test]
fn a_clock_that_jumps_expires_nothing_before_its_time() {
    let mut clocked = Clocked::start("");
    for (at_creation, later) in [
        (TRUE, DAY),
        (TRUE, THIRTY_YEARS_BACK),
        (THIRTY_YEARS_BACK, TRUE),
        (DAY, TRUE),
        (DAY, THIRTY_YEARS_BACK),
    ] {
        println!("{at_creation}, then {later}");
        clocked.set(at_creation);
        let mut upload = Upload::create(clocked.daemon.address(), 10, &[]);
        upload.patch(0, b"0123").unwrap().expect(204, "PATCH");
        clocked.set(later);
        clocked.assert_expires_later(&upload.head().expect(200, "HEAD"));
        let summary = clocked.sweep();
        assert!(
            summary.starts_with("removed 0 expired uploads, 0 orphans"),
            "{summary}"
        );
        assert_eq!(upload.offset(), 4, "after the sweep");

        // A restart sweeps too.
        clocked.daemon.kill9();
        clocked.daemon.start_again();
        clocked.daemon.wait_until_ready();
        upload.address = clocked.daemon.address();
        let answer = upload.patch(4, b"45").unwrap().expect(204, "PATCH");
        clocked.assert_expires_later(&answer);
        upload.finish(b"0123456789", 10);
        task::failure(upload.address, upload.id());
    }
}

#[test]
fn whatever_the_clock_shows_time_passes() {
    for jump in [TRUE, DAY, THIRTY_YEARS_BACK] {
        println!("{jump}");
        let clocked = Clocked::start("[upload]\nidle_expiry = '2s'");
        let upload = Upload::create(clocked.daemon.address(), 10, &[]);
        clocked.set(jump);
        until("the upload expires", || {
            let status = upload.head().status;
            assert!([200, 410].contains(&status), "{status}");
            (status == 410).then_some(())
        });
        upload.patch(0, b"0123").unwrap().expect(410, "PATCH");
        let summary = clocked.sweep();
        assert!(summary.starts_with("removed 1 expired"), "{summary}");
        upload.head().expect(404, "after the sweep");
    }
}
