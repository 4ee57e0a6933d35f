//! Trusted proxies, and the address of a client behind them.

use std::net::IpAddr;

use hyper::header::HeaderMap;
use ipnet::IpNet;

use super::forwarded::{
    Element, Hop, X_FORWARDED_HOST, X_FORWARDED_PROTO, forwarded, x_forwarded, x_forwarded_for,
};
use super::proxy_headers::is_proxied;
use crate::access::Way;

/// Proxies whose headers are trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(pub Vec<IpNet>);

impl TrustedProxies {
    /// The address of the client of a request from `peer`, the address of the
    /// socket. The path is followed back as long as trusted proxies wrote it;
    /// entries further left may be forged.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> (IpAddr, Way) {
        let peer = peer.to_canonical();
        let way = match is_proxied(headers) {
            false => Way::Direct,
            true => Way::Proxied,
        };
        let of_peer = (peer, way);
        if !self.contains(peer) {
            return of_peer;
        }
        let standard = forwarded(headers).map(|elements| hops(&elements));
        match (standard, x_forwarded_for(headers)) {
            (None, None) => of_peer,
            (Some(hops), None) | (None, Some(hops)) => self.follow(peer, &hops),
            // A proxy writes one of them and may pass on the other from the
            // client: which one is unknown.
            (Some(one), Some(other)) => {
                let (one, other) = (self.follow(peer, &one), self.follow(peer, &other));
                match one == other {
                    true => one,
                    false => hidden(peer),
                }
            }
        }
    }

    fn follow(&self, peer: IpAddr, hops: &[Hop]) -> (IpAddr, Way) {
        let mut address = peer;
        for hop in hops.iter().rev() {
            match hop {
                Some(hop) => address = *hop,
                None => return hidden(address),
            }
            if !self.contains(address) {
                break;
            }
        }
        (address, Way::Proxied)
    }

    /// Scheme and host of the request to the outermost trusted proxy, as far as
    /// they are stated, for a request from a trusted proxy. `None` if two headers
    /// disagree.
    pub fn asked(&self, headers: &HeaderMap) -> Option<(Option<&'static str>, Option<String>)> {
        let standard = forwarded(headers).and_then(|elements| {
            let trusted = self.trusted(&hops(&elements));
            let outermost = elements.into_iter().rev().nth(trusted - 1)?;
            Some((outermost.proto, outermost.host))
        });
        let trusted = self.trusted(&x_forwarded_for(headers).unwrap_or_default());
        let older = |name| {
            let values = x_forwarded(headers, name)?;
            // Inner proxies may pass on a single value.
            let at = values.len().saturating_sub(trusted);
            values.get(at).map(|value| (*value).to_owned())
        };
        let older = (older(X_FORWARDED_PROTO), older(X_FORWARDED_HOST));
        let nothing = (None, None);
        let (proto, host) = match standard.filter(|found| *found != nothing) {
            None => older,
            Some(standard) if older == nothing || older == standard => standard,
            Some(_) => return None,
        };
        let schemes = ["http", "https"];
        let scheme = proto.and_then(|proto| {
            schemes
                .into_iter()
                .find(|scheme| scheme.eq_ignore_ascii_case(&proto))
        });
        Some((scheme, host))
    }

    /// The number of trusted proxies at the end of the path, each of which wrote an
    /// entry of every header.
    fn trusted(&self, hops: &[Hop]) -> usize {
        let is_trusted = |hop: &&Hop| hop.is_some_and(|hop| self.contains(hop));
        let others = hops.iter().rev().take_while(is_trusted).count();
        // The peer itself has no entry.
        (others + 1).min(hops.len().max(1))
    }

    /// Whether this address is trusted.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

fn hops(elements: &[Element]) -> Vec<Hop> {
    elements.iter().map(Element::hop).collect()
}

fn hidden(behind: IpAddr) -> (IpAddr, Way) {
    (behind, Way::Hidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "10.0.0.1";

    fn client(peer: &str, headers: &[(&str, &str)]) -> (String, Way) {
        let proxies = ["10.0.0.0/24", "fd00::1/128"];
        let proxies = TrustedProxies(proxies.map(|network| network.parse().unwrap()).into());
        let headers = headers.iter().map(|(name, value)| {
            let name: hyper::header::HeaderName = name.parse().unwrap();
            (name, value.parse().unwrap())
        });
        let (address, way) = proxies.client(peer.parse().unwrap(), &headers.collect());
        (address.to_string(), way)
    }

    #[test]
    fn the_word_of_a_stranger_changes_nothing() {
        for (name, value) in [
            ("X-Forwarded-For", "127.0.0.1"),
            ("Forwarded", "for=127.0.0.1"),
            ("X-Forwarded-For", "unknown"),
            ("X-Real-IP", "127.0.0.1"),
            ("X-Forwarded-Proto", "https"),
            ("Via", "1.1 somewhere"),
        ] {
            let found = client("192.0.2.1", &[(name, value)]);
            assert_eq!(found, ("192.0.2.1".into(), Way::Proxied), "{name}");
        }
        let found = client("192.0.2.1", &[("Accept", "*/*")]);
        assert_eq!(found, ("192.0.2.1".into(), Way::Direct));
    }

    #[test]
    fn behind_trusted_proxies_the_last_stranger_is_the_client() {
        for (way, address) in [
            ("192.0.2.1", "192.0.2.1"),
            ("127.0.0.1, 192.0.2.1", "192.0.2.1"),
            ("unknown, 192.0.2.1, 10.0.0.9", "192.0.2.1"),
            ("192.0.2.7, 192.0.2.1, fd00::1, 10.0.0.2", "192.0.2.1"),
            ("10.0.0.5, 10.0.0.6", "10.0.0.5"),
        ] {
            for peer in [PROXY, "::ffff:10.0.0.1", "fd00::1"] {
                let found = client(peer, &[("X-Forwarded-For", way)]);
                assert_eq!(found, (address.into(), Way::Proxied), "{way}");
            }
        }
        let found = client(PROXY, &[("Forwarded", "for=127.0.0.1, for=192.0.2.1")]);
        assert_eq!(found, ("192.0.2.1".into(), Way::Proxied));
    }

    #[test]
    fn a_client_that_a_proxy_hides_has_no_address() {
        for (headers, behind) in [
            (&[("X-Forwarded-For", "unknown")][..], PROXY),
            (
                &[("X-Forwarded-For", "192.0.2.1, unknown, 10.0.0.7")],
                "10.0.0.7",
            ),
            (&[("Forwarded", "for=_hidden")], PROXY),
            (&[("Forwarded", "proto=https")], PROXY),
            (&[("Forwarded", "for=\"x, for=192.0.2.1")], PROXY),
            (
                &[
                    ("Forwarded", "for=192.0.2.7"),
                    ("X-Forwarded-For", "192.0.2.1"),
                ],
                PROXY,
            ),
        ] {
            let found = client(PROXY, headers);
            assert_eq!(found, (behind.into(), Way::Hidden), "{headers:?}");
        }
        let agreeing = [
            ("Forwarded", "for=192.0.2.1"),
            ("X-Forwarded-For", "10.9.9.9, 192.0.2.1"),
        ];
        let found = client(PROXY, &agreeing);
        assert_eq!(found, ("192.0.2.1".into(), Way::Proxied));
    }

    #[test]
    fn what_a_trusted_proxy_asks_itself_is_its_own() {
        assert_eq!(client(PROXY, &[]), (PROXY.into(), Way::Direct));
        let found = client(PROXY, &[("X-Forwarded-Proto", "https")]);
        assert_eq!(found, (PROXY.into(), Way::Proxied));
    }
}
