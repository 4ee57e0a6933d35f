//! The addresses of this server, to which it sends no requests: a webhook to its
//! own interface could start the task again whose end it announces, without end.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use super::HttpUrl;

/// Where this server can be reached.
#[derive(Debug, Clone, Default)]
pub struct OwnAddresses {
    listening: Vec<SocketAddr>,
    base_url: Option<HttpUrl>,
}

impl OwnAddresses {
    /// The addresses that it listens on, and the URL that clients use if one is
    /// configured. Other ports of this machine are other servers.
    pub fn new(listening: Vec<SocketAddr>, base_url: Option<&str>) -> OwnAddresses {
        OwnAddresses {
            listening,
            base_url: base_url.and_then(|url| HttpUrl::parse(url).ok()),
        }
    }

    /// Whether a URL leads to this server, as far as it can be seen without resolving
    /// its name: by address, as `localhost`, or as the host of the configured URL,
    /// over http or https.
    pub(super) fn is_at(&self, url: &HttpUrl) -> bool {
        let base = self.base_url.as_ref();
        if base.is_some_and(|base| {
            let is_port = url.port() == base.port() || url.has_default_port();
            url.host() == base.host() && is_port
        }) {
            return true;
        }
        let host = url.host();
        let is_local_name = host == "localhost" || host.ends_with(".localhost");
        let addresses: Vec<IpAddr> = match host.parse() {
            Ok(address) => vec![address],
            Err(_) if is_local_name => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            Err(_) => Vec::new(),
        };
        let mut addresses = addresses.into_iter();
        addresses.any(|address| self.contains(SocketAddr::new(address, url.port())))
    }

    /// Whether a connection to this address reaches this server.
    pub(super) fn contains(&self, address: SocketAddr) -> bool {
        let wanted = address.ip().to_canonical();
        let address = match wanted {
            // A scope, which link-local addresses need, is kept.
            IpAddr::V6(_) => address,
            v4 => SocketAddr::new(v4, address.port()),
        };
        self.listening.iter().any(|listening| {
            let ip = listening.ip().to_canonical();
            listening.port() == address.port()
                // The kernel connects to the loopback interface then (ip(7)).
                && (wanted.is_unspecified()
                    || ip == wanted
                    || ip.is_unspecified() && is_of_this_machine(address))
        })
    }
}

/// Whether this is an address of this machine now: whether a socket can be bound to
/// it. The service may not list its interfaces (getifaddrs(3) needs AF_NETLINK).
/// With `net.ipv4.ip_nonlocal_bind` every address seems to be, which is safe.
fn is_of_this_machine(wanted: SocketAddr) -> bool {
    let mut any_port = wanted;
    any_port.set_port(0);
    wanted.ip().is_loopback() || UdpSocket::bind(any_port).is_ok()
}

#[cfg(test)]
mod tests {
    use nix::ifaddrs::getifaddrs;
    use nix::sys::socket::SockaddrStorage;

    use super::*;

    #[test]
    fn this_server_is_known_by_all_its_addresses() {
        let own = |listening: &[&str], base_url: Option<&str>| {
            let listening = listening.iter().map(|address| address.parse().unwrap());
            OwnAddresses::new(listening.collect(), base_url)
        };
        let is_at = |own: &OwnAddresses, url: &str| own.is_at(&HttpUrl::parse(url).unwrap());
        let all = own(&["[::]:8000"], Some("https://Notes.example:8443/scribed"));
        let one = own(&["127.0.0.1:8000"], None);
        for (url, of_all, of_one) in [
            ("http://127.0.0.1:8000/", true, true),
            ("http://127.9.9.9:8000/", true, false),
            ("https://127.0.0.1:8000/", true, true),
            ("http://localhost:8000/", true, true),
            ("http://a.localhost:8000/", true, true),
            ("http://[::1]:8000/", true, false),
            ("http://[::ffff:127.0.0.1]:8000/", true, true),
            ("http://[::ffff:7f00:1]:8000/", true, true),
            ("http://0.0.0.0:8000/", true, true),
            ("http://[::]:8000/", true, true),
            ("http://127.0.0.1:8001/", false, false),
            ("http://127.0.0.1/", false, false),
            ("http://192.0.2.1:8000/", false, false),
            ("http://other.example:8000/", false, false),
            ("https://notes.example:8443/", true, false),
            ("https://notes.example/x/../scribed/", true, false),
            ("http://NOTES.example/", true, false),
            ("http://notes.example:9000/", false, false),
        ] {
            assert_eq!(is_at(&all, url), of_all, "{url}");
            assert_eq!(is_at(&one, url), of_one, "{url}");
        }
        // Every address that an interface has.
        let interfaces = getifaddrs().unwrap();
        let v4 = |address: SockaddrStorage| Some(address.as_sockaddr_in()?.ip());
        let v4 = interfaces.filter_map(|interface| interface.address.and_then(v4));
        for address in v4 {
            assert!(
                all.contains(SocketAddr::new(address.into(), 8000)),
                "{address}"
            );
        }
    }
}
