//! The tasks that the engine has, at most as many as it has slots.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::time::{Duration, Instant};

use uuid::Uuid;

use super::job_progress::JobProgress;
use super::pace::Pace;
use super::queue::ScheduledTask;
use super::run::Run;

/// The engine's slots and what runs in them.
#[derive(Debug)]
pub(super) struct Slots {
    count: usize,
    /// In the order in which they began.
    running: Vec<RunningTask>,
}

/// A task that the engine has.
#[derive(Debug, Clone)]
pub(super) struct RunningTask {
    pub task: ScheduledTask,
    pub run: Run,
    /// Makes room for another one.
    pub yields: bool,
}

impl RunningTask {
    /// The estimated time until its end; `None`: no estimate.
    pub(super) fn remaining(&self, pace: &Pace) -> Option<Duration> {
        self.task.progress.remaining(&self.task.workload, pace)
    }
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

    pub(super) fn count(&self) -> usize {
        self.count
    }

    pub(super) fn has_free(&self) -> bool {
        self.running.len() < self.count
    }

    /// The engine gets this task.
    pub(super) fn begin(&mut self, task: ScheduledTask, now: Instant) {
        self.running.push(RunningTask {
            task,
            run: Run::begin(now),
            yields: false,
        });
    }

    pub(super) fn running(&self) -> &[RunningTask] {
        &self.running
    }

    pub(super) fn running_mut(&mut self) -> &mut [RunningTask] {
        &mut self.running
    }

    pub(super) fn get(&self, id: Uuid) -> Option<&RunningTask> {
        self.running.iter().find(|running| running.task.id == id)
    }

    pub(super) fn get_mut(&mut self, id: Uuid) -> Option<&mut RunningTask> {
        let mut running = self.running.iter_mut();
        running.find(|running| running.task.id == id)
    }

    /// The progress of a running task.
    pub(super) fn progress(&self, id: Uuid) -> Option<&JobProgress> {
        self.get(id).map(|running| &running.task.progress)
    }

    /// The same, to change it.
    pub(super) fn progress_mut(&mut self, id: Uuid) -> Option<&mut JobProgress> {
        self.get_mut(id).map(|running| &mut running.task.progress)
    }

    /// Frees the slot of this task.
    pub(super) fn remove(&mut self, id: Uuid) -> Option<RunningTask> {
        let place = self.running.iter().position(|one| one.task.id == id)?;
        Some(self.running.remove(place))
    }
}
