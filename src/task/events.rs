//! Who listens to what: for each id that somebody listens to, how it stands.
//!
//! Only the newest state is held, and segments are read from where they are
//! written: so nothing ever queues here, whoever tells something never waits,
//! and a listener that is slow misses steps in between and no segment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use uuid::Uuid;

use super::standing::Standing;

/// All listeners.
#[derive(Debug, Default)]
pub(super) struct Events(Mutex<HashMap<Uuid, watch::Sender<Option<Standing>>>>);

/// Somebody who listens to one id, of which nothing may be known yet.
#[derive(Debug)]
pub struct Listener {
    id: Uuid,
    changes: Option<watch::Receiver<Option<Standing>>>,
    events: Arc<Events>,
}

/// What was listened to has been deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

impl Events {
    pub(super) fn listen(self: &Arc<Events>, id: Uuid) -> Listener {
        let mut channels = self.channels();
        let channel = channels.entry(id).or_default();
        Listener {
            id,
            changes: Some(channel.subscribe()),
            events: Arc::clone(self),
        }
    }

    /// Whether nobody listens to anything.
    pub(super) fn is_idle(&self) -> bool {
        self.channels().is_empty()
    }

    /// Tells those who listen to this, if anybody does.
    pub(super) fn tell(&self, id: Uuid, standing: Standing) {
        self.tell_all([(id, standing)]);
    }

    /// The same of many.
    pub(super) fn tell_all(&self, all: impl IntoIterator<Item = (Uuid, Standing)>) {
        let channels = self.channels();
        for (id, standing) in all {
            if let Some(channel) = channels.get(&id) {
                channel.send_if_modified(|told| {
                    let is_new = told.as_ref() != Some(&standing);
                    *told = Some(standing);
                    is_new
                });
            }
        }
    }

    /// Says that it is there no longer. What comes later under this id is
    /// something else, maybe somebody else's.
    pub(super) fn gone(&self, id: Uuid) {
        self.channels().remove(&id);
    }

    fn channels(&self) -> MutexGuard<'_, HashMap<Uuid, watch::Sender<Option<Standing>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    /// How it stands as far as was told since somebody listens; `None`:
    /// nothing was.
    pub fn told(&mut self) -> Option<Standing> {
        self.changes.as_mut()?.borrow_and_update().clone()
    }

    /// Resolves when something else is told than [`Listener::told`] gave last.
    /// May be dropped and called again.
    pub async fn changed(&mut self) -> Result<(), Gone> {
        match &mut self.changes {
            Some(changes) => changes.changed().await.map_err(|_| Gone),
            None => Err(Gone),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut channels = self.events.channels();
        self.changes = None;
        let is_last = |channel: &watch::Sender<_>| channel.receiver_count() == 0;
        if channels.get(&self.id).is_some_and(is_last) {
            channels.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queued(before: usize) -> Standing {
        let wait_s = None;
        Standing::Queued { before, wait_s }
    }

    #[tokio::test]
    async fn the_newest_state_is_told_and_nothing_is_left() {
        let events: Arc<Events> = Arc::default();
        let id = Uuid::new_v4();
        events.tell(id, queued(9));
        let mut slow = events.listen(id);
        assert_eq!(slow.told(), None, "nobody listened then");
        for before in [3, 2, 1] {
            events.tell(id, queued(before));
        }
        assert_eq!(slow.changed().await, Ok(()));
        assert_eq!(slow.told(), Some(queued(1)));
        let mut late = events.listen(id);
        assert_eq!(late.told(), Some(queued(1)));
        drop(late);

        events.gone(id);
        let mut other = events.listen(id);
        events.tell(id, queued(5));
        assert_eq!(slow.changed().await, Err(Gone), "not what came later");
        drop(slow);
        assert_eq!(other.told(), Some(queued(5)));
        drop(other);
        assert!(events.is_idle());
    }
}
