//! What systemd wants to know and gives us: notifications and passed sockets.
//! Without systemd all of this does nothing.

mod journal;

use std::net::{SocketAddr, TcpListener};
use std::os::fd::{FromRawFd, RawFd};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use systemd::daemon;
use tracing::warn;

pub use journal::Journal;

/// TCP sockets that systemd opened for us (sd_listen_fds(3)).
pub fn passed_listeners() -> Vec<TcpListener> {
    let listeners = passed().into_iter().map(|descriptor| {
        daemon::tcp_listener(descriptor)
            .inspect_err(|error| warn!("passed socket {descriptor} is no TCP listener: {error}"))
    });
    listeners.filter_map(Result::ok).collect()
}

/// The Unix stream socket that systemd opened for the engine.
pub fn passed_unix_listener() -> Option<UnixListener> {
    let descriptor = *passed().first()?;
    let is_ours = daemon::is_socket_unix(
        descriptor,
        Some(daemon::SocketType::Stream),
        daemon::Listening::IsListening,
        None::<&str>,
    );
    // SAFETY: systemd passed this descriptor to this process for good, and it
    // is asked for once.
    #[allow(unsafe_code)]
    is_ours
        .unwrap_or(false)
        .then(|| unsafe { UnixListener::from_raw_fd(descriptor) })
}

fn passed() -> Vec<RawFd> {
    daemon::listen_fds().map_or_else(|_| Vec::new(), |descriptors| descriptors.iter().collect())
}

/// Whether one of the listeners already serves this address.
pub fn covers(listeners: &[TcpListener], address: SocketAddr) -> bool {
    listeners
        .iter()
        .filter_map(|listener| listener.local_addr().ok())
        .any(|bound| {
            bound == address || (bound.port() == address.port() && bound.ip().is_unspecified())
        })
}

/// Connections are being accepted (sd_notify(3)).
pub fn ready(status: &str) {
    notify(&[("READY", "1"), ("STATUS", status)]);
}

/// The line that `systemctl status` shows.
pub fn status(status: &str) {
    notify(&[("STATUS", status)]);
}

/// The daemon is on its way down.
pub fn stopping() {
    notify(&[("STOPPING", "1"), ("STATUS", "parking uploads")]);
}

/// Tells how often [`alive`] is expected; `None`: nobody watches.
pub fn watchdog_limit() -> Option<Duration> {
    let limit = daemon::watchdog_enabled().unwrap_or(0);
    (limit > 0).then(|| Duration::from_micros(limit))
}

/// A sign of life for the watchdog.
pub fn alive() {
    notify(&[("WATCHDOG", "1")]);
}

/// Something has begun that gives no sign of life for up to `limit`: neither
/// the start nor the watchdog shall lose patience.
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

/// It is over: the start is, and the watchdog expects signs of life again, at
/// least every `patience` if that is more than its own limit.
pub fn busy_no_more(status: &str, patience: Duration) {
    if let Some(limit) = watchdog_limit() {
        let limit = limit.max(patience);
        notify(&[
            ("WATCHDOG_USEC", &limit.as_micros().to_string()),
            ("WATCHDOG", "1"),
        ]);
    }
    ready(status);
}

/// Variables that a child process must not take for its own.
pub const ENVIRONMENT: [&str; 6] = [
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

fn notify(state: &[(&str, &str)]) {
    // Not being run by systemd is no error.
    let _ = daemon::notify(state.iter());
}
