//! The server that the load goes to.

use std::net::SocketAddr;

/// Where the load goes.
#[derive(Debug, Clone)]
pub struct Target {
    /// The server's socket.
    pub address: SocketAddr,
    /// Path of its collection of uploads.
    pub collection: String,
}
