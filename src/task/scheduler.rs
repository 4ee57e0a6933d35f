//! Whose turn at the engine it is: the one place that decides.
//!
//! - Owners get equal shares of the engine's time: the next task is one of the
//!   owner that has used least ([`Accounts`]). What costs more uses up more.
//! - A task runs for a slice at a time ([`Run`]) and makes room at the end of a
//!   window when another owner's turn has come. It goes on later from there.
//! - A task whose client waits (interactive) goes before bulk tasks and also
//!   interrupts one, within its share ([`Balance`](super::accounts::Balance)):
//!   at least a quarter of the engine is left to bulk tasks while there are any.
//! - Within owner and priority, tasks run in the order of their arrival.
//! - One whose model is loaded goes first within limits ([`Residency`]).
//!
//! Knows no clock: the time is a parameter, so that tests can choose it.

use std::time::Instant;

use uuid::Uuid;

use super::accounts::{Accounts, Waiting};
use super::pace::Pace;
use super::queue::{Queue, ScheduledTask};
use super::residency::Residency;
use super::slots::{RunningTask, Slots};
use crate::shares::Owner;
use crate::store::facts::Priority;

/// Waiting and running tasks.
#[derive(Debug, Default)]
pub(super) struct Scheduler {
    pub queue: Queue,
    pub slots: Slots,
    pub pace: Pace,
    accounts: Accounts,
    residency: Residency,
}

impl Scheduler {
    pub(super) fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// A task that waits from now on.
    pub(super) fn push(&mut self, mut task: ScheduledTask, now: Instant) {
        // Before it is there: nothing of what ran until now was at its cost.
        self.charge(now);
        task.workload.model = self.residency.model(task.wanted_model.as_ref());
        self.queue.push(task);
    }

    /// Takes a waiting task away. False if it does not wait.
    pub(super) fn withdraw(&mut self, id: Uuid, now: Instant) -> bool {
        self.charge(now);
        let is_found = self.queue.remove(id).is_some();
        self.settle();
        is_found
    }

    /// Begins the next task, if a slot is free.
    pub(super) fn begin_next(&mut self, now: Instant) -> Option<Uuid> {
        if !self.slots.has_free() {
            return None;
        }
        self.charge(now);
        let id = self.choose(None)?.id;
        let task = self.queue.remove(id)?;
        self.slots.begin(task, now);
        Some(id)
    }

    /// The engine begins another attempt at a running task, after so many
    /// seconds of audio of earlier ones.
    pub(super) fn attempt(&mut self, id: Uuid, from_s: f64, now: Instant) {
        self.change(id, now, |running| running.run.attempt(from_s));
    }

    /// The engine has understood a recording of so many seconds, if its file
    /// says so, and transcribes it with this model.
    pub(super) fn started(&mut self, id: Uuid, model: &str, audio_s: Option<f64>, now: Instant) {
        self.change(id, now, |running| {
            running.run.started();
            running.task.workload.model = Some(model.into());
            if let Some(audio_s) = audio_s {
                running.task.workload.has_audio(audio_s);
            }
        });
        if let Some(RunningTask { task, run, .. }) = self.slots.get(id) {
            let wanted = task.wanted_model.as_deref();
            self.residency.started(wanted, model, run.begun_s());
        }
    }

    /// So many seconds of a running task are transcribed.
    pub(super) fn advance(&mut self, id: Uuid, done_s: f64, now: Instant) {
        self.change(id, now, |running| {
            running.run.advance(done_s);
            running.task.workload.has_at_least(done_s);
        });
    }

    fn change(&mut self, id: Uuid, now: Instant, change: impl FnOnce(&mut RunningTask)) {
        self.charge(now);
        if let Some(running) = self.slots.get_mut(id) {
            change(running);
        }
    }

    /// Whether a running task, at the end of a window, must make room: then it
    /// is to be put back.
    pub(super) fn must_yield(&mut self, id: Uuid, now: Instant) -> bool {
        self.charge(now);
        let is_room = self.slots.has_free() || self.slots.running().iter().any(|one| one.yields);
        let Some(running) = self.slots.get(id).filter(|_| !is_room) else {
            return false;
        };
        let Some(next) = self.choose(Some(&running.task)) else {
            return false;
        };
        let may_yield = match (next.priority, running.task.priority) {
            _ if next.id == id => false,
            (Priority::Interactive, Priority::Bulk) => running.run.is_useful(),
            _ => running.run.is_over(),
        };
        if let Some(running) = self.slots.get_mut(id) {
            running.yields = may_yield;
        }
        may_yield
    }

