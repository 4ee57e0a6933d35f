//! The engine as a service of systemd's: connections come one after the other
//! over a passed socket, the model stays. The service manager is told how it
//! goes (sd_notify(3)): loading takes its time, work and waiting give signs of
//! life, a computation that hangs gives none.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use scribed::systemd;

use crate::resident::Resident;
use crate::serve::{Ended, ServeError, serve};

/// Serves until a daemon asks it to exit.
pub fn run(listener: &UnixListener, resident: &mut Resident) -> Result<(), ServeError> {
    if !is_waiting(listener, Some(Duration::ZERO))? {
        // Started before any daemon: the model is warm when one comes. Jobs
        // try again, and tell the reason, if it fails.
        drop(resident.ensure(None, &|_| {}));
    }
    loop {
        if !is_waiting(listener, idle_interval())? {
            systemd::alive();
            continue;
        }
        let (stream, _) = listener.accept()?;
        tracing::info!("a daemon connected");
        match serve(stream, resident, || {}) {
            Ok(Ended::AskedToExit) => return Ok(()),
            Ok(Ended::HungUp) => tracing::info!("the daemon hung up"),
            // One daemon's mistakes are not the next one's.
            Err(error) => tracing::error!("{error}"),
        }
    }
}

/// The next command, `None` when there will be none any more; signs of life
/// meanwhile.
pub fn next<T>(commands: &Receiver<T>) -> Option<T> {
    let Some(interval) = idle_interval() else {
        return commands.recv().ok();
    };
    loop {
        match commands.recv_timeout(interval) {
            Ok(command) => return Some(command),
            Err(RecvTimeoutError::Timeout) => systemd::alive(),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
}

/// How often the watchdog is fed while nothing happens; `None`: there is none.
fn idle_interval() -> Option<Duration> {
    systemd::watchdog_limit().map(|limit| limit / 3)
}

/// Whether somebody wants to connect, within that time (`None`: however long
/// it takes).
fn is_waiting(listener: &UnixListener, limit: Option<Duration>) -> io::Result<bool> {
    let limit = match limit {
        Some(limit) => PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX),
        None => PollTimeout::NONE,
    };
    match poll(
        &mut [PollFd::new(listener.as_fd(), PollFlags::POLLIN)],
        limit,
    ) {
        Ok(count) => Ok(count > 0),
        Err(Errno::EINTR) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}
