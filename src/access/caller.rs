//! Clients and their authenticated identity.

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use super::grant::Grant;
use crate::shares::Owner;

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
    /// A client of this network, of which no token was required; may access
    /// everything.
    Anyone(IpAddr),
    /// This token.
    Token(Holder),
    /// This admin token; may access everything.
    Admin(Holder),
}

/// The holder of a token: its name, and what the token allows while it exists.
#[derive(Debug, Clone)]
pub struct Holder {
    name: Arc<str>,
    grant: Grant,
}

impl Holder {
    pub(super) fn new(name: Arc<str>, grant: Grant) -> Holder {
        Holder { name, grant }
    }

    pub(super) fn grant(&self) -> &Grant {
        &self.grant
    }
}

impl Deref for Holder {
    type Target = str;

    fn deref(&self) -> &str {
        &self.name
    }
}

/// Compares who it is: data belongs to a name, whichever token has it.
impl PartialEq for Holder {
    fn eq(&self, other: &Holder) -> bool {
        self.name == other.name
    }
}

impl Eq for Holder {}

#[cfg(test)]
impl From<&str> for Holder {
    fn from(name: &str) -> Holder {
        Holder::new(name.into(), Grant::default())
    }
}

impl Caller {
    /// The owner of uploads that this caller creates.
    pub fn name(&self) -> Option<&str> {
        match self {
            Caller::Anyone(_) => None,
            Caller::Token(name) | Caller::Admin(name) => Some(name),
        }
    }

    /// Whose share this caller uses of what is limited.
    pub fn owner(&self) -> Owner {
        match self {
            Caller::Anyone(network) => Owner::Network(*network),
            Caller::Token(name) | Caller::Admin(name) => Owner::Token(Arc::clone(&name.name)),
        }
    }

    /// The network of a caller without a token.
    pub fn network(&self) -> Option<IpAddr> {
        match self {
            Caller::Anyone(network) => Some(*network),
            Caller::Token(_) | Caller::Admin(_) => None,
        }
    }

    /// Whether this caller may access what belongs to `owner`.
    pub fn may_use(&self, owner: Option<&str>) -> bool {
        match self {
            Caller::Anyone(_) | Caller::Admin(_) => true,
            Caller::Token(name) => owner == Some(&**name),
        }
    }
}
