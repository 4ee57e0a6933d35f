//! One writer per upload within the daemon: the newest request wins.
//!
//! A phone that lost its Wi-Fi leaves a connection behind that still looks
//! alive here. So whoever comes later ends the one before, which keeps what it
//! received, and goes on once that is durable.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedMutexGuard, watch};
use uuid::Uuid;

use super::line::Line;
use crate::store::record::Record;

/// How long a newer request waits for the older one's last commit.
const PATIENCE: Duration = Duration::from_secs(10);

/// A writer that got nothing for this long has stalled: a phone that lost its
/// Wi-Fi, for one, whose connection still looks alive.
const STALLED_AFTER: Duration = Duration::from_secs(2);

/// A stream that gave nothing for this long is waited for no longer ...
const QUIET: Duration = Duration::from_millis(3);

/// ... nor one that flows on and on.
const FLOW: Duration = Duration::from_millis(150);

/// How long somebody who only looks waits for a commit.
const COMMIT_PATIENCE: Duration = Duration::from_secs(1);

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
    /// Since when the one who writes waits for bytes, if that is what they do.
    waits_since: Mutex<Option<Instant>>,
    /// The last state that the one who writes, or wrote, has on stable storage.
    committed: Mutex<Option<Record>>,
    /// Over what those get their bytes who write or want to, each with a number
    /// of its own.
    lines: watch::Sender<Vec<(u64, Line)>>,
    /// How often somebody asked the one who writes to commit.
    asked: watch::Sender<u64>,
    /// How many of those were answered.
    answered: watch::Sender<u64>,
}

/// A gate that somebody stands at; it goes with the last one.
#[derive(Debug)]
struct Visit {
    id: Uuid,
    gate: Option<Arc<Gate>>,
    writers: Arc<Writers>,
}

/// A request with bytes, from its first moment to its end.
#[derive(Debug)]
pub(super) struct Arrival {
    number: u64,
    gate: Arc<Gate>,
    _visit: Visit,
}

/// The right to write, until dropped.
#[derive(Debug)]
pub(super) struct Turn {
    guard: Option<OwnedMutexGuard<()>>,
    ticket: u64,
    newest: watch::Receiver<u64>,
    asked: watch::Receiver<u64>,
    visit: Visit,
}

/// What somebody else wants of the one who writes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Their place.
    Leave,
    /// To know what has arrived; the number is for [`Turn::answer`].
    Commit(u64),
}

impl Writers {
    /// Ends whoever writes to this upload and takes their place; `None` if a
    /// still newer request came, or the older one does not let go.
    pub(super) async fn enter(self: &Arc<Writers>, id: Uuid) -> Option<Turn> {
        let (visit, gate) = self.visit(id);
        let mut ticket = 0;
        gate.newest.send_modify(|newest| {
            *newest += 1;
            ticket = *newest;
        });
        let newest = gate.newest.subscribe();
        let asked = gate.asked.subscribe();
        let lock = Arc::clone(&gate.turn).lock_owned();
        drop(gate);
        let mut turn = Turn {
            guard: None,
            ticket,
            newest,
            asked,
            visit,
        };
        let guard = tokio::select! {
            guard = tokio::time::timeout(PATIENCE, lock) => guard.ok()?,
            () = turn.superseded() => return None,
        };
        turn.guard = Some(guard);
        Some(turn)
    }

    /// Says that a request has come which brings bytes over `line`.
    pub(super) fn arrive(self: &Arc<Writers>, id: Uuid, line: Option<Line>) -> Arrival {
        let (visit, gate) = self.visit(id);
        let mut number = 0;
        gate.lines.send_modify(|lines| {
            number = lines.last().map_or(0, |(last, _)| last + 1);
            lines.extend(line.map(|line| (number, line)));
        });
        Arrival {
            number,
            gate,
            _visit: visit,
        }
    }

