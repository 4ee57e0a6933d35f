//! `Location`: the URL of an upload as clients reach it.

use hyper::Uri;
use hyper::http::request::Parts;
use uuid::Uuid;

use super::proxies::TrustedProxies;
use super::requested::{Ends, Requested};

/// The start of URLs of this server: the address that clients use, or nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BaseUrl(String);

impl BaseUrl {
    /// Parses a URL; an empty one is none. The error names what is accepted.
    pub fn parse(url: &str) -> Result<BaseUrl, String> {
        let wrong = |why: &str| {
            Err(format!(
                "`{url}` {why}; write one like https://notes.example or https://notes.example/scribed"
            ))
        };
        if url.is_empty() {
            return Ok(BaseUrl::default());
        }
        // The parser drops it.
        if url.contains('#') {
            return wrong("has a fragment");
        }
        let Ok(parsed) = url.parse::<Uri>() else {
            return wrong("is no URL");
        };
        if !matches!(parsed.scheme_str(), Some("http" | "https")) {
            return wrong("does not begin with http:// or https://");
        }
        let has_port = |authority: &str| {
            let port = authority.rsplit_once(':').map(|(_, port)| port);
            authority.ends_with(']') || port.is_none_or(|port| port.parse::<u16>().is_ok())
        };
        match parsed.authority() {
            Some(authority) if authority.as_str().contains('@') => wrong("has a user name"),
            Some(authority) if !has_port(authority.as_str()) => wrong("has no valid port"),
            Some(authority) if authority.host().is_empty() => wrong("names no host"),
            None => wrong("names no host"),
            Some(_) if parsed.query().is_some() => wrong("has a query"),
            Some(_) => Ok(BaseUrl(url.trim_end_matches('/').into())),
        }
    }

    /// The base for the response to one request: the configured one, else the
    /// address that the client used, if it is certain. Else none: a path is right
    /// behind every proxy that does not change paths.
    pub fn for_request(&self, head: &Parts, proxies: &TrustedProxies) -> BaseUrl {
        if !self.0.is_empty() {
            return self.clone();
        }
        let ends = head.extensions.get::<Ends>();
        let origin = ends.and_then(|ends| {
            let requested = Requested {
                ends: *ends,
                version: head.version,
                uri: &head.uri,
                headers: &head.headers,
            };
            requested.origin(proxies)
        });
        let origin = origin.map(|(scheme, authority)| format!("{scheme}://{authority}"));
        BaseUrl(origin.unwrap_or_default())
    }

    /// The URL; `None` without one.
    pub fn text(&self) -> Option<&str> {
        (!self.0.is_empty()).then_some(&self.0)
    }

    /// Scheme and authority; `None` without a URL.
    pub fn origin(&self) -> Option<(&str, &str)> {
        let (scheme, rest) = self.0.split_once("://")?;
        Some((scheme, rest.split('/').next().unwrap_or_default()))
    }

    /// `Location` of an upload (RFC 9110, section 10.2.2).
    pub fn upload(&self, id: Uuid) -> String {
        format!("{}/uploads/files/{id}", self.0)
    }
}

/// The upload that a path names: the inverse of [`BaseUrl::upload`].
pub fn upload_of(path: &str) -> Option<Uuid> {
    parse_id(path.strip_prefix("/uploads/files/")?)
}

/// An id in a path. Only the hyphenated form, in any case: one upload, one
/// address.
pub fn parse_id(id: &str) -> Option<Uuid> {
    (id.len() == 36).then(|| Uuid::try_parse(id).ok())?
}

#[cfg(test)]
mod tests {
    use hyper::Version;

    use super::*;

    #[test]
    fn uploads_lie_below_the_base() {
        for (url, location) in [
            ("", "/uploads/files/"),
            ("http://box", "http://box/uploads/files/"),
            ("https://box.example/", "https://box.example/uploads/files/"),
            (
                "https://[fd00::1]:8443/a/b/",
                "https://[fd00::1]:8443/a/b/uploads/files/",
            ),
            ("HTTP://box:80", "HTTP://box:80/uploads/files/"),
        ] {
            let base = BaseUrl::parse(url).unwrap();
            let expected = format!("{location}{}", Uuid::nil());
            assert_eq!(base.upload(Uuid::nil()), expected, "{url}");
        }
    }

    /// The base for a request without a configured one, to port 8000, where
    /// 10.0.0.0/24 are trusted proxies.
    fn base(peer: &str, version: Version, target: &str, headers: &[(&str, &str)]) -> String {
        let proxies = TrustedProxies(vec!["10.0.0.0/24".parse().unwrap()]);
        let mut request = hyper::Request::builder().version(version).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let ends = Ends {
            peer: peer.parse().unwrap(),
            local_port: 8000,
        };
        let (head, ()) = request.extension(ends).body(()).unwrap().into_parts();
        let BaseUrl(base) = BaseUrl::default().for_request(&head, &proxies);
        let configured = BaseUrl("https://notes.example/scribed".into());
        assert_eq!(configured.for_request(&head, &proxies), configured);
        base
    }

