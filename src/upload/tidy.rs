//! Makes room: removes what has expired and gives up reservations that are not used,
//! at once when a limit is reached, and from time to time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{info, warn};
use uuid::Uuid;

use super::sweep::remove_expired;
use super::uploads::Uploads;
use crate::blocking;
use crate::store::folder::{OpenError, Parked};

/// Shortest time between two searches because a limit was reached.
const PAUSE: Duration = Duration::from_secs(1);

impl Uploads {
    /// Because a limit was reached: removes the uploads admitted that have expired.
    pub(super) async fn tidy_now(&self) {
        let mut tidied = self.tidied.lock().await;
        if tidied.is_some_and(|at| at.elapsed() < PAUSE) {
            return;
        }
        let (layout, idle_expiry) = (self.layout.clone(), self.limits.idle_expiry);
        let ids = self.admission.ids();
        let removed =
            blocking::run(move || remove_expired(&layout, ids.into_iter().map(Ok), idle_expiry))
                .await;
        match removed {
            Ok(swept) if swept.expired == 0 => {}
            Ok(swept) => info!("removed {} expired uploads to make room", swept.expired),
            Err(error) => warn!("expired uploads cannot be removed: {error}"),
        }
        self.tidy().await;
        *tidied = Some(Instant::now());
    }

    /// Forgets what a sweep has removed, and gives up the space reserved for uploads
    /// that receive next to nothing. Should be called every minute.
    pub async fn tidy(&self) {
        for id in self.forget_removed().await {
            self.observer.expired(id);
        }
        for id in self
            .admission
            .unused_reservations(self.limits.reservation_life())
        {
            let layout = self.layout.clone();
            let released = blocking::run(move || {
                let parked = Parked::lock(&layout, id)?;
                parked.release_reservation()?;
                Ok::<_, OpenError>(parked.record.offset)
            });
            match released.await {
                Ok(offset) => {
                    self.admission.released(id);
                    info!(upload_id = %id, "the space reserved for it is given up: it stays at {offset}");
                }
                // One with a writer gives up its own; others are gone.
                Err(OpenError::Locked | OpenError::Missing) => {}
                Err(error) => {
                    warn!(upload_id = %id, "the space reserved for it cannot be given up: {error}");
                }
            }
        }
    }

    async fn forget_removed(&self) -> Vec<Uuid> {
        let ids = self.admission.ids();
        let (admission, layout) = (Arc::clone(&self.admission), self.layout.clone());
        blocking::run(move || admission.forget_removed(ids, &layout)).await
    }
}
