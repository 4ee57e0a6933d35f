//! Why requests are refused.

use std::net::IpAddr;

use super::tickets;

/// Why access is denied. The message says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// A token is required.
    #[error(
        "an access token is required: send the header `Authorization: Bearer TOKEN`; create a token with `scribed tokens add NAME` on the server"
    )]
    NoToken,
    /// The token is invalid.
    #[error(
        "this access token is not valid; create a new one with `scribed tokens add NAME` on the server"
    )]
    WrongToken,
    /// The ticket is unknown, used or expired, or is for another task.
    #[error(
        "this ticket is not valid: a ticket can be used once, for one task, within {} seconds; request a new one",
        tickets::LIFETIME.as_secs()
    )]
    WrongTicket,
    /// Too many invalid tokens from this network.
    #[error(
        "too many invalid access tokens from your address; try again in {retry_after_s} seconds"
    )]
    TooManyFailures {
        /// Seconds until the next attempt is accepted.
        retry_after_s: u64,
    },
    /// No token exists, and the client is not on this machine.
    #[error(
        "no access tokens exist yet, so only requests from the server itself to http://localhost or http://127.0.0.1 are accepted, through no proxy; create one there: `scribed tokens add NAME`, then `systemctl reload scribed`"
    )]
    NotSetUp,
    /// There have been tokens, and their file is missing.
    #[error(
        "the tokens file of this server is missing, so it accepts no access token; restore the file, or create a token with `scribed tokens add NAME` on the server, then run `systemctl reload scribed`"
    )]
    Lost,
    /// No token is needed, and the request is for a host that is not known.
    #[error(
        "this server is not known by the name in the header Host; use its IP address or localhost, set `http.base_url` in its configuration to the address with this name, or use an access token"
    )]
    Host,
    /// No token is needed, or a WebSocket is asked for, and the request is from a
    /// page of another origin.
    #[error(
        "pages of this origin may not use this server; add the origin to `http.cors_origins` in its configuration, or set `http.base_url` if the page is this server's own behind a proxy"
    )]
    Page,
    /// Mode `open`, and the client is in none of the networks.
    #[error(
        "your address {0} is in none of the networks this server is open to (`networks` in its configuration)"
    )]
    Network(IpAddr),
    /// Mode `open`, and the address of the client is unknown.
    #[error(
        "your address is unknown: the proxy {0} in front of this server must send it in `Forwarded` or `X-Forwarded-For`, and remove the other header"
    )]
    Hidden(IpAddr),
}
