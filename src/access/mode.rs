//! How requests are authenticated.

use ipnet::IpNet;

/// How requests are authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// By access token.
    Tokens,
    /// By client address only.
    Open {
        /// The allowed networks, at least one.
        networks: Vec<IpNet>,
    },
}
