//! Clients, and who they have proved to be.

use std::net::IpAddr;
use std::sync::Arc;

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Of the client, or the nearest to it that is known.
    pub address: IpAddr,
    /// How it came.
    pub way: Way,
}

/// See [`Client`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the client itself, as far as can be seen.
    Direct,
    /// Through a proxy, which says so. The address is the client's if that
    /// proxy is trusted, else the proxy's.
    Proxied,
    /// Through a trusted proxy that does not tell for whom; the address is
    /// that of the last proxy known.
    Hidden,
}

/// Who makes a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// No token was asked for: everything is theirs.
    Anyone,
    /// The holder of the token of this name.
    Token(Arc<str>),
    /// The same, for an admin: everything is theirs too.
    Admin(Arc<str>),
}

impl Caller {
    /// Whom an upload made by them belongs to.
    pub fn name(&self) -> Option<&str> {
        match self {
            Caller::Anyone => None,
            Caller::Token(name) | Caller::Admin(name) => Some(name),
        }
    }

    /// Whether what belongs to `owner` is theirs.
    pub fn may_use(&self, owner: Option<&str>) -> bool {
        match self {
            Caller::Anyone | Caller::Admin(_) => true,
            Caller::Token(name) => owner == Some(name),
        }
    }
}
