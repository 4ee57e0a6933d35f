//! Signs of life for systemd's watchdog while no job runs.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use scribed::systemd;

/// The next command, `None` after the last one; signs of life meanwhile, as
/// long as it `is_idle`: jobs that run give their own.
pub fn next<T>(commands: &Receiver<T>, is_idle: impl Fn() -> bool) -> Option<T> {
    let Some(interval) = idle_interval() else {
        return commands.recv().ok();
    };
    loop {
        match commands.recv_timeout(interval) {
            Ok(command) => return Some(command),
            Err(RecvTimeoutError::Timeout) if is_idle() => systemd::alive(),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
}

/// How often the watchdog is fed while nothing happens; `None`: there is none.
pub fn idle_interval() -> Option<Duration> {
    systemd::watchdog_limit().map(|limit| limit / 3)
}
