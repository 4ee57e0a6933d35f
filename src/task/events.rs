//! Progress events for listeners, by the id of an upload or task.
//!
//! Only the newest state is held, and segments are read from where they are
//! written: no event ever queues here, a sender never waits, and a slow
//! listener misses intermediate states but no segment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use uuid::Uuid;

use super::progress::TaskProgress;

/// All listeners.
#[derive(Debug, Default)]
pub(super) struct Events(Mutex<HashMap<Uuid, watch::Sender<Option<TaskProgress>>>>);

/// Listens to one id, which need not exist yet.
#[derive(Debug)]
pub struct Listener {
    id: Uuid,
    changes: Option<watch::Receiver<Option<TaskProgress>>>,
    events: Arc<Events>,
}

/// The upload or task was deleted.
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

    /// Whether there are no listeners.
    pub(super) fn is_idle(&self) -> bool {
        self.channels().is_empty()
    }

    /// Sends the newest state to the listeners of this id.
    pub(super) fn send(&self, id: Uuid, progress: impl FnOnce() -> TaskProgress) {
        // Without a listener it is not worked out.
        if self.channels().contains_key(&id) {
            self.send_all([(id, progress())]);
        }
    }

    /// The same for many ids.
    pub(super) fn send_all(&self, all: impl IntoIterator<Item = (Uuid, TaskProgress)>) {
        let channels = self.channels();
        for (id, progress) in all {
            if let Some(channel) = channels.get(&id) {
                channel.send_if_modified(|newest| {
                    let is_new = newest.as_ref() != Some(&progress);
                    *newest = Some(progress);
                    is_new
                });
            }
        }
    }

    /// Ends the listeners of this id. What comes later under it is another
    /// upload, maybe of another owner.
    pub(super) fn gone(&self, id: Uuid) {
        self.channels().remove(&id);
    }

    fn channels(&self) -> MutexGuard<'_, HashMap<Uuid, watch::Sender<Option<TaskProgress>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    /// The newest state sent since this listens; `None`: none was.
    pub fn newest(&mut self) -> Option<TaskProgress> {
        self.changes.as_mut()?.borrow_and_update().clone()
    }

    /// Resolves when there is a newer state than [`Listener::newest`] returned.
    /// Cancel safe.
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

    fn queued(ahead: usize) -> TaskProgress {
        let wait_s = None;
        TaskProgress::Queued { ahead, wait_s }
    }

    #[tokio::test]
    async fn listeners_see_the_newest_state_and_nothing_is_left() {
        let events: Arc<Events> = Arc::default();
        let id = Uuid::new_v4();
        events.send(id, || queued(9));
        let mut slow = events.listen(id);
        assert_eq!(slow.newest(), None, "it did not listen then");
        for before in [3, 2, 1] {
            events.send(id, || queued(before));
        }
        assert_eq!(slow.changed().await, Ok(()));
        assert_eq!(slow.newest(), Some(queued(1)));
        let mut late = events.listen(id);
        assert_eq!(late.newest(), Some(queued(1)));
        drop(late);

        events.gone(id);
        let mut other = events.listen(id);
        events.send(id, || queued(5));
        assert_eq!(slow.changed().await, Err(Gone), "not what came later");
        drop(slow);
        assert_eq!(other.newest(), Some(queued(5)));
        drop(other);
        assert!(events.is_idle());
    }
}
