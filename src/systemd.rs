//! What systemd wants to know and gives us: notifications and passed sockets.
//! Without systemd all of this does nothing.

use std::net::{SocketAddr, TcpListener};

use systemd::daemon;
use tracing::warn;

/// Sockets that systemd opened for us (sd_listen_fds(3)), TCP listeners only.
pub fn passed_listeners() -> Vec<TcpListener> {
    let Ok(descriptors) = daemon::listen_fds() else {
        return Vec::new();
    };
    let mut listeners = Vec::new();
    for descriptor in descriptors.iter() {
        match daemon::tcp_listener(descriptor) {
            Ok(listener) => listeners.push(listener),
            Err(error) => warn!("passed socket {descriptor} is no TCP listener: {error}"),
        }
    }
    listeners
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

fn notify(state: &[(&str, &str)]) {
    // Not being run by systemd is no error.
    let _ = daemon::notify(state.iter());
}
