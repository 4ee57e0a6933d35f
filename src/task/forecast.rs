//! In which order waiting tasks begin, and when: what is shown to users.
//!
//! The scheduler's decisions, played through with estimates. Simplified: as if
//! no other tasks came, and as if all models were loaded. Where much work waits
//! slices are longer, so that the effort is proportional to the number of tasks.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::Duration;

use super::accounts::{Balance, Waiting};
use super::pace::Pace;
use super::progress::Place;
use super::queue::ScheduledTask;
use super::scheduler::Scheduler;
use super::slots::RunningTask;
use crate::shares::Owner;
use crate::store::facts::Priority;

/// A task without an estimate takes so long, as far as the order goes.
const UNKNOWN_S: f64 = 30.0;
/// As the shortest one of the scheduler.
const SLICE_S: f64 = 10.0;

/// Every waiting task with its place, in order.
pub(super) fn places(scheduler: &Scheduler) -> Vec<(&ScheduledTask, Place)> {
    let count = scheduler.queue.len();
    let mut places = Vec::with_capacity(count);
    if count == 0 {
        return places;
    }
    let mut forecast = Forecast::new(scheduler);
    for running in scheduler.slots.running() {
        forecast.occupy(running, scheduler);
    }
    forecast.open(scheduler.slots.count());
    while places.len() < count {
        let Some((begins, at_s)) = forecast.step() else {
            break;
        };
        if let Some(task) = begins {
            let ahead = places.len();
            let wait = at_s.and_then(|at_s| Duration::try_from_secs_f64(at_s).ok());
            places.push((task, Place { ahead, wait }));
        }
    }
    places
}

struct Forecast<'a> {
    owners: HashMap<&'a Owner, usize>,
    /// Seconds, by owner.
    used_s: Vec<f64>,
    /// Interactive and bulk work of each owner, one after the other.
    flows: Vec<VecDeque<Work<'a>>>,
    /// Flows with work, by what their owner has used, for each priority.
    next: [BinaryHeap<Key>; 2],
    balance: Balance,
    slots: Vec<Slot>,
    slice_s: f64,
}

/// A task, or what is left of it.
struct Work<'a> {
    left_s: f64,
    is_known: bool,
    arrival: u64,
    /// The task, if it waits.
    waits: Option<&'a ScheduledTask>,
}

/// The bits of what an owner has used (their order is that of the numbers, which
/// are positive), the arrival of the next task, and the flow.
type Key = Reverse<(u64, u64, usize)>;

struct Slot {
    free_in_s: f64,
    is_known: bool,
}

