//! The systemd protocols: notifications, the watchdog and socket activation.
//! Without systemd these functions do nothing.

mod journal;

use std::net::{SocketAddr, TcpListener};
use std::os::fd::{FromRawFd, RawFd};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use systemd::daemon;
use tracing::warn;

pub use journal::Journal;

/// The TCP sockets that systemd passed (sd_listen_fds(3)).
pub fn passed_listeners() -> Vec<TcpListener> {
    let listeners = passed().into_iter().map(|descriptor| {
        daemon::tcp_listener(descriptor).inspect_err(|error| {
            warn!("passed socket {descriptor} is not a TCP listener and is ignored: {error}");
        })
    });
    listeners.filter_map(Result::ok).collect()
}

/// The Unix stream socket that systemd passed to the engine.
pub fn passed_unix_listener() -> Option<UnixListener> {
    let descriptor = *passed().first()?;
    let is_ours = daemon::is_socket_unix(
        descriptor,
        Some(daemon::SocketType::Stream),
        daemon::Listening::IsListening,
        None::<&str>,
    );
    // SAFETY: systemd passed ownership of this descriptor to this process, and
    // this function is called once.
    #[allow(unsafe_code)]
    is_ours
        .unwrap_or(false)
        .then(|| unsafe { UnixListener::from_raw_fd(descriptor) })
}

fn passed() -> Vec<RawFd> {
    daemon::listen_fds().map_or_else(|_| Vec::new(), |descriptors| descriptors.iter().collect())
}

/// Whether one of the listeners is already bound to this address.
pub fn covers(listeners: &[TcpListener], address: SocketAddr) -> bool {
    listeners
        .iter()
        .filter_map(|listener| listener.local_addr().ok())
        .any(|bound| {
            bound == address || (bound.port() == address.port() && bound.ip().is_unspecified())
        })
}

/// Notifies that connections are accepted (sd_notify(3), `READY=1`).
pub fn ready(status: &str) {
    notify(&[("READY", "1"), ("STATUS", status)]);
}

/// Sets the status line that `systemctl status` shows.
pub fn status(status: &str) {
    notify(&[("STATUS", status)]);
}

/// Notifies that the daemon is shutting down.
pub fn stopping() {
    notify(&[("STOPPING", "1"), ("STATUS", "saving uploads")]);
}

/// The watchdog timeout, within which [`alive`] must be called; `None` if the
/// watchdog is disabled.
pub fn watchdog_limit() -> Option<Duration> {
    let limit = daemon::watchdog_enabled().unwrap_or(0);
    (limit > 0).then(|| Duration::from_micros(limit))
}

/// Resets the watchdog timer.
pub fn alive() {
    notify(&[("WATCHDOG", "1")]);
}

/// Extends the start timeout and the watchdog timeout to `limit`, before an
/// operation that cannot reset the watchdog timer.
pub fn busy(limit: Duration) {
    let limit_us = limit.as_micros().to_string();
    notify(&[
        ("EXTEND_TIMEOUT_USEC", &limit_us),
        ("STATUS", "loading the model"),
    ]);
    if watchdog_limit().is_some() {
        notify(&[("WATCHDOG_USEC", &limit_us)]);
    }
}

/// Ends what [`busy`] began: notifies that start-up is complete, and sets the
/// watchdog timeout back to its configured value, or to `min_limit` if that is
/// longer.
pub fn busy_no_more(status: &str, min_limit: Duration) {
    if let Some(limit) = watchdog_limit() {
        let limit = limit.max(min_limit);
        notify(&[
            ("WATCHDOG_USEC", &limit.as_micros().to_string()),
            ("WATCHDOG", "1"),
        ]);
    }
    ready(status);
}

/// Environment variables that must not be passed to child processes.
pub const ENVIRONMENT: [&str; 6] = [
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

fn notify(state: &[(&str, &str)]) {
    // Running without systemd is not an error.
    let _ = daemon::notify(state.iter());
}
