//! Addresses of the web.

use std::net::Ipv6Addr;

use hyper::Uri;
use iri_string::types::{UriAbsoluteStr, UriReferenceStr};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// No longer address is taken: it is kept with the task.
const MAX_BYTES: usize = 2000;

/// What people write as it is, beside all that is not ASCII.
const UNWRITTEN: &AsciiSet = &CONTROLS.add(b' ');

/// `http` or `https`, a host, a path, maybe a query; no names, no passwords.
///
/// Its text as a [`Display`](std::fmt::Display) is for people and journals: it
/// has no query, which may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    is_https: bool,
    /// Small letters; an IPv6 address without its brackets.
    host: String,
    port: u16,
    /// Begins with `/`.
    target: String,
}

/// Why an address is not used. The texts follow the name of whatever it was
/// told in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// It would be kept with the task.
    #[error("is longer than {MAX_BYTES} characters")]
    TooLong,
    /// It is none.
    #[error("is no address that can be used; write one like https://notes.example/path")]
    Unreadable,
    /// They would be told to everybody who sees the task.
    #[error("must not hold a user name or a password")]
    Credentials,
    /// Nobody may be reached.
    #[error(
        "is not taken by this server, which reaches no other machines (callbacks.allow is empty)"
    )]
    Nobody,
    /// Others may be reached.
    #[error(
        "is at {0}, which this server may not reach; callbacks.allow names the hosts that it may"
    )]
    Host(String),
    /// What was asked for in secret would be sent in the open.
    #[error("leads from https to http")]
    Downgrade,
}

impl BadAddress {
    /// It makes sense, and is not allowed here.
    pub fn is_forbidden(&self) -> bool {
        matches!(
            self,
            BadAddress::Nobody | BadAddress::Host(_) | BadAddress::Downgrade
        )
    }
}

impl Address {
    /// Reads one.
    pub fn parse(text: &str) -> Result<Address, BadAddress> {
        if text.len() > MAX_BYTES {
            return Err(BadAddress::TooLong);
        }
        let uri: Uri = written(text)?.parse().map_err(|_| BadAddress::Unreadable)?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(BadAddress::Unreadable),
        };
        let authority = uri.authority().ok_or(BadAddress::Unreadable)?;
        if authority.as_str().contains('@') {
            return Err(BadAddress::Credentials);
        }
        let host = host(authority.host()).ok_or(BadAddress::Unreadable)?;
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("" | ":") => usual_port(is_https),
            _ => authority.port_u16().ok_or(BadAddress::Unreadable)?,
        };
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        Ok(Address {
            is_https,
            host,
            port,
            target: match target.strip_prefix('?') {
                Some(query) => format!("/?{query}"),
                None => target.to_owned(),
            },
        })
    }

    /// The address that an answer from this one leads to (RFC 3986, section 5).
    pub fn follow(&self, reference: &str) -> Result<Address, BadAddress> {
        let reference = written(reference)?;
        let unreadable = |_| BadAddress::Unreadable;
        let reference = UriReferenceStr::new(&reference).map_err(unreadable)?;
        let base = self.text();
        let base = UriAbsoluteStr::new(&base).map_err(unreadable)?;
        let next = Address::parse(&reference.resolve_against(base).to_string())?;
        match self.is_https && !next.is_https {
            true => Err(BadAddress::Downgrade),
            false => Ok(next),
        }
    }

    /// All of it.
    pub fn text(&self) -> String {
        format!("{}://{}{}", self.scheme(), self.authority(), self.target)
    }

    /// Host and port, the port only where it is not the usual one.
    pub fn authority(&self) -> String {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        match self.has_usual_port() {
            true => host,
            false => format!("{host}:{}", self.port),
        }
    }

    /// The last part of its path, as the name of a file.
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

    pub(super) fn has_usual_port(&self) -> bool {
        self.port == usual_port(self.is_https)
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

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.target.split('?').next().unwrap_or_default();
        write!(f, "{}://{}{path}", self.scheme(), self.authority())
    }
}

/// A name or an address of a host in one spelling, if it is one.
pub(super) fn host(text: &str) -> Option<String> {
    if let Some(address) = text.strip_prefix('[') {
        let address: Ipv6Addr = address.strip_suffix(']')?.parse().ok()?;
        return Some(address.to_string());
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let is_host = !text.is_empty() && text.len() <= 253 && text.bytes().all(is_name);
    is_host.then(|| text.to_ascii_lowercase())
}

fn usual_port(is_https: bool) -> u16 {
    match is_https {
        true => 443,
        false => 80,
    }
}

/// As RFC 3986 has it written; without a fragment, which is nobody's but the
/// reader's.
fn written(text: &str) -> Result<String, BadAddress> {
    if text.chars().any(char::is_control) {
        return Err(BadAddress::Unreadable);
    }
    let text = text.split('#').next().unwrap_or_default().trim();
    Ok(utf8_percent_encode(text, UNWRITTEN).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_one_spelling() {
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
            let address = Address::parse(text).unwrap();
            assert_eq!((&*address.text(), &*address.to_string()), (whole, shown));
            assert_eq!(Address::parse(whole).as_ref(), Ok(&address));
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
            assert_eq!(Address::parse(text), Err(BadAddress::Unreadable), "{text}");
        }
        let told = Address::parse("http://me:secret@nas/");
        assert_eq!(told, Err(BadAddress::Credentials));
        let long = format!("http://nas/{}", "x".repeat(MAX_BYTES));
        assert_eq!(Address::parse(&long), Err(BadAddress::TooLong));
    }

    #[test]
    fn redirects_are_followed_as_browsers_do_but_not_into_the_open() {
        let from = Address::parse("https://nas/a/b.mp3?x").unwrap();
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
        assert_eq!(downgrade, Err(BadAddress::Downgrade));
        for wrong in ["file:///etc/passwd", "http://[", "https://x@nas/"] {
            assert!(from.follow(wrong).is_err(), "{wrong}");
        }
        assert!(
            Address::parse("http://nas/")
                .unwrap()
                .follow("https://nas/")
                .is_ok()
        );
    }

    #[test]
    fn a_file_has_the_name_that_its_path_ends_with() {
        for (text, name) in [
            ("http://nas/a/b%20c.mp3?x=/d", Some("b c.mp3")),
            ("http://nas/a/", None),
            ("http://nas", None),
            ("http://nas/%ff", None),
        ] {
            assert_eq!(Address::parse(text).unwrap().file_name().as_deref(), name);
        }
    }
}
