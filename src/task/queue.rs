//! The order in which tasks are transcribed: by priority, then as they came.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::pace::{Pace, Work};
use crate::store::facts::Priority;

/// A task that waits.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub id: Uuid,
    pub priority: Priority,
    pub work: Work,
}

/// All that wait.
#[derive(Debug, Default)]
pub(super) struct Queue(VecDeque<Waiting>);

/// Where a task waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Tasks before it.
    pub before: usize,
    /// How long those take; `None`: nobody knows.
    pub wait: Option<Duration>,
}

impl Place {
    /// There is nothing to wait for.
    pub(super) const FIRST: Place = Place {
        before: 0,
        wait: Some(Duration::ZERO),
    };
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Behind all of its priority.
    pub(super) fn push(&mut self, task: Waiting) {
        let place = self.0.partition_point(|one| one.priority <= task.priority);
        self.0.insert(place, task);
    }

    /// Before all of its priority: it had begun.
    pub(super) fn put_back(&mut self, task: Waiting) {
        let place = self.0.partition_point(|one| one.priority < task.priority);
        self.0.insert(place, task);
    }

    pub(super) fn pop(&mut self) -> Option<Waiting> {
        self.0.pop_front()
    }

    /// True if it was there.
    pub(super) fn remove(&mut self, id: Uuid) -> bool {
        let place = self.0.iter().position(|one| one.id == id);
        place.and_then(|place| self.0.remove(place)).is_some()
    }

    /// Whether one waits that goes before those of this priority.
    pub(super) fn has_before(&self, priority: Priority) -> bool {
        self.0.front().is_some_and(|one| one.priority < priority)
    }

    /// Puts those of one priority in the order of their creation.
    pub(super) fn sort_by_creation(&mut self, created_at: impl Fn(Uuid) -> Option<Timestamp>) {
        let queue = self.0.make_contiguous();
        queue.sort_by_key(|one| (one.priority, created_at(one.id)));
    }

    /// Every task with its place, in order, where the engine is busy for as
    /// long as `running` yet.
    pub(super) fn places(
        &self,
        running: Option<Duration>,
        pace: &Pace,
    ) -> impl Iterator<Item = (Uuid, Place)> {
        let mut wait = running;
        self.0.iter().enumerate().map(move |(before, task)| {
            let place = Place { before, wait };
            let taken = pace.estimate(&task.work);
            wait = wait.zip(taken).map(|(wait, taken)| wait + taken);
            (task.id, place)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_come_first_and_then_the_order() {
        let waiting = |priority| Waiting {
            id: Uuid::new_v4(),
            priority,
            work: Work {
                size_bytes: 10,
                kind: None,
            },
        };
        let [a, b, c] = [(); 3].map(|()| waiting(Priority::Bulk));
        let [x, y] = [(); 2].map(|()| waiting(Priority::Interactive));
        let mut queue = Queue::default();
        for task in [&a, &b, &x, &c, &y] {
            queue.push(task.clone());
        }
        assert!(queue.has_before(Priority::Bulk) && !queue.has_before(Priority::Interactive));
        let ids = |queue: &Queue, pace: &Pace| -> Vec<(Uuid, Option<u64>)> {
            let places = queue.places(Some(Duration::from_secs(5)), pace);
            places
                .enumerate()
                .map(|(index, (id, place))| {
                    assert_eq!(place.before, index);
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
        pace.observe(&a.work, Duration::from_secs(2));
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
