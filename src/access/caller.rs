//! Clients and their authenticated identity.

use std::net::IpAddr;
use std::sync::Arc;

use crate::shares::Owner;

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The address of the client, or of the last proxy known.
    pub address: IpAddr,
    /// Whether the request came through a proxy.
    pub way: Way,
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
    /// The token with this name.
    Token(Arc<str>),
    /// The admin token with this name; may access everything.
    Admin(Arc<str>),
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
            Caller::Token(name) | Caller::Admin(name) => Owner::Token(Arc::clone(name)),
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
            Caller::Token(name) => owner == Some(name),
        }
    }
}
