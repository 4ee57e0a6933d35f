//! A recording fetched by URL as a source of bytes for the upload engine.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::outgoing::{Download, Failure};
use crate::shares::Share;
use crate::upload::{ByteSource, SourceError};

/// Where the failure of a download is left for the response.
#[derive(Debug, Clone, Default)]
pub struct Trouble(Arc<Mutex<Option<Failure>>>);

impl Trouble {
    /// The failure; a stalled connection if none was recorded.
    pub fn take(&self) -> Failure {
        let mut failure = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failure
            .take()
            .unwrap_or(Failure::Slow("to send more of it"))
    }
}

/// The bytes of a download.
pub struct Fetched {
    /// The download.
    pub download: Download,
    /// Receives the failure.
    pub trouble: Trouble,
    /// That of whom it is for.
    #[expect(dead_code, reason = "held")]
    pub share: Share,
}

impl ByteSource for Fetched {
    async fn next(&mut self) -> Option<Result<Bytes, SourceError>> {
        let next = self.download.next().await?;
        Some(next.map_err(|failure| {
            let mut left = self.trouble.0.lock();
            *left.as_deref_mut().unwrap_or(&mut None) = Some(failure);
            SourceError::Lost
        }))
    }
}