    /// A running task waits again, ahead of all others of its owner and priority.
    pub(super) fn put_back(&mut self, id: Uuid, now: Instant) {
        if let Some(mut task) = self.rest(id, now) {
            task.progress.pause();
            self.queue.put_back(task);
        }
    }

    /// A running task is at its end; it was transcribed if it had `audio_s`
    /// seconds.
    pub(super) fn end(&mut self, id: Uuid, audio_s: Option<f64>, now: Instant) {
        if let Some(audio_s) = audio_s {
            self.advance(id, audio_s, now);
        }
        if let Some(task) = self.rest(id, now)
            && let Some(audio_s) = audio_s
        {
            self.pace.observe_audio(&task.workload, audio_s);
        }
        self.settle();
    }

    fn rest(&mut self, id: Uuid, now: Instant) -> Option<ScheduledTask> {
        self.charge(now);
        let RunningTask { task, run, .. } = self.slots.remove(id)?;
        let (audio_s, engine_s) = run.result();
        self.pace.observe_cost(&task.workload, audio_s, engine_s);
        Some(task)
    }

    /// Charges the owners of running tasks with what they used until now.
    pub(super) fn charge(&mut self, now: Instant) {
        let waiting = self.waiting();
        for RunningTask { task, run, .. } in self.slots.running_mut() {
            let used_s = run.account(now);
            let account = (&task.owner, task.priority);
            self.accounts.charge(account, used_s, waiting);
        }
        self.settle();
    }

    pub(super) fn waiting(&self) -> Waiting {
        Waiting {
            interactive: self.queue.has(Priority::Interactive),
            bulk: self.queue.has(Priority::Bulk),
        }
    }

    fn settle(&mut self) {
        let running = self.slots.running().iter().map(|one| &one.task.owner);
        let waiting = self.queue.backlogs().map(|(owner, _)| owner);
        self.accounts.settle(running.chain(waiting));
    }

    /// The next task to run: of those that wait, and of a running one as if it
    /// had been put back.
    fn choose<'a>(&'a self, running: Option<&'a ScheduledTask>) -> Option<&'a ScheduledTask> {
        let is_behind = |head: &&ScheduledTask| {
            running.is_some_and(|one| (&one.owner, one.priority) == (&head.owner, head.priority))
        };
        let heads = || {
            let waiting = self.queue.heads().filter(move |head| !is_behind(head));
            waiting.chain(running)
        };
        let [interactive, bulk] = [Priority::Interactive, Priority::Bulk]
            .map(|priority| self.least_used(heads().filter(|head| head.priority == priority)));
        let (Some(first), Some(second)) = (interactive, bulk) else {
            return interactive.or(bulk);
        };
        let [first_s, second_s] = [first, second].map(|head| self.used_s(&head.owner));
        let balance = self.accounts.balance();
        Some(match balance.prefers_interactive(first_s, second_s) {
            true => first,
            false => second,
        })
    }

    /// The one whose owner has used least, or one whose model is loaded and whose
    /// owner has not used much more; the one that came first of the same.
    fn least_used<'a>(
        &self,
        heads: impl Iterator<Item = &'a ScheduledTask> + Clone,
    ) -> Option<&'a ScheduledTask> {
        let least = |heads: &mut dyn Iterator<Item = &'a ScheduledTask>| {
            let heads = heads.map(|head| (self.used_s(&head.owner), head));
            heads.min_by(|(used_s, head), (other_s, other)| {
                let by_used = used_s.total_cmp(other_s);
                by_used.then(head.arrival.cmp(&other.arrival))
            })
        };
        let (least_s, first) = least(&mut heads.clone())?;
        let fits = |head: &&ScheduledTask| self.residency.fits(head.wanted_model.as_ref());
        if fits(&first) {
            return Some(first);
        }
        let fitting = least(&mut heads.filter(fits));
        let limit_s = least_s + self.residency.lead_s();
        match fitting {
            Some((used_s, fitting)) if used_s <= limit_s => Some(fitting),
            _ => Some(first),
        }
    }

    fn used_s(&self, owner: &Owner) -> f64 {
        self.accounts.used_s(owner)
    }
}
