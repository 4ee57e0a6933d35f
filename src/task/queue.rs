//! The tasks that wait for the engine, by owner and priority.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::job_progress::JobProgress;
use super::pace::Workload;
use crate::shares::Owner;
use crate::store::facts::Priority;

/// A task that waits for the engine, or that the engine has.
#[derive(Debug, Clone)]
pub(super) struct ScheduledTask {
    pub id: Uuid,
    pub owner: Owner,
    pub priority: Priority,
    /// The model that was asked for.
    pub wanted_model: Option<Arc<str>>,
    pub workload: Workload,
    pub progress: JobProgress,
    /// Its place in the order of arrival, over all owners; set by the queue.
    pub arrival: u64,
}

/// All waiting tasks: for every owner and priority in order of arrival.
#[derive(Debug, Default)]
pub(super) struct Queue {
    owners: HashMap<Owner, Backlog>,
    arrivals: u64,
}

/// The waiting tasks of one owner.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    interactive: VecDeque<ScheduledTask>,
    bulk: VecDeque<ScheduledTask>,
}

impl Backlog {
    fn len(&self) -> usize {
        self.interactive.len() + self.bulk.len()
    }

    pub(super) fn of(&self, priority: Priority) -> &VecDeque<ScheduledTask> {
        match priority {
            Priority::Interactive => &self.interactive,
            Priority::Bulk => &self.bulk,
        }
    }

    fn of_mut(&mut self, priority: Priority) -> &mut VecDeque<ScheduledTask> {
        match priority {
            Priority::Interactive => &mut self.interactive,
            Priority::Bulk => &mut self.bulk,
        }
    }
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.owners.values().map(Backlog::len).sum()
    }

    /// How many tasks of one owner wait.
    pub(super) fn len_of(&self, owner: &Owner) -> usize {
        self.owners.get(owner).map_or(0, Backlog::len)
    }

    /// Adds a task behind all of its owner and priority.
    pub(super) fn push(&mut self, mut task: ScheduledTask) {
        self.arrivals += 1;
        task.arrival = self.arrivals;
        self.backlog(&task).push_back(task);
    }

    /// Adds a task that had begun ahead of all of its owner and priority.
    pub(super) fn put_back(&mut self, task: ScheduledTask) {
        self.backlog(&task).push_front(task);
    }

    fn backlog(&mut self, task: &ScheduledTask) -> &mut VecDeque<ScheduledTask> {
        let backlog = self.owners.entry(task.owner.clone()).or_default();
        backlog.of_mut(task.priority)
    }

    /// The first one of every owner and priority.
    pub(super) fn heads(&self) -> impl Iterator<Item = &ScheduledTask> + Clone {
        let backlogs = self.owners.values();
        backlogs
            .flat_map(|backlog| [backlog.interactive.front(), backlog.bulk.front()])
            .flatten()
    }

    /// All owners of waiting tasks, each with these.
    pub(super) fn backlogs(&self) -> impl Iterator<Item = (&Owner, &Backlog)> {
        self.owners.iter()
    }

    /// Whether any task of this priority waits.
    pub(super) fn has(&self, priority: Priority) -> bool {
        self.heads().any(|head| head.priority == priority)
    }

    pub(super) fn get(&self, id: Uuid) -> Option<&ScheduledTask> {
        let backlogs = self.owners.values();
        let mut tasks = backlogs.flat_map(|one| one.interactive.iter().chain(&one.bulk));
        tasks.find(|task| task.id == id)
    }

    /// Takes a task out, if it is there.
    pub(super) fn remove(&mut self, id: Uuid) -> Option<ScheduledTask> {
        let (owner, priority) = {
            let task = self.get(id)?;
            (task.owner.clone(), task.priority)
        };
        let backlog = self.owners.get_mut(&owner)?;
        let tasks = backlog.of_mut(priority);
        let place = tasks.iter().position(|task| task.id == id)?;
        let task = tasks.remove(place);
        if backlog.len() == 0 {
            self.owners.remove(&owner);
        }
        task
    }

    /// Makes the order of creation the order of arrival.
    pub(super) fn sort_by_creation(&mut self, created_at: impl Fn(Uuid) -> Option<Timestamp>) {
        let backlogs = std::mem::take(&mut self.owners).into_values();
        let mut tasks: Vec<_> = backlogs
            .flat_map(|one| one.interactive.into_iter().chain(one.bulk))
            .collect();
        tasks.sort_by_cached_key(|task| (created_at(task.id), task.arrival));
        for task in tasks {
            self.push(task);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn task(owner: &str, priority: Priority) -> ScheduledTask {
        ScheduledTask {
            id: Uuid::new_v4(),
            owner: Owner::Token(owner.into()),
            priority,
            wanted_model: None,
            workload: Workload::default(),
            progress: JobProgress::default(),
            arrival: 0,
        }
    }

    #[test]
    fn every_owner_has_its_own_order() {
        let [a1, a2, b] = ["a", "a", "b"].map(|owner| task(owner, Priority::Bulk));
        let urgent = task("a", Priority::Interactive);
        let mut queue = Queue::default();
        for task in [&a1, &a2, &b, &urgent] {
            queue.push(task.clone());
        }
        let heads = |queue: &Queue| {
            let mut heads: Vec<_> = queue.heads().map(|head| (head.arrival, head.id)).collect();
            heads.sort();
            heads.into_iter().map(|(_, id)| id).collect::<Vec<_>>()
        };
        assert_eq!(heads(&queue), [a1.id, b.id, urgent.id]);
        assert_eq!((queue.len(), queue.len_of(&a1.owner)), (4, 3));
        let begun = queue.remove(a1.id).unwrap();
        assert!(queue.remove(a1.id).is_none());
        assert_eq!(heads(&queue), [a2.id, b.id, urgent.id]);
        queue.put_back(begun);
        assert_eq!(heads(&queue), [a1.id, b.id, urgent.id]);
        let second = |second| Timestamp::from_second(second).ok();
        queue.sort_by_creation(|id| second(if id == a1.id { 9 } else { 1 }));
        assert_eq!(heads(&queue), [a2.id, b.id, urgent.id]);
        for id in [a1.id, a2.id, b.id, urgent.id] {
            queue.remove(id).unwrap();
        }
        assert!(queue.owners.is_empty() && queue.len_of(&a1.owner) == 0);
    }
}
