//! One writer per upload within the daemon: the newest request wins.
//!
//! A phone that lost its Wi-Fi leaves a connection behind that still looks
//! alive here. So whoever comes later ends the one before, which keeps what it
//! received, and goes on once that is durable.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedMutexGuard, watch};
use uuid::Uuid;

use crate::store::record::Record;

/// How long a newer request waits for the older one's last commit.
const PATIENCE: Duration = Duration::from_secs(10);

/// A writer that got nothing for this long has stalled: a phone that lost its
/// Wi-Fi, for one, whose connection still looks alive.
const STALLED_AFTER: Duration = Duration::from_secs(2);

/// Who writes where.
#[derive(Debug, Default)]
pub(super) struct Writers {
    gates: Mutex<HashMap<Uuid, Arc<Gate>>>,
}

#[derive(Debug)]
struct Gate {
    /// Number of the newest request.
    newest: watch::Sender<u64>,
    turn: Arc<tokio::sync::Mutex<()>>,
    /// When the one who writes last got anything.
    moved: Mutex<Instant>,
    /// The last state that the one who writes, or wrote, has on stable storage.
    committed: Mutex<Option<Record>>,
}

/// The right to write, until dropped.
#[derive(Debug)]
pub(super) struct Turn {
    id: Uuid,
    ticket: u64,
    newest: watch::Receiver<u64>,
    gate: Option<Arc<Gate>>,
    guard: Option<OwnedMutexGuard<()>>,
    writers: Arc<Writers>,
}

impl Writers {
    /// Ends whoever writes to this upload and takes their place; `None` if a
    /// still newer request came, or the older one does not let go.
    pub(super) async fn enter(self: &Arc<Writers>, id: Uuid) -> Option<Turn> {
        let gate = Arc::clone(self.gates().entry(id).or_insert_with(|| {
            Arc::new(Gate {
                newest: watch::Sender::new(0),
                turn: Arc::default(),
                moved: Mutex::new(Instant::now()),
                committed: Mutex::default(),
            })
        }));
        let mut ticket = 0;
        gate.newest.send_modify(|newest| {
            *newest += 1;
            ticket = *newest;
        });
        let mut turn = Turn {
            id,
            ticket,
            newest: gate.newest.subscribe(),
            guard: None,
            gate: Some(Arc::clone(&gate)),
            writers: Arc::clone(self),
        };
        let lock = Arc::clone(&gate.turn).lock_owned();
        drop(gate);
        let guard = tokio::select! {
            guard = tokio::time::timeout(PATIENCE, lock) => guard.ok()?,
            () = turn.superseded() => return None,
        };
        turn.guard = Some(guard);
        turn.moved();
        Some(turn)
    }

    /// The durable state of an upload that somebody writes to. The file may
    /// already hold the next one, which is not durable yet.
    pub(super) fn committed(&self, id: Uuid) -> Option<Record> {
        let gates = self.gates();
        let committed = gates.get(&id)?.committed.lock();
        *committed.unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody writes to this upload, or seems to, but gets nothing.
    pub(super) fn has_stalled(&self, id: Uuid) -> bool {
        self.gates().get(&id).is_some_and(|gate| {
            let moved = *gate.moved.lock().unwrap_or_else(PoisonError::into_inner);
            moved.elapsed() >= STALLED_AFTER
        })
    }

    fn gates(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Arc<Gate>>> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Says what is on stable storage now.
    pub(super) fn committed(&self, record: &Record) {
        if let Some(gate) = &self.gate {
            *gate
                .committed
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(*record);
        }
    }

    /// Says that something was received.
    pub(super) fn moved(&self) {
        if let Some(gate) = &self.gate {
            *gate.moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        }
    }

    /// Resolves once a newer request wants this upload.
    pub(super) async fn superseded(&mut self) {
        let ticket = self.ticket;
        // The gate lives as long as this turn, so its sender is never gone.
        let _ = self.newest.wait_for(|newest| *newest > ticket).await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.guard = None;
        let mut gates = self.writers.gates();
        // One count is the map's own: nobody else is here or waiting.
        self.gate = None;
        if gates
            .get(&self.id)
            .is_some_and(|gate| Arc::strong_count(gate) == 1)
        {
            gates.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newest_wins_and_nothing_is_left() {
        let writers: Arc<Writers> = Arc::default();
        let id = Uuid::new_v4();
        let mut first = writers.enter(id).await.unwrap();
        let waiting = tokio::spawn({
            let writers = Arc::clone(&writers);
            async move { writers.enter(id).await.is_some() }
        });
        let told = tokio::time::timeout(Duration::from_secs(60), first.superseded());
        told.await.expect("the older one is told");
        let newest = tokio::spawn({
            let writers = Arc::clone(&writers);
            async move { writers.enter(id).await.is_some() }
        });
        assert!(!waiting.await.unwrap(), "overtaken while it waited");
        drop(first);
        assert!(newest.await.unwrap());
        assert!(writers.gates().is_empty());
    }
}
