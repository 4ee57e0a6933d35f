//! What the daemon asks of, and tells to, other machines: fetching recordings
//! and calling back. Only hosts that the configuration names are reached, and
//! nothing waits for them without a limit. No proxies: this is for a LAN.

mod address;
mod allow;
mod call;
mod connection;
mod download;
mod failure;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

pub use address::{Address, BadAddress};
pub use allow::AllowList;
pub use download::Download;
pub use failure::{Failure, MAX_DOWNLOADS};

use tls::Tls;

/// How we call ourselves.
const USER_AGENT: &str = concat!("scribed/", env!("CARGO_PKG_VERSION"));

/// The way out.
#[derive(Debug)]
pub struct Outgoing {
    allow: AllowList,
    tls: Tls,
    downloads: Arc<Semaphore>,
    download_timeout: Duration,
}

impl Outgoing {
    /// To these hosts; the whole of a download may take `download_timeout`.
    pub fn new(allow: AllowList, download_timeout: Duration) -> Outgoing {
        Outgoing {
            allow,
            tls: Tls::default(),
            downloads: Arc::new(Semaphore::new(MAX_DOWNLOADS)),
            download_timeout,
        }
    }

    /// Reads an address, and sees to it that we may go there.
    pub fn address(&self, text: &str) -> Result<Address, BadAddress> {
        if self.allow.is_empty() {
            return Err(BadAddress::Nobody);
        }
        let address = Address::parse(text)?;
        self.permit(&address)?;
        Ok(address)
    }

    fn permit(&self, address: &Address) -> Result<(), BadAddress> {
        match self.allow.allows(address) {
            true => Ok(()),
            false => Err(BadAddress::Host(address.authority())),
        }
    }
}
