//! The tasks that the engine has, at most as many as it has slots.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::time::Duration;

use uuid::Uuid;

use super::job_progress::JobProgress;
use super::pace::Pace;
use super::queue::{Queue, ScheduledTask};

/// The engine's slots and what runs in them.
#[derive(Debug)]
pub(super) struct Slots {
    count: usize,
    /// In the order in which they began.
    running: Vec<ScheduledTask>,
}

impl Default for Slots {
    /// One slot, until the engine reports how many it has.
    fn default() -> Slots {
        Slots {
            count: 1,
            running: Vec::new(),
        }
    }
}

impl Slots {
    /// Running tasks stay, also where there are more of them than slots now.
    pub(super) fn set_count(&mut self, count: usize) {
        self.count = count;
    }

    pub(super) fn has_free(&self) -> bool {
        self.running.len() < self.count
    }

    /// The engine gets this task.
    pub(super) fn begin(&mut self, mut task: ScheduledTask) {
        task.progress.begin();
        self.running.push(task);
    }

    /// The progress of a running task.
    pub(super) fn progress(&self, id: Uuid) -> Option<&JobProgress> {
        let running = self.running.iter().find(|task| task.id == id);
        running.map(|task| &task.progress)
    }

    /// The same, to change it.
    pub(super) fn progress_mut(&mut self, id: Uuid) -> Option<&mut JobProgress> {
        let running = self.running.iter_mut().find(|task| task.id == id);
        running.map(|task| &mut task.progress)
    }

    /// Frees the slot of this task.
    pub(super) fn remove(&mut self, id: Uuid) -> Option<ScheduledTask> {
        let place = self.running.iter().position(|task| task.id == id)?;
        Some(self.running.remove(place))
    }

    /// Whether this task must make room for a waiting one of a higher priority:
    /// no slot is free, and of the running tasks those of the lowest priority
    /// that began last make room.
    pub(super) fn must_yield(&self, id: Uuid, queue: &Queue) -> bool {
        let Some(place) = self.running.iter().position(|task| task.id == id) else {
            return false;
        };
        let priority = self.running[place].priority;
        let running = self.running.iter().enumerate();
        let preceding = running.filter(|(other, task)| (task.priority, *other) < (priority, place));
        let waiting = queue.count_before(priority);
        let slots = self.count.max(self.running.len());
        waiting > 0 && preceding.count().saturating_add(waiting) >= slots
    }

    /// When each slot is free, estimated; `None`: no estimate.
    pub(super) fn free_in(&self, pace: &Pace) -> Vec<Option<Duration>> {
        let running = self.running.iter();
        let mut free_in: Vec<_> = running
            .map(|task| task.progress.remaining(&task.workload, pace))
            .collect();
        free_in.resize(self.count.max(free_in.len()), Some(Duration::ZERO));
        free_in
    }
}
