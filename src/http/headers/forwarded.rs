//! The path of a request through proxies: `Forwarded` (RFC 7239),
//! `X-Forwarded-For` and related headers.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{FORWARDED, HeaderMap, HeaderName};

// Older headers, of no standard.
pub const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
pub const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// A node of the path; `None` without a readable address, on purpose (`unknown`,
/// `_hidden`) or by mistake.
pub type Hop = Option<IpAddr>;

/// One element of `Forwarded` (RFC 7239): what one proxy states about the request it received.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Element {
    has_parameters: bool,
    client: Option<Hop>,
    /// The scheme.
    pub proto: Option<String>,
    /// The header `Host`.
    pub host: Option<String>,
}

/// All elements of `Forwarded`, the client's first; `None` without the header.
/// An element that cannot be parsed states nothing.
pub fn forwarded(headers: &HeaderMap) -> Option<Vec<Element>> {
    let lines = lines(headers, FORWARDED)?;
    let elements = lines.map(|line| elements(line).unwrap_or_else(|| vec![Element::default()]));
    Some(elements.flatten().collect())
}

/// The addresses in `X-Forwarded-For`, the client first; `None` without the header.
pub fn x_forwarded_for(headers: &HeaderMap) -> Option<Vec<Hop>> {
    let hops = x_forwarded(headers, X_FORWARDED_FOR)?;
    Some(hops.into_iter().map(address).collect())
}

/// The values of one of the older headers; `None` without it.
pub fn x_forwarded(headers: &HeaderMap, name: HeaderName) -> Option<Vec<&str>> {
    let values = lines(headers, name)?.flat_map(|line| line.split(','));
    let values = values.map(str::trim).filter(|value| !value.is_empty());
    Some(values.collect())
}

/// A list may be spread over several lines (RFC 9110, section 5.3). One that
/// is not ASCII reads like no address.
fn lines(headers: &HeaderMap, name: HeaderName) -> Option<impl Iterator<Item = &str>> {
    let mut lines = headers.get_all(name).iter().peekable();
    lines.peek()?;
    Some(lines.map(|line| line.to_str().unwrap_or("?")))
}

/// The elements of a line of `Forwarded` (RFC 7239, section 4); `None` if the
/// line breaks the grammar.
fn elements(line: &str) -> Option<Vec<Element>> {
    let mut elements = Vec::new();
    let mut element = Element::default();
    let mut rest = line;
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        // Empty elements of a list count for nothing (RFC 9110, section 5.6.1).
        if !rest.starts_with([',', ';']) && !rest.is_empty() {
            let (name, behind) = rest.split_once('=')?;
            let (value, behind) = value(behind)?;
            element.take(name, &value)?;
            rest = behind.trim_start_matches([' ', '\t']);
        }
        let ends = match rest.chars().next() {
            None | Some(',') => true,
            Some(';') => false,
            Some(_) => return None,
        };
        if ends && element.has_parameters {
            elements.push(std::mem::take(&mut element));
        }
        match rest.get(1..) {
            Some(behind) => rest = behind,
            None => return Some(elements),
        }
    }
}

impl Element {
    fn take(&mut self, name: &str, value: &str) -> Option<()> {
        if !is_token(name) {
            return None;
        }
        self.has_parameters = true;
        // Each may occur once.
        let is_twice = match name.to_ascii_lowercase().as_str() {
            "for" => self.client.replace(address(value)).is_some(),
            "proto" => self.proto.replace(value.to_owned()).is_some(),
            "host" => self.host.replace(value.to_owned()).is_some(),
            _ => false,
        };
        (!is_twice).then_some(())
    }

    /// The node that made the request.
    pub fn hop(&self) -> Hop {
        self.client.flatten()
    }
}

/// A token or a quoted string (RFC 9110, section 5.6), and what is behind it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ';', ' ', '\t']).unwrap_or(text.len());
        let (token, behind) = text.split_at(end);
        return is_token(token).then(|| (token.to_owned(), behind));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    loop {
        match chars.next()? {
            (at, '"') => return Some((value, &quoted[at + 1..])),
            (_, '\\') => value.push(chars.next()?.1),
            (_, other) => value.push(other),
        }
    }
}

fn is_token(text: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_tchar)
}

