//! Which grant a connection is used with.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::access::Grant;

/// After a revocation, the time to send the client the reason.
const FAREWELL: Duration = Duration::from_millis(300);

/// The [`Grant`] of the request that a connection serves, or served last.
#[derive(Debug, Clone, Default)]
pub struct Admitted(Arc<watch::Sender<Option<Grant>>>);

impl Admitted {
    /// The next request has begun.
    pub fn clear(&self) {
        self.0.send_if_modified(|grant| grant.take().is_some());
    }

    /// It was admitted with this grant.
    pub fn set(&self, grant: Grant) {
        self.0.send_replace(Some(grant));
    }

    /// Resolves a moment after the grant was revoked: then the connection must be
    /// cut, whatever it is used for and however slow its client is.
    pub async fn revoked(&self) {
        let mut grants = self.0.subscribe();
        loop {
            let grant = grants.borrow_and_update().clone();
            let revoked = async {
                match grant {
                    Some(grant) => grant.revoked().await,
                    None => std::future::pending().await,
                }
                tokio::time::sleep(FAREWELL).await;
            };
            tokio::select! {
                () = revoked => return,
                // The sender is held by `self`.
                _ = grants.changed() => {}
            }
        }
    }
}