    #[test]
    fn a_direct_client_gets_the_address_that_it_used() {
        let direct = |target, headers: &[_]| base("192.0.2.1", Version::HTTP_11, target, headers);
        let long = "a".repeat(254);
        for (host, expected) in [
            ("box", "http://box"),
            ("box:8000", "http://box:8000"),
            ("BOX.example:80", "http://BOX.example:80"),
            ("192.168.1.20:8000", "http://192.168.1.20:8000"),
            ("[fd00::1]", "http://[fd00::1]"),
            ("[fd00::1]:8000", "http://[fd00::1]:8000"),
            ("my_box-2.local", "http://my_box-2.local"),
            // Nothing that is sent back may be anything but a host and a port.
            ("", ""),
            (":8000", ""),
            ("box:", ""),
            ("box:0", ""),
            ("box:+80", ""),
            ("box:65536", ""),
            ("box:80:80", ""),
            ("me@box", ""),
            ("box/path", ""),
            ("box?a", ""),
            ("box#a", ""),
            ("box,other", ""),
            ("box other", ""),
            ("b\u{f6}x", ""),
            ("%62ox", ""),
            ("\"box\"", ""),
            (".box", ""),
            ("box..example", ""),
            ("fd00::1", ""),
            ("[fd00::1", ""),
            ("[box]", ""),
            ("[fe80::1%25eth0]", ""),
            (&long, ""),
        ] {
            assert_eq!(direct("/uploads/files", &[("Host", host)]), expected);
        }
        let host = ("Host", "box");
        assert_eq!(direct("http://other:81/x", &[host]), "http://other:81");
        assert_eq!(direct("http://me@other/x", &[host]), "");
        // Headers that show a proxy and nothing else.
        for proxied in [
            ("X-Forwarded-Host", "evil.example"),
            ("X-Forwarded-Proto", "https"),
            ("Forwarded", "host=evil.example;proto=https"),
            ("Via", "1.1 proxy"),
        ] {
            assert_eq!(direct("/uploads/files", &[host, proxied]), "");
        }
        assert_eq!(base("192.0.2.1", Version::HTTP_10, "/", &[host]), "");
    }

    #[test]
    fn behind_a_trusted_proxy_its_word_counts_where_it_gives_one() {
        const FOR: (&str, &str) = ("X-Forwarded-For", "192.0.2.1");
        const HTTPS: (&str, &str) = ("X-Forwarded-Proto", "https");
        const NOTES: (&str, &str) = ("X-Forwarded-Host", "notes.example:8443");
        let public = ("Host", "notes.example");
        for (headers, expected) in [
            (&[FOR, HTTPS, NOTES][..], "https://notes.example:8443"),
            (&[HTTPS, NOTES], "https://notes.example:8443"),
            (
                &[("X-Forwarded-Proto", "HTTP"), NOTES],
                "http://notes.example:8443",
            ),
            (
                &[("Forwarded", "for=192.0.2.1;proto=https;host=notes.example")],
                "https://notes.example",
            ),
            (
                &[("Forwarded", "proto=https;host=\"notes.example:8443\"")],
                "https://notes.example:8443",
            ),
            // The scheme is never guessed.
            (&[FOR, public], ""),
            (&[FOR, NOTES, public], ""),
            (&[public], ""),
            (&[("X-Forwarded-Proto", "wss"), NOTES], ""),
            // Host where it cannot be the address that the proxy has for us.
            (&[HTTPS, public], "https://notes.example"),
            (
                &[HTTPS, ("Host", "notes.example:8443")],
                "https://notes.example:8443",
            ),
            (&[HTTPS, ("Host", "127.0.0.1:8000")], ""),
            (&[HTTPS, ("Host", "upstream:8000")], ""),
            (&[HTTPS], ""),
            (&[HTTPS, ("X-Forwarded-Host", "evil/"), public], ""),
            // Two that differ, and two that agree.
            (
                &[HTTPS, NOTES, ("Forwarded", "proto=http;host=notes.example")],
                "",
            ),
            (
                &[
                    HTTPS,
                    ("X-Forwarded-Host", "notes.example"),
                    ("Forwarded", "for=192.0.2.1;proto=https;host=notes.example"),
                ],
                "https://notes.example",
            ),
            // Of several proxies the outermost that is trusted.
            (
                &[(
                    "Forwarded",
                    "host=evil.example;proto=http, \
                     for=192.0.2.1;host=notes.example;proto=https, \
                     for=10.0.0.2;host=\"inner:81\";proto=http",
                )],
                "https://notes.example",
            ),
            (
                &[
                    ("X-Forwarded-For", "1.2.3.4, 192.0.2.1, 10.0.0.2"),
                    ("X-Forwarded-Host", "evil.example, notes.example, inner:81"),
                    ("X-Forwarded-Proto", "http, https, http"),
                ],
                "https://notes.example",
            ),
            (
                &[
                    ("X-Forwarded-For", "192.0.2.1, 10.0.0.2"),
                    ("X-Forwarded-Host", "notes.example"),
                    HTTPS,
                ],
                "https://notes.example",
            ),
            (
                &[("Forwarded", "proto=https;proto=http;host=notes.example")],
                "",
            ),
        ] {
            for version in [Version::HTTP_10, Version::HTTP_11] {
                let found = base("10.0.0.1", version, "/uploads/files", headers);
                assert_eq!(found, expected, "{headers:?}");
            }
        }
    }

    #[test]
    fn what_is_no_base_is_refused_with_the_reason() {
        for (url, why) in [
            ("box.example", "does not begin with"),
            ("/scribed", "does not begin with"),
            ("ftp://box.example", "does not begin with"),
            ("https://", "is no URL"),
            ("https:///scribed", "is no URL"),
            ("https://:8443", "names no host"),
            ("https://box.example:x", "has no valid port"),
            ("https://box.example:99999", "has no valid port"),
            ("https://me@box.example", "has a user name"),
            ("https://box.example/?a=b", "has a query"),
            ("https://box.example/?", "has a query"),
            ("https://box.example/#a", "has a fragment"),
            ("https://box example", "is no URL"),
            ("https://box.example/a b", "is no URL"),
        ] {
            let error = BaseUrl::parse(url).unwrap_err();
            assert!(error.contains(why), "{url}: {error}");
            assert!(error.contains("write one like"), "{error}");
        }
    }
}
