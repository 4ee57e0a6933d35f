//! The hosts that requests may be sent to.

use std::net::Ipv6Addr;

use super::HttpUrl;
use super::url::host;

/// The hosts in `callbacks.allow`; none by default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AllowList(Vec<Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    /// As in [`HttpUrl`]; for all hosts below a domain, the domain with a
    /// leading dot.
    host: String,
    is_domain: bool,
    port: Port,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Port {
    /// The default port of the URL's scheme.
    Default,
    Any,
    Exactly(u16),
}

impl AllowList {
    /// Parses entries of the form `HOST`, `HOST:PORT` or `HOST:*`, where a host
    /// is a name, an IP address or `*.DOMAIN`. The error is a message for users.
    pub fn parse(entries: &[String]) -> Result<AllowList, String> {
        let entries = entries.iter().map(|text| {
            Entry::parse(text).ok_or_else(|| {
                format!(
                    "`{text}` is not a host; write one like notes.example, 192.168.1.20:8080, [fd00::5]:8080, notes.example:* or *.notes.example"
                )
            })
        });
        Ok(AllowList(entries.collect::<Result<_, _>>()?))
    }

    /// Whether no host is allowed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether requests to this URL are allowed.
    pub fn allows(&self, url: &HttpUrl) -> bool {
        self.0.iter().any(|entry| entry.allows(url))
    }
}

impl Entry {
    fn parse(text: &str) -> Option<Entry> {
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            return Some(Entry {
                host: address.to_string(),
                is_domain: false,
                port: Port::Default,
            });
        }
        let end = text.rfind(']').map_or(0, |end| end + 1);
        let (name, port) = match text[end..].find(':') {
            None => (text, Port::Default),
            Some(colon) => {
                let (name, port) = text.split_at(end + colon);
                let port = match &port[1..] {
                    "*" => Port::Any,
                    number => Port::Exactly(number.parse().ok().filter(|port| *port > 0)?),
                };
                (name, port)
            }
        };
        let (name, is_domain) = match name.strip_prefix("*.") {
            Some(domain) => (domain, true),
            None => (name, false),
        };
        let host = host(name)?;
        Some(Entry {
            host: match is_domain {
                true => format!(".{host}"),
                false => host,
            },
            is_domain,
            port,
        })
    }

    fn allows(&self, url: &HttpUrl) -> bool {
        let is_host = match self.is_domain {
            true => url.host().ends_with(&self.host),
            false => url.host() == self.host,
        };
        let is_port = match self.port {
            Port::Default => url.has_default_port(),
            Port::Any => true,
            Port::Exactly(port) => url.port() == port,
        };
        is_host && is_port
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_allows_exactly_what_it_names() {
        for (entry, allowed, refused) in [
            (
                "Notes.example",
                &["http://notes.example/", "https://NOTES.example:443/x"][..],
                &[
                    "http://notes.example:8080/",
                    "http://notes.example:443/",
                    "http://a.notes.example/",
                    "http://notes.example.evil/",
                    "http://notes.example./",
                ][..],
            ),
            (
                "nas:8080",
                &["http://nas:8080/", "https://nas:8080/"],
                &["http://nas/", "http://nas:80801/"],
            ),
            (
                "nas:*",
                &["http://nas/", "http://nas:9/"],
                &["http://nas2/"],
            ),
            (
                "*.notes.example",
                &["https://a.notes.example/", "https://a.b.notes.example/"],
                &["https://notes.example/", "https://evilnotes.example/"],
            ),
            ("127.0.0.1", &["http://127.0.0.1/"], &["http://127.1/"]),
            (
                "[0::1]:8080",
                &["http://[::1]:8080/"],
                &["http://[::1]/", "http://[::2]:8080/"],
            ),
            ("fd00::5", &["http://[fd00:0::5]/"], &["http://[fd00::6]/"]),
        ] {
            let list = AllowList::parse(&[entry.to_owned()]).unwrap();
            let allows = |text: &&str| HttpUrl::parse(text).is_ok_and(|to| list.allows(&to));
            for text in allowed {
                assert!(allows(text), "{entry} {text}");
            }
            for text in refused {
                assert!(!allows(text), "{entry} {text}");
            }
        }
        for wrong in [
            "",
            "*",
            "*.",
            "nas:",
            "nas:0",
            "nas:x",
            "http://nas",
            "nas/x",
            "[::1",
            "me@nas",
            "nas*",
        ] {
            assert!(AllowList::parse(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}
