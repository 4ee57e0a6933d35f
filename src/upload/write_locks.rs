//! One writer per upload within the daemon: the newest request wins.
//!
//! A phone that lost its Wi-Fi leaves a connection behind that still looks
//! alive here. So a newer request ends the older one, which keeps what it
//! received, and continues once that is durable.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedMutexGuard, watch};
use uuid::Uuid;

use super::peer_socket::PeerSocket;
use crate::store::record::Record;

/// How long a newer request waits for the older one's last commit.
const PATIENCE: Duration = Duration::from_secs(10);

/// A writer that got nothing for this long has stalled: a phone that lost its
/// Wi-Fi, for one, whose connection still looks alive.
const STALLED_AFTER: Duration = Duration::from_secs(2);

/// A connection that delivered nothing for this long is not waited for.
const QUIET: Duration = Duration::from_millis(3);

/// One that keeps delivering is waited for no longer than this.
const FLOW: Duration = Duration::from_millis(150);

/// How long a request for the offset waits for a commit.
const COMMIT_PATIENCE: Duration = Duration::from_secs(1);

/// The locks of all uploads in use.
#[derive(Debug, Default)]
pub(super) struct WriteLocks {
    slots: Mutex<HashMap<Uuid, Arc<Slot>>>,
}

#[derive(Debug)]
struct Slot {
    /// Number of the newest request.
    newest: watch::Sender<u64>,
    lock: Arc<tokio::sync::Mutex<()>>,
    /// Since when the writer waits for bytes, if it does.
    waits_since: Mutex<Option<Instant>>,
    /// The last state that a writer made durable.
    committed: Mutex<Option<Record>>,
    /// The sockets of the writer and of those that wait to write, each with a
    /// number of its own.
    sockets: watch::Sender<Vec<(u64, PeerSocket)>>,
    /// How many commits were requested.
    asked: watch::Sender<u64>,
    /// How many of these were made.
    answered: watch::Sender<u64>,
}

/// A slot in use; it is removed with its last user.
#[derive(Debug)]
struct SlotRef {
    id: Uuid,
    slot: Option<Arc<Slot>>,
    write_locks: Arc<WriteLocks>,
}

/// A request that brings bytes, from its arrival to its end.
#[derive(Debug)]
pub(super) struct PendingRequest {
    number: u64,
    slot: Arc<Slot>,
    _slot_ref: SlotRef,
}

/// The right to write, until dropped.
#[derive(Debug)]
pub(super) struct WriteGuard {
    locked: Option<OwnedMutexGuard<()>>,
    ticket: u64,
    newest: watch::Receiver<u64>,
    asked: watch::Receiver<u64>,
    slot_ref: SlotRef,
}

/// What another request asks of the writer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// To stop: a newer request takes over.
    Leave,
    /// To commit what has arrived; the number is for [`WriteGuard::answer`].
    Commit(u64),
}

impl WriteLocks {
    /// Ends the current writer of this upload and takes its place; `None` if a
    /// still newer request came, or the older one does not end in time.
    pub(super) async fn enter(self: &Arc<WriteLocks>, id: Uuid) -> Option<WriteGuard> {
        let (slot_ref, slot) = self.slot_ref(id);
        let mut ticket = 0;
        slot.newest.send_modify(|newest| {
            *newest += 1;
            ticket = *newest;
        });
        let newest = slot.newest.subscribe();
        let asked = slot.asked.subscribe();
        let lock = Arc::clone(&slot.lock).lock_owned();
        drop(slot);
        let mut guard = WriteGuard {
            locked: None,
            ticket,
            newest,
            asked,
            slot_ref,
        };
        let locked = tokio::select! {
            locked = tokio::time::timeout(PATIENCE, lock) => locked.ok()?,
            () = guard.superseded() => return None,
        };
        guard.locked = Some(locked);
        Some(guard)
    }

    /// Registers a request that brings bytes over `socket`.
    pub(super) fn arrive(
        self: &Arc<WriteLocks>,
        id: Uuid,
        socket: Option<PeerSocket>,
    ) -> PendingRequest {
        let (slot_ref, slot) = self.slot_ref(id);
        let mut number = 0;
        slot.sockets.send_modify(|sockets| {
            number = sockets.last().map_or(0, |(last, _)| last + 1);
            sockets.extend(socket.map(|socket| (number, socket)));
        });
        PendingRequest {
            number,
            slot,
            _slot_ref: slot_ref,
        }
    }

    /// Commits what has arrived, for a client that lost a connection and asks
    /// over another one where to resume. Waits for the end of writers whose
    /// socket is closed, and a moment for one that still delivers, since it may
    /// be the rest of a lost connection. False if there is no writer.
    pub(super) async fn catch_up(self: &Arc<WriteLocks>, id: Uuid) -> bool {
        if !self.slots().contains_key(&id) {
            return false;
        }
        let (_slot_ref, slot) = self.slot_ref(id);
        let mut sockets = slot.sockets.subscribe();
        let begun = Instant::now();
        loop {
            let (is_closed, has_unread) = match &*sockets.borrow() {
                sockets if sockets.is_empty() => return false,
                sockets => (
                    sockets.iter().any(|(_, socket)| socket.is_closed()),
                    sockets.iter().any(|(_, socket)| socket.has_unread()),
                ),
            };
            if is_closed {
                let fewer = sockets
                    .wait_for(|sockets| !sockets.iter().any(|(_, socket)| socket.is_closed()));
                // One that takes longer does not change what is durable by then.
                let _ = tokio::time::timeout(PATIENCE, fewer).await;
                return true;
            }
            if !has_unread && slot.has_waited_for(QUIET) || begun.elapsed() >= FLOW {
                break;
            }
            tokio::time::sleep(QUIET / 3).await;
        }
        let mut wanted = 0;
        slot.asked.send_modify(|asked| {
            *asked += 1;
            wanted = *asked;
        });
        let mut answered = slot.answered.subscribe();
        drop(slot);
        tokio::select! {
            _ = answered.wait_for(|answered| *answered >= wanted) => {}
            _ = sockets.wait_for(Vec::is_empty) => {}
            () = tokio::time::sleep(COMMIT_PATIENCE) => {}
        }
        true
    }

