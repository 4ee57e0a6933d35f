//! The engine as a service of systemd's: connections come one after the other
//! over a passed socket, the model stays. The service manager is notified
//! (sd_notify(3)): loading takes its time, jobs and waiting give signs of life,
//! a computation that hangs gives none.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use scribed::systemd;

use crate::reader::ServeError;
use crate::resident::Resident;
use crate::serve::{Ended, serve};
use crate::watchdog::idle_interval;

/// Serves until a daemon asks it to exit.
pub fn run(listener: &UnixListener, resident: &Resident) -> Result<(), ServeError> {
    if !is_waiting(listener, Some(Duration::ZERO))? {
        // Started before any daemon: the model is warm when one comes.
        resident.warm(&|_| {});
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

/// Whether a connection comes within that time (`None`: no limit).
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
