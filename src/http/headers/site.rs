//! The host that a request is for and the page that makes it, which decide what
//! browsers may do where no token is needed.

use std::net::{IpAddr, Ipv6Addr};

use hyper::header::{HeaderName, HeaderValue, ORIGIN};

use super::cors::Origins;
use super::forwarded::{X_FORWARDED_HOST, x_forwarded};
use super::location::BaseUrl;
use super::proxies::TrustedProxies;
use super::requested::{Requested, parse};
use crate::access::{Host, Page};

// Fetch Metadata Request Headers (W3C): sent by browsers, not changeable by pages.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// A request, and what is configured about this server.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// The request.
    pub requested: Requested<'a>,
    /// The proxies whose headers are trusted.
    pub proxies: &'a TrustedProxies,
    /// The configured address of this server.
    pub base_url: &'a BaseUrl,
}

impl Site<'_> {
    /// The host that the request is for.
    pub fn host(self) -> Host {
        let Site {
            requested,
            proxies,
            base_url,
        } = self;
        let named = requested.authority();
        let of_request = match requested.names_host() {
            true => class(named, base_url),
            false => Host::Known,
        };
        if !proxies.contains(requested.ends.peer) {
            return of_request;
        }
        let Some((_, stated)) = proxies.asked(requested.headers) else {
            return Host::Unknown;
        };
        let is_upstream = named.is_some_and(|named| requested.is_upstream(named));
        match stated.map(|stated| class(Some(&stated), base_url)) {
            None => of_request,
            Some(stated) if is_upstream => stated,
            // A proxy may pass on a header of the client's instead of its own.
            Some(_) if of_request == Host::Unknown => Host::Unknown,
            Some(stated) => stated,
        }
    }

    /// The page that makes the request, where those of `allowed` are allowed.
    pub fn page(self, allowed: &Origins) -> Page {
        let mut origins = self.requested.headers.get_all(ORIGIN).iter();
        let is_allowed = match (origins.next(), origins.next()) {
            // Which other page it is, is unknown.
            (None, _) => !self.is_embedded() || !allowed.is_empty(),
            (Some(origin), None) => allowed.contains(origin) || self.is_own(origin),
            (Some(_), Some(_)) => false,
        };
        match is_allowed {
            true => Page::Allowed,
            false => Page::Foreign,
        }
    }

    /// Whether a page of another site loads this as an image, a script or the like,
    /// for which browsers send no `Origin`. A link to here is none of these.
    fn is_embedded(self) -> bool {
        let value = |name: HeaderName| self.requested.headers.get(name)?.to_str().ok();
        matches!(value(SEC_FETCH_SITE), Some("cross-site" | "same-site"))
            && value(SEC_FETCH_MODE) != Some("navigate")
    }

    /// Whether a page of this origin was loaded from this server.
    fn is_own(self, origin: &HeaderValue) -> bool {
        let requested = self.requested;
        let origin = origin.to_str().ok().and_then(|text| text.split_once("://"));
        let Some((scheme, authority)) = origin else {
            return false;
        };
        let is = |other| same_origin((scheme, authority), other);
        if self.base_url.origin().is_some_and(is) {
            return true;
        }
        if let Some((scheme, authority)) = requested.origin(self.proxies) {
            return is((scheme, &authority));
        }
        // Through a proxy that does not state the scheme: the host must suffice.
        let is_behind_trusted = self.proxies.contains(requested.ends.peer);
        let stated = match is_behind_trusted {
            true => x_forwarded(requested.headers, X_FORWARDED_HOST),
            false => None,
        };
        let mut hosts = stated.into_iter().flatten().chain(requested.authority());
        (is_behind_trusted || requested.is_proxied()) && hosts.any(|host| is((scheme, host)))
    }
}

