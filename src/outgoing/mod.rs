//! HTTP client for requests to other hosts: downloads recordings and sends
//! callbacks. Only hosts that the configuration allows are contacted, never this
//! server itself, and every wait has a timeout. Proxies are not supported: this is for a LAN.

mod allow;
mod connection;
mod download;
mod failure;
mod own;
mod pace;
mod places;
mod post;
mod tls;
mod url;

use std::sync::Arc;
use std::time::Duration;

pub use allow::AllowList;
pub use download::Download;
pub use failure::{Failure, MAX_DOWNLOADS};
pub use own::OwnAddresses;
pub use url::{HttpUrl, UrlError};

use places::Places;
use tls::Tls;

/// The `User-Agent` header.
const USER_AGENT: &str = concat!("scribed/", env!("CARGO_PKG_VERSION"));

/// The HTTP client.
#[derive(Debug)]
pub struct Outgoing {
    allow: AllowList,
    own: OwnAddresses,
    tls: Tls,
    downloads: Arc<Places>,
    download_timeout: Duration,
    pace_window: Duration,
}

impl Outgoing {
    /// Allows requests to these hosts, without `own`, the addresses of this server.
    /// A download may take `download_timeout` in total, and must not trickle for as
    /// long as `pace_window`.
    pub fn new(
        allow: AllowList,
        own: OwnAddresses,
        download_timeout: Duration,
        pace_window: Duration,
    ) -> Outgoing {
        Outgoing {
            allow,
            own,
            tls: Tls::default(),
            downloads: Arc::default(),
            download_timeout,
            pace_window,
        }
    }

    /// Parses a URL and checks that its host is allowed.
    pub fn url(&self, text: &str) -> Result<HttpUrl, UrlError> {
        if self.allow.is_empty() {
            return Err(UrlError::Disabled);
        }
        let url = HttpUrl::parse(text)?;
        self.permit(&url)?;
        Ok(url)
    }

    fn permit(&self, url: &HttpUrl) -> Result<(), UrlError> {
        match self.allow.allows(url) {
            true if self.own.is_at(url) => Err(UrlError::Own),
            true => Ok(()),
            false => Err(UrlError::HostNotAllowed(url.authority())),
        }
    }
}