impl<'a> Forecast<'a> {
    fn new(scheduler: &'a Scheduler) -> Forecast<'a> {
        let mut forecast = Forecast {
            owners: HashMap::new(),
            used_s: Vec::new(),
            flows: Vec::new(),
            next: Default::default(),
            balance: scheduler.accounts().balance(),
            slots: Vec::new(),
            slice_s: SLICE_S,
        };
        for (owner, backlog) in scheduler.queue.backlogs() {
            for priority in [Priority::Interactive, Priority::Bulk] {
                let flow = forecast.flow(owner, priority, scheduler);
                let waiting = backlog.of(priority).iter();
                forecast.flows[flow] = waiting
                    .map(|task| Work::waiting(task, &scheduler.pace))
                    .collect();
            }
        }
        forecast
    }

    fn flow(&mut self, owner: &'a Owner, priority: Priority, scheduler: &Scheduler) -> usize {
        let count = self.owners.len();
        let place = *self.owners.entry(owner).or_insert(count);
        if place == count {
            self.used_s.push(scheduler.accounts().used_s(owner));
            self.flows.extend([VecDeque::new(), VecDeque::new()]);
        }
        2 * place + class(priority)
    }

    /// A running task keeps its slot to its end where no other can have it, else
    /// to the end of its slice.
    fn occupy(&mut self, running: &'a RunningTask, scheduler: &Scheduler) {
        let RunningTask { task, run, .. } = running;
        let own = self.flow(&task.owner, task.priority, scheduler);
        let is_alone = (0..self.flows.len()).all(|flow| flow == own || self.flows[flow].is_empty());
        let waiting = scheduler.waiting();
        let slice_s = match task.priority {
            _ if is_alone => f64::INFINITY,
            Priority::Bulk if waiting.interactive => 0.0,
            _ => run.left().as_secs_f64(),
        };
        let remaining = running.remaining(&scheduler.pace);
        let work = Work {
            left_s: remaining.map_or(UNKNOWN_S, |left| left.as_secs_f64()),
            is_known: remaining.is_some(),
            arrival: task.arrival,
            waits: None,
        };
        self.slots.push(Slot {
            free_in_s: 0.0,
            is_known: true,
        });
        let slot = self.slots.len() - 1;
        self.spend(work, slice_s, (own, slot), waiting);
    }

    /// All slots are there, and all tasks can be chosen.
    fn open(&mut self, slots: usize) {
        while self.slots.len() < slots {
            self.slots.push(Slot {
                free_in_s: 0.0,
                is_known: true,
            });
        }
        let (mut total_s, mut count) = (0.0, 1.0);
        for work in self.flows.iter().flatten() {
            total_s += work.left_s;
            count += 1.0;
        }
        self.slice_s = SLICE_S.max(total_s / (2.0 * count));
        for flow in 0..self.flows.len() {
            self.offer(flow);
        }
    }

    /// The slot that is free first gets the next task, for a slice. Returns that
    /// if it begins, and when.
    fn step(&mut self) -> Option<(Option<&'a ScheduledTask>, Option<f64>)> {
        let [interactive, bulk] = [0, 1].map(|class| self.first(class));
        let flow = match (interactive, bulk) {
            (Some(first), Some(second)) => {
                let (first_s, second_s) = (self.used_s[first / 2], self.used_s[second / 2]);
                match self.balance.prefers_interactive(first_s, second_s) {
                    true => first,
                    false => second,
                }
            }
            (one, other) => one.or(other)?,
        };
        self.next[flow % 2].pop();
        let work = self.flows[flow].pop_front()?;
        let slots = self.slots.iter().enumerate();
        let (slot, free) = slots.min_by(|(_, one), (_, other)| {
            let by_known = other.is_known.cmp(&one.is_known);
            by_known.then(one.free_in_s.total_cmp(&other.free_in_s))
        })?;
        let begins = (work.waits, free.is_known.then_some(free.free_in_s));
        let waiting = Waiting {
            interactive: !self.next[0].is_empty(),
            bulk: !self.next[1].is_empty(),
        };
        let slice_s = match waiting.interactive || waiting.bulk {
            true => self.slice_s,
            false => f64::INFINITY,
        };
        self.spend(work, slice_s, (flow, slot), waiting);
        self.offer(flow);
        Some(begins)
    }

    /// Work of this flow is done in this slot, for so long at most.
    fn spend(
        &mut self,
        work: Work<'a>,
        slice_s: f64,
        (flow, slot): (usize, usize),
        waiting: Waiting,
    ) {
        let spent_s = work.left_s.min(slice_s);
        self.used_s[flow / 2] += spent_s;
        let priority = match flow % 2 {
            0 => Priority::Interactive,
            _ => Priority::Bulk,
        };
        self.balance.charge(priority, spent_s, waiting);
        let slot = &mut self.slots[slot];
        slot.free_in_s += spent_s;
        let is_end = spent_s >= work.left_s;
        slot.is_known &= work.is_known || !is_end;
        if !is_end {
            self.flows[flow].push_front(Work {
                left_s: work.left_s - spent_s,
                waits: None,
                ..work
            });
        }
    }

    /// The flow to choose of this class.
    fn first(&mut self, class: usize) -> Option<usize> {
        loop {
            let Reverse((used, _, flow)) = *self.next[class].peek()?;
            if used == self.used_s[flow / 2].to_bits() {
                return Some(flow);
            }
            // Its owner used more since, by tasks of the other class.
            self.next[class].pop();
            self.offer(flow);
        }
    }

    fn offer(&mut self, flow: usize) {
        if let Some(work) = self.flows[flow].front() {
            let used = self.used_s[flow / 2].to_bits();
            self.next[flow % 2].push(Reverse((used, work.arrival, flow)));
        }
    }
}

impl<'a> Work<'a> {
    fn waiting(task: &'a ScheduledTask, pace: &Pace) -> Work<'a> {
        // One that was interrupted has a part behind it.
        let left = task.progress.remaining(&task.workload, pace);
        Work {
            left_s: left.map_or(UNKNOWN_S, |left| left.as_secs_f64()),
            is_known: left.is_some(),
            arrival: task.arrival,
            waits: Some(task),
        }
    }
}

fn class(priority: Priority) -> usize {
    match priority {
        Priority::Interactive => 0,
        Priority::Bulk => 1,
    }
}
