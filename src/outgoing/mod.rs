//! What the daemon asks of, and tells to, other machines: fetching recordings
//! and calling back. Only hosts that the configuration names are reached, and
//! nothing waits for them without a limit. No proxies: this is for a LAN.

mod address;
mod allow;
mod call;
mod connection;
mod download;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use tokio::sync::Semaphore;

pub use address::{Address, BadAddress};
pub use allow::AllowList;
pub use download::Download;

use tls::Tls;

/// Recordings that are fetched at a time; each holds a connection and some
/// buffers.
pub const MAX_DOWNLOADS: usize = 8;

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

/// Why something came to nothing out there. The texts are for people, and
/// follow the address they are about.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It leads where we may not go.
    #[error("{0}")]
    Address(#[from] BadAddress),
    /// Nobody is there.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// Somebody is there who cannot prove to be the one that was meant.
    #[error("cannot be trusted: {0}")]
    Tls(String),
    /// The connection was lost, or nonsense came over it.
    #[error("broke off: {0}")]
    Lost(String),
    /// Too slow in something.
    #[error("took too long {0}")]
    Slow(&'static str),
    /// It answers something else than what was asked for.
    #[error("answers {0}")]
    Status(StatusCode),
    /// It sends us from one address to the next.
    #[error(
        "leads to more than {} other addresses, one after the other",
        download::MAX_REDIRECTS
    )]
    Redirects,
    /// What comes is packed.
    #[error("sends its content packed (Content-Encoding: {0})")]
    Encoding(String),
    /// Enough is going on already.
    #[error("must wait: {MAX_DOWNLOADS} recordings are being fetched; try again later")]
    Busy,
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