fn class(authority: Option<&str>, base_url: &BaseUrl) -> Host {
    let Some((name, _)) = authority.and_then(parse) else {
        return Host::Unknown;
    };
    let is_local_name = |name: &str| name == "localhost" || name.ends_with(".localhost");
    match address(name) {
        Some(address) if address.to_canonical().is_loopback() => Host::Loopback,
        Some(_) => Host::Known,
        // RFC 6761, section 6.3.
        None if is_local_name(&name.to_ascii_lowercase()) => Host::Loopback,
        None => {
            let base = base_url
                .origin()
                .and_then(|(_, authority)| parse(authority));
            match base.is_some_and(|(base, _)| base.eq_ignore_ascii_case(name)) {
                true => Host::Known,
                false => Host::Unknown,
            }
        }
    }
}

fn address(host: &str) -> Option<IpAddr> {
    match host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
    {
        Some(v6) => v6.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse().ok(),
    }
}

/// Whether two origins are the same (RFC 6454, section 5); each is a scheme and an
/// authority, whose port may be the scheme's default.
fn same_origin(one: (&str, &str), other: (&str, &str)) -> bool {
    let parts = |(scheme, authority): (&str, &str)| {
        let (host, port) = parse(authority)?;
        let scheme = scheme.to_ascii_lowercase();
        let default = match scheme.as_str() {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        Some((scheme, host.to_ascii_lowercase(), port.unwrap_or(default)))
    };
    let one = parts(one);
    one.is_some() && one == parts(other)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderMap;
    use hyper::{Uri, Version};

    use super::super::requested::Ends;
    use super::*;

    const DIRECT: &str = "192.0.2.1";
    const PROXY: &str = "10.0.0.1";

    /// A request to port 8000 from `peer`.
    fn look(
        peer: &str,
        base_url: &str,
        allowed: &Origins,
        fields: &[(&str, &str)],
    ) -> (Host, Page) {
        let fields = fields.iter().map(|(name, value)| {
            let name: HeaderName = name.parse().unwrap();
            (name, value.parse().unwrap())
        });
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, value);
        }
        let site = Site {
            requested: Requested {
                ends: Ends {
                    peer: peer.parse().unwrap(),
                    local_port: 8000,
                },
                version: Version::HTTP_11,
                uri: &Uri::from_static("/task/all"),
                headers: &headers,
            },
            proxies: &TrustedProxies(vec!["10.0.0.0/24".parse().unwrap()]),
            base_url: &BaseUrl::parse(base_url).unwrap(),
        };
        (site.host(), site.page(allowed))
    }

    #[test]
    fn a_name_that_somebody_else_may_own_is_unknown() {
        use Host::{Known, Loopback, Unknown};
        let none = Origins::These(Vec::new());
        for (host, expected) in [
            ("localhost:8000", Loopback),
            ("LOCALHOST", Loopback),
            ("scribed.localhost:8000", Loopback),
            ("127.0.0.1:8000", Loopback),
            ("127.1.2.3", Loopback),
            ("[::1]:8000", Loopback),
            ("[::ffff:127.0.0.1]", Loopback),
            ("192.168.1.20:8000", Known),
            ("[fd00::1]", Known),
            ("0.0.0.0:8000", Known),
            ("Notes.example", Known),
            ("notes.example:8443", Known),
            ("evil.example:8000", Unknown),
            ("notes.example.evil.example", Unknown),
            ("evilnotes.example", Unknown),
            ("localhost.evil.example", Unknown),
            ("evillocalhost", Unknown),
            ("127.0.0.1.evil.example", Unknown),
            ("127.1", Unknown),
            ("me@127.0.0.1", Unknown),
            ("", Unknown),
            ("b\u{f6}x", Unknown),
        ] {
            let (found, _) = look(
                DIRECT,
                "https://notes.example/scribed",
                &none,
                &[("host", host)],
            );
            assert_eq!(found, expected, "{host}");
        }
        assert_eq!(look(DIRECT, "", &none, &[]).0, Known, "no browser");
        let notes = [("host", "notes.example")];
        assert_eq!(look(DIRECT, "", &none, &notes).0, Unknown);
        // Only a trusted proxy states another host, and it cannot hide one.
        for (peer, host, stated, expected) in [
            (DIRECT, "evil.example", "localhost", Unknown),
            (DIRECT, "127.0.0.1", "evil.example", Loopback),
            (PROXY, "127.0.0.1:8000", "evil.example", Unknown),
            (PROXY, "scribed:8000", "notes.example", Known),
            (PROXY, "evil.example", "localhost", Unknown),
            (PROXY, "notes.example", "notes.example", Known),
        ] {
            let fields = [("host", host), ("x-forwarded-host", stated)];
            let (found, _) = look(peer, "https://notes.example", &none, &fields);
            assert_eq!(found, expected, "{peer} {host} {stated}");
        }
    }

    #[test]
    fn a_page_is_foreign_unless_it_is_from_here_or_allowed() {
        let these = Origins::These(vec!["https://app.example".into()]);
        let none = Origins::These(Vec::new());
        const BASE: &str = "https://notes.example:8443/scribed";
        for (peer, host, more, origin, is_allowed) in [
            (DIRECT, "box:8000", None, "http://box:8000", true),
            (DIRECT, "Box:8000", None, "http://box:8000", true),
            (DIRECT, "box", None, "http://box", true),
            (DIRECT, "box:80", None, "http://box", true),
            (
                DIRECT,
                "127.0.0.1:8000",
                None,
                "https://notes.example:8443",
                true,
            ),
            (DIRECT, "127.0.0.1:8000", None, "https://app.example", true),
            (DIRECT, "box:8000", None, "https://box:8000", false),
            (DIRECT, "box:8000", None, "http://box:3000", false),
            (DIRECT, "box:8000", None, "http://box", false),
            (DIRECT, "box:8000", None, "http://evil.example", false),
            (DIRECT, "box:8000", None, "https://notes.example", false),
            (
                DIRECT,
                "127.0.0.1:8000",
                None,
                "http://localhost:8000",
                false,
            ),
            (DIRECT, "box:8000", None, "null", false),
            (DIRECT, "box:8000", None, "", false),
            (DIRECT, "box:8000", None, "http://me@box:8000", false),
            (
                DIRECT,
                "box:8000",
                Some(("origin", "http://box:8000")),
                "http://box:8000",
                false,
            ),
            // A proxy that is not trusted does not state the scheme.
            (
                DIRECT,
                "box",
                Some(("via", "1.1 proxy")),
                "https://box",
                true,
            ),
            (
                DIRECT,
                "box",
                Some(("x-forwarded-host", "evil.example")),
                "https://evil.example",
                false,
            ),
            // A trusted one does.
            (
                PROXY,
                "box",
                Some(("x-forwarded-proto", "https")),
                "https://box",
                true,
            ),
            (
                PROXY,
                "box",
                Some(("x-forwarded-proto", "https")),
                "http://box",
                false,
            ),
            (
                PROXY,
                "127.0.0.1:8000",
                Some(("x-forwarded-host", "box")),
                "https://box",
                true,
            ),
            (
                PROXY,
                "127.0.0.1:8000",
                Some(("x-forwarded-host", "box")),
                "https://evil.example",
                false,
            ),
            (PROXY, "box", None, "https://box", true),
        ] {
            let fields: Vec<(&str, &str)> = [("host", host), ("origin", origin)]
                .into_iter()
                .chain(more)
                .collect();
            let (_, page) = look(peer, BASE, &these, &fields);
            let expected = if is_allowed {
                Page::Allowed
            } else {
                Page::Foreign
            };
            assert_eq!(page, expected, "{peer} {fields:?}");
            assert_eq!(
                look(peer, BASE, &Origins::All, &fields).1 == Page::Foreign,
                more.is_some_and(|(name, _)| name == "origin")
            );
        }
        for (site, mode, expected) in [
            ("cross-site", "no-cors", Page::Foreign),
            ("same-site", "no-cors", Page::Foreign),
            ("cross-site", "navigate", Page::Allowed),
            ("same-origin", "no-cors", Page::Allowed),
            ("none", "navigate", Page::Allowed),
        ] {
            let fields = [
                ("host", "box"),
                ("sec-fetch-site", site),
                ("sec-fetch-mode", mode),
            ];
            assert_eq!(
                look(DIRECT, "", &none, &fields).1,
                expected,
                "{site} {mode}"
            );
            assert_eq!(look(DIRECT, "", &these, &fields).1, Page::Allowed);
        }
    }
}
