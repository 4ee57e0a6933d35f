//! The order in which final uploads are joined: one of each owner at a time, and
//! step by step between owners.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedMutexGuard, Semaphore, SemaphorePermit};

use crate::shares::Owner;

/// Steps of joins at a time: two keep the disk busy.
const MAX_STEPS: usize = 2;

/// The turns of all owners.
#[derive(Debug)]
pub(super) struct JoinTurns {
    owners: Mutex<HashMap<Owner, Arc<tokio::sync::Mutex<()>>>>,
    steps: Semaphore,
}

/// The turn of one owner, until dropped.
#[derive(Debug)]
pub(super) struct JoinTurn<'a> {
    _turn: OwnedMutexGuard<()>,
    steps: &'a Semaphore,
}

impl Default for JoinTurns {
    fn default() -> JoinTurns {
        JoinTurns {
            owners: Mutex::default(),
            steps: Semaphore::new(MAX_STEPS),
        }
    }
}

impl JoinTurns {
    /// Waits for the owner's earlier joins.
    pub(super) async fn begin(&self, owner: Owner) -> JoinTurn<'_> {
        let turn = {
            let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
            owners.retain(|_, turn| Arc::strong_count(turn) > 1);
            Arc::clone(owners.entry(owner).or_default())
        };
        JoinTurn {
            _turn: turn.lock_owned().await,
            steps: &self.steps,
        }
    }
}

impl JoinTurn<'_> {
    /// Waits for the next step of this join; others make theirs meanwhile.
    pub(super) async fn step(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.steps.acquire().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn owner(name: &str) -> Owner {
        Owner::Token(name.into())
    }

    #[tokio::test]
    async fn owners_do_not_wait_for_each_other() {
        let turns = JoinTurns::default();
        let soon = Duration::from_millis(20);
        let first = turns.begin(owner("a")).await;
        assert!(timeout(soon, turns.begin(owner("a"))).await.is_err());
        let other = turns.begin(owner("b")).await;
        drop(first);
        turns.begin(owner("a")).await;
        drop(other);
        drop(turns.begin(owner("c")).await);
        let owners = turns.owners.lock().unwrap();
        assert_eq!(owners.len(), 1, "those that are done are forgotten");
    }
}