    /// Sees to it that what has arrived counts: for whoever lost a connection
    /// and asks over another one where to go on. Waits for the end of those
    /// whose line is cut, lets a stream flow on for a moment, since it may be
    /// what is left of one that was cut, and then has it committed. False if
    /// nothing comes.
    pub(super) async fn catch_up(self: &Arc<Writers>, id: Uuid) -> bool {
        if !self.gates().contains_key(&id) {
            return false;
        }
        let (_visit, gate) = self.visit(id);
        let mut lines = gate.lines.subscribe();
        let begun = Instant::now();
        loop {
            let (is_cut, has_more) = match &*lines.borrow() {
                lines if lines.is_empty() => return false,
                lines => (
                    lines.iter().any(|(_, line)| line.is_cut()),
                    lines.iter().any(|(_, line)| line.has_more()),
                ),
            };
            if is_cut {
                let fewer = lines.wait_for(|lines| !lines.iter().any(|(_, line)| line.is_cut()));
                // One that takes longer does not change what is durable by then.
                let _ = tokio::time::timeout(PATIENCE, fewer).await;
                return true;
            }
            if !has_more && gate.has_waited_for(QUIET) || begun.elapsed() >= FLOW {
                break;
            }
            tokio::time::sleep(QUIET / 3).await;
        }
        let mut wanted = 0;
        gate.asked.send_modify(|asked| {
            *asked += 1;
            wanted = *asked;
        });
        let mut answered = gate.answered.subscribe();
        drop(gate);
        tokio::select! {
            _ = answered.wait_for(|answered| *answered >= wanted) => {}
            _ = lines.wait_for(Vec::is_empty) => {}
            () = tokio::time::sleep(COMMIT_PATIENCE) => {}
        }
        true
    }

    fn visit(self: &Arc<Writers>, id: Uuid) -> (Visit, Arc<Gate>) {
        let gate = Arc::clone(self.gates().entry(id).or_insert_with(|| {
            Arc::new(Gate {
                newest: watch::Sender::new(0),
                turn: Arc::default(),
                waits_since: Mutex::default(),
                committed: Mutex::default(),
                lines: watch::Sender::default(),
                asked: watch::Sender::default(),
                answered: watch::Sender::default(),
            })
        }));
        let visit = Visit {
            id,
            gate: Some(Arc::clone(&gate)),
            writers: Arc::clone(self),
        };
        (visit, gate)
    }

    /// The durable state of an upload that somebody writes to. The file may
    /// already hold the next one, which is not durable yet.
    pub(super) fn committed(&self, id: Uuid) -> Option<Record> {
        *lock(&self.gates().get(&id)?.committed)
    }

    /// Somebody writes to this upload, or seems to, but gets nothing.
    pub(super) fn has_stalled(&self, id: Uuid) -> bool {
        self.gates()
            .get(&id)
            .is_some_and(|gate| gate.has_waited_for(STALLED_AFTER))
    }

    fn gates(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<Gate>>> {
        lock(&self.gates)
    }
}

impl Gate {
    fn has_waited_for(&self, time: Duration) -> bool {
        lock(&self.waits_since).is_some_and(|since| since.elapsed() >= time)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Turn {
    /// Says what is on stable storage now.
    pub(super) fn committed(&self, record: &Record) {
        if let Some(gate) = &self.visit.gate {
            *lock(&gate.committed) = Some(*record);
        }
    }

    /// Resolves once somebody else wants something of the one who writes.
    pub(super) async fn wish(&mut self) -> Wish {
        let Turn {
            ticket,
            newest,
            asked,
            ..
        } = self;
        // The gate lives as long as this turn, so its senders are never gone.
        tokio::select! {
            _ = newest.wait_for(|newest| *newest > *ticket) => Wish::Leave,
            _ = asked.changed() => Wish::Commit(*asked.borrow_and_update()),
        }
    }

    /// A [`Wish::Commit`] was carried out.
    pub(super) fn answer(&self, number: u64) {
        if let Some(gate) = &self.visit.gate {
            gate.answered.send_replace(number);
        }
    }

    /// Says whether the one who writes waits for bytes now.
    pub(super) fn waits(&self, now: bool) {
        if let Some(gate) = &self.visit.gate {
            *lock(&gate.waits_since) = now.then(Instant::now);
        }
    }

    /// A newer request wants this upload.
    pub(super) fn is_superseded(&self) -> bool {
        *self.newest.borrow() > self.ticket
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
        self.waits(false);
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        let number = self.number;
        self.gate
            .lines
            .send_modify(|lines| lines.retain(|(other, _)| *other != number));
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
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
