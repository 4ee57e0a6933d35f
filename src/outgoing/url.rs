//! HTTP URLs.

use std::net::Ipv6Addr;

use hyper::Uri;
use iri_string::types::{UriAbsoluteStr, UriReferenceStr};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// Longest URL that is accepted; URLs are stored with the task.
const MAX_BYTES: usize = 2000;

/// What is percent-encoded, beside everything that is not ASCII.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ');

/// An `http` or `https` URL without user name and password.
///
/// [`Display`](std::fmt::Display) is for messages and logs: it leaves out the
/// query, which may contain a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpUrl {
    is_https: bool,
    /// In lower case; an IPv6 address without its brackets.
    host: String,
    port: u16,
    /// Path and query; begins with `/`.
    target: String,
}

/// Why a URL is not accepted. The messages follow the name of the parameter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// The URL is too long.
    #[error("is longer than {MAX_BYTES} characters")]
    TooLong,
    /// The text is not an `http` or `https` URL.
    #[error("is not a valid URL; write one like https://notes.example/path")]
    Invalid,
    /// The URL contains credentials, which everyone who can see the task could
    /// read.
    #[error("must not contain a user name or a password")]
    Credentials,
    /// No hosts are allowed.
    #[error("is not accepted: this server connects to no other hosts (callbacks.allow is empty)")]
    Disabled,
    /// The host is not allowed.
    #[error("is at {0}, which this server may not reach; callbacks.allow lists the allowed hosts")]
    HostNotAllowed(String),
    /// It leads to this server.
    #[error("leads to this server itself, which sends itself no requests")]
    Own,
    /// A redirect from https to http, which would give up encryption.
    #[error("redirects from https to http")]
    Downgrade,
}

impl UrlError {
    /// Whether the URL is valid and only not allowed here.
    pub fn is_forbidden(&self) -> bool {
        matches!(
            self,
            UrlError::Disabled | UrlError::HostNotAllowed(_) | UrlError::Own | UrlError::Downgrade
        )
    }
}

impl HttpUrl {
    /// Parses a URL and normalizes it.
    pub fn parse(text: &str) -> Result<HttpUrl, UrlError> {
        if text.len() > MAX_BYTES {
            return Err(UrlError::TooLong);
        }
        let uri: Uri = escape(text)?.parse().map_err(|_| UrlError::Invalid)?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(UrlError::Invalid),
        };
        let authority = uri.authority().ok_or(UrlError::Invalid)?;
        if authority.as_str().contains('@') {
            return Err(UrlError::Credentials);
        }
        let host = host(authority.host()).ok_or(UrlError::Invalid)?;
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("" | ":") => default_port(is_https),
            _ => authority.port_u16().ok_or(UrlError::Invalid)?,
        };
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        Ok(HttpUrl {
            is_https,
            host,
            port,
            target: match target.strip_prefix('?') {
                Some(query) => format!("/?{query}"),
                None => target.to_owned(),
            },
        })
    }

    /// Resolves a reference in a response from this URL (RFC 3986, section 5).
    pub fn follow(&self, reference: &str) -> Result<HttpUrl, UrlError> {
        let reference = escape(reference)?;
        let invalid = |_| UrlError::Invalid;
        let reference = UriReferenceStr::new(&reference).map_err(invalid)?;
        let base = self.text();
        let base = UriAbsoluteStr::new(&base).map_err(invalid)?;
        let next = HttpUrl::parse(&reference.resolve_against(base).to_string())?;
        match self.is_https && !next.is_https {
            true => Err(UrlError::Downgrade),
            false => Ok(next),
        }
    }

    /// The whole URL.
    pub fn text(&self) -> String {
        format!("{}://{}{}", self.scheme(), self.authority(), self.target)
    }

    /// Host and port; the port only if it is not the scheme's default.
    pub fn authority(&self) -> String {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        match self.has_default_port() {
            true => host,
            false => format!("{host}:{}", self.port),
        }
    }

    /// The last segment of the path, decoded, as a file name.
    pub fn file_name(&self) -> Option<String> {
        let path = self.target.split('?').next().unwrap_or_default();
        let last = path.rsplit('/').next().filter(|last| !last.is_empty())?;
        let name = percent_decode_str(last).decode_utf8().ok()?;
        Some(name.into_owned())
    }

    pub(super) fn is_https(&self) -> bool {
        self.is_https
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn has_default_port(&self) -> bool {
        self.port == default_port(self.is_https)
    }

    /// Path and query.
    pub(super) fn target(&self) -> &str {
        &self.target
    }

    fn scheme(&self) -> &'static str {
        match self.is_https {
            true => "https",
            false => "http",
        }
    }
}

