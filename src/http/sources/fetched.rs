//! A recording from elsewhere as a source of bytes for the upload engine.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::outgoing::{Download, Failure};
use crate::upload::{Checksum, Cut, PeerSocket, Source};

/// Where it is found why a recording did not come to its end.
#[derive(Debug, Clone, Default)]
pub struct Trouble(Arc<Mutex<Option<Failure>>>);

impl Trouble {
    /// Why; if nobody said, nothing came any more.
    pub fn take(&self) -> Failure {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.take().unwrap_or(Failure::Slow("to send more of it"))
    }
}

/// The bytes of a download.
pub struct Fetched {
    /// What brings them.
    pub download: Download,
    /// Told before the end.
    pub trouble: Trouble,
}

impl Source for Fetched {
    async fn next(&mut self) -> Option<Result<Bytes, Cut>> {
        let next = self.download.next().await?;
        Some(next.map_err(|failure| {
            let mut told = self.trouble.0.lock();
            *told.as_deref_mut().unwrap_or(&mut None) = Some(failure);
            Cut::Lost
        }))
    }

    /// What is behind it cannot be asked: it may be encrypted.
    fn peer_socket(&self) -> Option<PeerSocket> {
        None
    }

    fn checksum(&self) -> Option<Checksum> {
        None
    }
}