    fn slot_ref(self: &Arc<WriteLocks>, id: Uuid) -> (SlotRef, Arc<Slot>) {
        let slot = Arc::clone(self.slots().entry(id).or_insert_with(|| {
            Arc::new(Slot {
                newest: watch::Sender::new(0),
                lock: Arc::default(),
                waits_since: Mutex::default(),
                committed: Mutex::default(),
                sockets: watch::Sender::default(),
                asked: watch::Sender::default(),
                answered: watch::Sender::default(),
            })
        }));
        let slot_ref = SlotRef {
            id,
            slot: Some(Arc::clone(&slot)),
            write_locks: Arc::clone(self),
        };
        (slot_ref, slot)
    }

    /// The durable state of an upload in use. The file may already hold the next
    /// one, which is not durable yet.
    pub(super) fn committed(&self, id: Uuid) -> Option<Record> {
        *lock(&self.slots().get(&id)?.committed)
    }

    /// Whether this upload has a writer that receives nothing.
    pub(super) fn has_stalled(&self, id: Uuid) -> bool {
        self.slots()
            .get(&id)
            .is_some_and(|slot| slot.has_waited_for(STALLED_AFTER))
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<Slot>>> {
        lock(&self.slots)
    }
}

impl Slot {
    fn has_waited_for(&self, time: Duration) -> bool {
        lock(&self.waits_since).is_some_and(|since| since.elapsed() >= time)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl WriteGuard {
    /// Records what is on stable storage now.
    pub(super) fn committed(&self, record: &Record) {
        if let Some(slot) = &self.slot_ref.slot {
            *lock(&slot.committed) = Some(*record);
        }
    }

    /// Resolves once another request asks something of the writer.
    pub(super) async fn signal(&mut self) -> Signal {
        let WriteGuard {
            ticket,
            newest,
            asked,
            ..
        } = self;
        // The slot lives as long as this guard, so its senders are never gone.
        tokio::select! {
            _ = newest.wait_for(|newest| *newest > *ticket) => Signal::Leave,
            _ = asked.changed() => Signal::Commit(*asked.borrow_and_update()),
        }
    }

    /// Answers a [`Signal::Commit`] once it is carried out.
    pub(super) fn answer(&self, number: u64) {
        if let Some(slot) = &self.slot_ref.slot {
            slot.answered.send_replace(number);
        }
    }

    /// Records whether the writer waits for bytes now.
    pub(super) fn waits(&self, now: bool) {
        if let Some(slot) = &self.slot_ref.slot {
            *lock(&slot.waits_since) = now.then(Instant::now);
        }
    }

    /// A newer request wants this upload.
    pub(super) fn is_superseded(&self) -> bool {
        *self.newest.borrow() > self.ticket
    }

    /// Resolves once a newer request wants this upload.
    pub(super) async fn superseded(&mut self) {
        let ticket = self.ticket;
        // The slot lives as long as this guard, so its sender is never gone.
        let _ = self.newest.wait_for(|newest| *newest > ticket).await;
    }
}

impl Drop for WriteGuard {
    fn drop(&mut self) {
        self.waits(false);
    }
}

impl Drop for PendingRequest {
    fn drop(&mut self) {
        let number = self.number;
        self.slot
            .sockets
            .send_modify(|sockets| sockets.retain(|(other, _)| *other != number));
    }
}

impl Drop for SlotRef {
    fn drop(&mut self) {
        let mut slots = self.write_locks.slots();
        // One count is the map's own: no other request is here or waiting.
        self.slot = None;
        if slots
            .get(&self.id)
            .is_some_and(|slot| Arc::strong_count(slot) == 1)
        {
            slots.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_wins_and_nothing_is_left() {
        let write_locks: Arc<WriteLocks> = Arc::default();
        let id = Uuid::new_v4();
        let mut first = write_locks.enter(id).await.unwrap();
        let waiting = tokio::spawn({
            let write_locks = Arc::clone(&write_locks);
            async move { write_locks.enter(id).await.is_some() }
        });
        let superseded = tokio::time::timeout(Duration::from_secs(60), first.superseded());
        superseded.await.expect("the older one is notified");
        let newest = tokio::spawn({
            let write_locks = Arc::clone(&write_locks);
            async move { write_locks.enter(id).await.is_some() }
        });
        assert!(!waiting.await.unwrap(), "overtaken while it waited");
        drop(first);
        assert!(newest.await.unwrap());
        assert!(write_locks.slots().is_empty());
    }
}