impl std::fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.target.split('?').next().unwrap_or_default();
        write!(f, "{}://{}{path}", self.scheme(), self.authority())
    }
}

/// Normalizes a host name or IP address; `None` if the text is neither.
pub(super) fn host(text: &str) -> Option<String> {
    if let Some(address) = text.strip_prefix('[') {
        let address: Ipv6Addr = address.strip_suffix(']')?.parse().ok()?;
        return Some(address.to_string());
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let is_host = !text.is_empty() && text.len() <= 253 && text.bytes().all(is_name);
    is_host.then(|| text.to_ascii_lowercase())
}

fn default_port(is_https: bool) -> u16 {
    match is_https {
        true => 443,
        false => 80,
    }
}

/// Percent-encodes a URL (RFC 3986) and removes its fragment, which is not sent
/// to servers.
fn escape(text: &str) -> Result<String, UrlError> {
    if text.chars().any(char::is_control) {
        return Err(UrlError::Invalid);
    }
    let text = text.split('#').next().unwrap_or_default().trim();
    Ok(utf8_percent_encode(text, ESCAPED).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_parsed_and_normalized() {
        for (text, whole, shown) in [
            ("http://NAS.lan", "http://nas.lan/", "http://nas.lan/"),
            (
                "https://nas:443/a/b?x=y#z",
                "https://nas/a/b?x=y",
                "https://nas/a/b",
            ),
            ("http://nas:443/", "http://nas:443/", "http://nas:443/"),
            ("http://nas?token=x", "http://nas/?token=x", "http://nas/"),
            (
                "http://[0:0::1]:80/Gr\u{fc}\u{df}e 1.mp3",
                "http://[::1]/Gr%C3%BC%C3%9Fe%201.mp3",
                "http://[::1]/Gr%C3%BC%C3%9Fe%201.mp3",
            ),
        ] {
            let url = HttpUrl::parse(text).unwrap();
            assert_eq!((&*url.text(), &*url.to_string()), (whole, shown));
            assert_eq!(HttpUrl::parse(whole).as_ref(), Ok(&url));
        }
        for text in [
            "",
            "nas",
            "nas/a.mp3",
            "/a.mp3",
            "ftp://nas/a.mp3",
            "file:///etc/passwd",
            "http://",
            "http:///a",
            "http://nas:99999/",
            "http://nas:x/",
            "http://n%61s/",
            "http://b\u{fc}ro/",
            "http://[::g]/",
            "http://nas/\r\nHost: other",
        ] {
            assert_eq!(HttpUrl::parse(text), Err(UrlError::Invalid), "{text}");
        }
        let with_credentials = HttpUrl::parse("http://me:secret@nas/");
        assert_eq!(with_credentials, Err(UrlError::Credentials));
        let long = format!("http://nas/{}", "x".repeat(MAX_BYTES));
        assert_eq!(HttpUrl::parse(&long), Err(UrlError::TooLong));
    }

    #[test]
    fn redirects_are_resolved_as_browsers_do_but_not_from_https_to_http() {
        let from = HttpUrl::parse("https://nas/a/b.mp3?x").unwrap();
        for (reference, to) in [
            ("c.mp3", "https://nas/a/c.mp3"),
            ("../c d.mp3?y", "https://nas/c%20d.mp3?y"),
            ("/c", "https://nas/c"),
            ("//other:8443/c", "https://other:8443/c"),
            ("https://other/c", "https://other/c"),
            ("?z", "https://nas/a/b.mp3?z"),
        ] {
            let next = from.follow(reference).map(|next| next.text());
            assert_eq!(next.as_deref(), Ok(to), "{reference}");
        }
        let downgrade = from.follow("http://nas/c");
        assert_eq!(downgrade, Err(UrlError::Downgrade));
        for wrong in ["file:///etc/passwd", "http://[", "https://x@nas/"] {
            assert!(from.follow(wrong).is_err(), "{wrong}");
        }
        assert!(
            HttpUrl::parse("http://nas/")
                .unwrap()
                .follow("https://nas/")
                .is_ok()
        );
    }

    #[test]
    fn the_file_name_is_the_last_segment_of_the_path() {
        for (text, name) in [
            ("http://nas/a/b%20c.mp3?x=/d", Some("b c.mp3")),
            ("http://nas/a/", None),
            ("http://nas", None),
            ("http://nas/%ff", None),
        ] {
            assert_eq!(HttpUrl::parse(text).unwrap().file_name().as_deref(), name);
        }
    }
}
