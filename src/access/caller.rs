//! Clients and their authenticated identity.

use std::net::IpAddr;
use std::sync::Arc;

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The address of the client, or of the last proxy known.
    pub address: IpAddr,
    /// Whether the request came through a proxy.
    pub way: Way,
    /// The name by which the request addresses this server.
    pub host: Host,
    /// The page that makes the request, if a browser does.
    pub page: Page,
}

/// The host for which a request was made. It matters where no token is needed: a
/// page of a name that its owner resolves to the address of this server (DNS
/// rebinding) is of the same origin as this server for a browser, but cannot
/// change `Host`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// `localhost` or an address of the loopback interface.
    Loopback,
    /// An IP address, which no name server can redirect, or the host of
    /// `base_url`; or none is named, which no browser does.
    Known,
    /// Any other name.
    Unknown,
}

/// The page that makes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// No page, one of this server, or one of an origin in `cors_origins`.
    Allowed,
    /// One of another origin.
    Foreign,
}

/// Whether a request came through a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the client itself: no header names a proxy.
    Direct,
    /// Through a proxy, according to the headers. The address is the client's if
    /// the proxy is trusted, else the proxy's.
    Proxied,
    /// Through a trusted proxy that does not send the client's address; the
    /// address is that of the last proxy known.
    Hidden,
}

/// The authenticated sender of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// No token was required; may access everything.
    Anyone,
    /// The token with this name.
    Token(Arc<str>),
    /// The admin token with this name; may access everything.
    Admin(Arc<str>),
}

impl Caller {
    /// The owner of uploads that this caller creates.
    pub fn name(&self) -> Option<&str> {
        match self {
            Caller::Anyone => None,
            Caller::Token(name) | Caller::Admin(name) => Some(name),
        }
    }

    /// Whether this caller may access what belongs to `owner`.
    pub fn may_use(&self, owner: Option<&str>) -> bool {
        match self {
            Caller::Anyone | Caller::Admin(_) => true,
            Caller::Token(name) => owner == Some(name),
        }
    }
}
