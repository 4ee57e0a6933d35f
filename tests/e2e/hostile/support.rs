//! The daemon that hostile requests go to, and connections that send them as they are.

use std::net::SocketAddr;

use crate::support::daemon::Daemon;
use crate::support::http::Connection;

/// Most memory for all of this; without any of it the daemon has a third.
pub const MEMORY_MAX_KIB: u64 = 40 << 10;

/// A daemon that does not wait long for the rest of what is not sound.
pub fn daemon() -> Daemon {
    Daemon::start_unready(Daemon::folder_with("[http]\nidle_timeout = '2s'"), &[])
}

/// Sends bytes as they are; the statuses of all that is answered until the
/// daemon ends the connection.
pub fn exchange(address: SocketAddr, sent: &[u8]) -> Vec<u16> {
    let mut connection = Connection::open(address).unwrap();
    // The daemon may have said no, and closed, before the end of it.
    let _ = connection.send(sent);
    let answers = std::iter::from_fn(|| connection.receive("GET").ok());
    answers.map(|answer| answer.status).collect()
}