/// The address of a node (RFC 7239, section 6), also with a port, and of IPv6
/// also without brackets, as `X-Forwarded-For` has it.
fn address(node: &str) -> Hop {
    let bare = node
        .strip_prefix('[')
        .and_then(|node| node.strip_suffix(']'));
    let address = match bare {
        Some(v6) => IpAddr::V6(v6.parse().ok()?),
        None => node
            .parse()
            .or_else(|_| node.parse().map(|with_port: SocketAddr| with_port.ip()))
            .ok()?,
    };
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &HeaderName, lines: &[&str]) -> HeaderMap {
        let lines = lines
            .iter()
            .map(|line| (name.clone(), line.parse().unwrap()));
        lines.collect()
    }

    fn parsed(lines: &[&str]) -> Vec<Hop> {
        let elements = forwarded(&headers(&FORWARDED, lines)).unwrap();
        elements.iter().map(Element::hop).collect()
    }

    fn hops(addresses: &[&str]) -> Vec<Hop> {
        addresses
            .iter()
            .map(|address| address.parse().ok())
            .collect()
    }

    #[test]
    fn forwarded_is_read_as_the_standard_has_it() {
        for (lines, way) in [
            (&["for=192.0.2.60"][..], &["192.0.2.60"][..]),
            (
                &["For=\"192.0.2.43:47011\";proto=http; by=203.0.113.43"],
                &["192.0.2.43"],
            ),
            (
                &["for=192.0.2.43, for=198.51.100.17"],
                &["192.0.2.43", "198.51.100.17"],
            ),
            (
                &["for=192.0.2.43", "for=198.51.100.17"],
                &["192.0.2.43", "198.51.100.17"],
            ),
            (
                &["For=\"[2001:db8:cafe::17]:4711\""],
                &["2001:db8:cafe::17"],
            ),
            (&["for=\"[2001:db8::1]\""], &["2001:db8::1"]),
            (&["for=\"\\1\\92.0.2.1\""], &["192.0.2.1"]),
            (&["for=\"[::ffff:192.0.2.1]\""], &["192.0.2.1"]),
            (
                &["for=unknown, for=_hidden, for=\"_SEVKISEK:80\""],
                &["-", "-", "-"],
            ),
            (
                &["proto=https;by=10.0.0.1, for=10.0.0.2"],
                &["-", "10.0.0.2"],
            ),
            (&[" , for=10.0.0.1 ,, "], &["10.0.0.1"]),
            (&["for=10.0.0.1;"], &["10.0.0.1"]),
            (&["host=\"a, for=10.0.0.9\";for=10.0.0.1"], &["10.0.0.1"]),
            (&[""], &[]),
        ] {
            assert_eq!(parsed(lines), hops(way), "{lines:?}");
        }
        assert_eq!(forwarded(&HeaderMap::new()), None);
    }

    #[test]
    fn a_line_that_breaks_the_grammar_tells_no_address() {
        for line in [
            "10.0.0.1",
            "for",
            "for=",
            "for=\"10.0.0.1",
            "for=\"10.0.0.1\\",
            "for=10.0.0.1 for=10.0.0.2",
            "for=10.0.0.1;for=10.0.0.2",
            "for=[2001:db8::1]",
            "for=192.0.2.43:47011",
            "for =10.0.0.1",
            "for= 10.0.0.1",
            "for=\"10.0.0.1\"x",
            "for=\"x, for=10.0.0.1",
            "=10.0.0.1",
            "proto=http;for=10.0.0.1;proto=https",
        ] {
            let parsed = parsed(&["for=10.0.0.8", line]);
            assert_eq!(parsed, hops(&["10.0.0.8", "-"]), "{line}");
        }
    }

    #[test]
    fn x_forwarded_for_is_read_as_proxies_write_it() {
        for (lines, way) in [
            (&["192.0.2.60"][..], &["192.0.2.60"][..]),
            (&["192.0.2.60,10.0.0.1"], &["192.0.2.60", "10.0.0.1"]),
            (&["192.0.2.60", " 10.0.0.1 ,"], &["192.0.2.60", "10.0.0.1"]),
            (&["192.0.2.60:1234"], &["192.0.2.60"]),
            (
                &["2001:db8::1, [2001:db8::2]"],
                &["2001:db8::1", "2001:db8::2"],
            ),
            (&["[2001:db8::1]:443"], &["2001:db8::1"]),
            (&["::ffff:192.0.2.60"], &["192.0.2.60"]),
            (&["unknown, 10.0.0.1"], &["-", "10.0.0.1"]),
            (
                &["192.0.2.060, 1.2.3, [1.2.3.4], fe80::1%eth0"],
                &["-", "-", "-", "-"],
            ),
            (&["\u{ef}"], &["-"]),
        ] {
            let parsed = x_forwarded_for(&headers(&X_FORWARDED_FOR, lines)).unwrap();
            assert_eq!(parsed, hops(way), "{lines:?}");
        }
        assert_eq!(x_forwarded_for(&HeaderMap::new()), None);
    }
}
