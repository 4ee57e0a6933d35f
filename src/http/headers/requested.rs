//! The server that a client asked for: scheme, host and port.

use std::net::{IpAddr, Ipv6Addr};

use hyper::header::{HOST, HeaderMap};
use hyper::{Uri, Version};

use super::proxies::TrustedProxies;
use super::proxy_headers::is_proxied;

/// The connection of a request.
#[derive(Debug, Clone, Copy)]
pub struct Ends {
    /// Address of the peer.
    pub peer: IpAddr,
    /// Local port.
    pub local_port: u16,
}

/// What a request says about the server that the client asked for.
#[derive(Debug, Clone, Copy)]
pub struct Requested<'a> {
    /// Its connection.
    pub ends: Ends,
    /// Its version.
    pub version: Version,
    /// Its target.
    pub uri: &'a Uri,
    /// Its headers.
    pub headers: &'a HeaderMap,
}

impl<'a> Requested<'a> {
    /// Scheme and authority that the client used; `None` if one of them is
    /// uncertain.
    pub fn origin(self, proxies: &TrustedProxies) -> Option<(&'static str, String)> {
        let (scheme, authority) = if proxies.contains(self.ends.peer) {
            let (scheme, host) = proxies.asked(self.headers)?;
            let authority = self.authority().filter(|host| !self.is_upstream(host));
            (scheme?, host.or_else(|| authority.map(str::to_owned))?)
        } else if self.is_proxied() {
            return None;
        } else {
            ("http", self.authority()?.to_owned())
        };
        parse(&authority)?;
        Some((scheme, authority))
    }

    /// Whether it came through a proxy: a header shows it, or HTTP/1.0.
    pub fn is_proxied(self) -> bool {
        self.is_http_10() || is_proxied(self.headers)
    }

    /// Whether it is of HTTP/1.0, which nginx uses by default.
    pub fn is_http_10(self) -> bool {
        self.version == Version::HTTP_10
    }

    /// Whether the request names a host; only HTTP/1.0 allows that it does not.
    pub(super) fn names_host(self) -> bool {
        self.uri.authority().is_some() || self.headers.contains_key(HOST)
    }

    /// The authority that the request names (RFC 9112, section 3.2.2).
    pub(super) fn authority(self) -> Option<&'a str> {
        match self.uri.authority() {
            Some(authority) => Some(authority.as_str()),
            None => self.headers.get(HOST)?.to_str().ok(),
        }
    }

    /// Whether an authority may be the address that a proxy has for this server,
    /// which some proxies write into `Host`.
    pub(super) fn is_upstream(self, authority: &str) -> bool {
        let port = parse(authority).map(|(_, port)| port.unwrap_or(80));
        port == Some(self.ends.local_port)
    }
}

/// Host and port of an authority. `None` if it has anything else, or characters
/// that are not allowed in host names, since it is sent back to the client.
pub(super) fn parse(authority: &str) -> Option<(&str, Option<u16>)> {
    const NAME_MAX_BYTES: usize = 253;
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !authority.ends_with(']') => {
            let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
            let port: u16 = port.parse().ok().filter(|port| is_number && *port > 0)?;
            (host, Some(port))
        }
        _ => (authority, None),
    };
    let address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let is_label = |label: &str| {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !label.is_empty() && label.bytes().all(is_letter)
    };
    let is_host = match address {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => host.len() <= NAME_MAX_BYTES && host.split('.').all(is_label),
    };
    is_host.then_some((host, port))
}
