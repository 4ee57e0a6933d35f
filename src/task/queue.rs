//! The order in which tasks are transcribed: by priority, then by arrival.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::job_progress::JobProgress;
use super::pace::{Pace, Workload};
use super::progress::Place;
use crate::store::facts::Priority;

/// A task that waits for the engine, or that the engine has.
#[derive(Debug, Clone)]
pub(super) struct ScheduledTask {
    pub id: Uuid,
    pub priority: Priority,
    pub workload: Workload,
    pub progress: JobProgress,
}

/// All waiting tasks.
#[derive(Debug, Default)]
pub(super) struct Queue(VecDeque<ScheduledTask>);

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds a task behind all of its priority.
    pub(super) fn push(&mut self, task: ScheduledTask) {
        let place = self.0.partition_point(|one| one.priority <= task.priority);
        self.0.insert(place, task);
    }

    /// Adds a task that had begun ahead of all of its priority.
    pub(super) fn put_back(&mut self, task: ScheduledTask) {
        let place = self.0.partition_point(|one| one.priority < task.priority);
        self.0.insert(place, task);
    }

    pub(super) fn pop(&mut self) -> Option<ScheduledTask> {
        self.0.pop_front()
    }

    /// True if it was there.
    pub(super) fn remove(&mut self, id: Uuid) -> bool {
        let place = self.0.iter().position(|one| one.id == id);
        place.and_then(|place| self.0.remove(place)).is_some()
    }

    /// How many waiting tasks go before those of this priority.
    pub(super) fn count_before(&self, priority: Priority) -> usize {
        self.0.partition_point(|one| one.priority < priority)
    }

    /// Puts those of one priority in the order of their creation.
    pub(super) fn sort_by_creation(&mut self, created_at: impl Fn(Uuid) -> Option<Timestamp>) {
        let queue = self.0.make_contiguous();
        queue.sort_by_key(|one| (one.priority, created_at(one.id)));
    }

    /// Every task with its place, in order, where the engine's slots get free
    /// in `free_in` (`None`: no estimate).
    pub(super) fn places(
        &self,
        mut free_in: Vec<Option<Duration>>,
        pace: &Pace,
    ) -> impl Iterator<Item = (Uuid, Place)> {
        self.0.iter().enumerate().map(move |(ahead, task)| {
            let slots = free_in.iter_mut();
            let slot = slots.min_by_key(|free_in| free_in.unwrap_or(Duration::MAX));
            let wait = slot.as_deref().copied().flatten();
            let taken = pace.estimate(&task.workload);
            if let Some(slot) = slot {
                *slot = wait
                    .zip(taken)
                    .map(|(wait, taken)| wait.saturating_add(taken));
            }
            (task.id, Place { ahead, wait })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_come_first_and_then_the_order() {
        let waiting = |priority| ScheduledTask {
            id: Uuid::new_v4(),
            priority,
            workload: Workload {
                size_bytes: 10,
                kind: None,
            },
            progress: JobProgress::default(),
        };
        let [a, b, c] = [(); 3].map(|()| waiting(Priority::Bulk));
        let [x, y] = [(); 2].map(|()| waiting(Priority::Interactive));
        let mut queue = Queue::default();
        for task in [&a, &b, &x, &c, &y] {
            queue.push(task.clone());
        }
        assert_eq!(queue.count_before(Priority::Bulk), 2);
        assert_eq!(queue.count_before(Priority::Interactive), 0);
        let ids = |queue: &Queue, pace: &Pace| -> Vec<(Uuid, Option<u64>)> {
            let places = queue.places(vec![Some(Duration::from_secs(5))], pace);
            places
                .enumerate()
                .map(|(index, (id, place))| {
                    assert_eq!(place.ahead, index);
                    (id, place.wait.map(|wait| wait.as_secs()))
                })
                .collect()
        };
        let mut pace = Pace::default();
        let known: Vec<_> = [&x, &y, &a, &b, &c]
            .map(|task| (task.id, None))
            .into_iter()
            .enumerate()
            .map(|(index, (id, none))| (id, if index == 0 { Some(5) } else { none }))
            .collect();
        assert_eq!(ids(&queue, &pace), known);
        pace.observe(&a.workload, Duration::from_secs(2));
        let waits: Vec<_> = ids(&queue, &pace)
            .into_iter()
            .map(|(_, wait)| wait)
            .collect();
        assert_eq!(waits, [5, 7, 9, 11, 13].map(Some));

        assert_eq!(queue.pop().unwrap().id, x.id);
        assert!(queue.remove(y.id) && !queue.remove(y.id));
        let begun = queue.pop().unwrap();
        assert_eq!(begun.id, a.id);
        queue.push(x.clone());
        queue.put_back(begun);
        queue.sort_by_creation(|_| None);
        let order: Vec<_> = std::iter::from_fn(|| queue.pop())
            .map(|one| one.id)
            .collect();
        assert_eq!(order, [x.id, a.id, b.id, c.id]);
    }
}
