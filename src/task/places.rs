//! The places of waiting tasks, worked out only as often as the length of the queue
//! allows: many tasks of one client must not cost others anything.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::forecast;
use super::progress::Place;
use super::queue::ScheduledTask;
use super::scheduler::Scheduler;

/// Places in a longer queue may be a moment old.
const SHORT_QUEUE: usize = 100;

/// How old they may be.
const MOMENT: Duration = Duration::from_secs(1);

/// The places in a long queue, as they were a moment ago.
#[derive(Debug, Default)]
pub(super) struct Places(RefCell<Option<(Instant, HashMap<Uuid, Place>)>>);

impl Places {
    /// All places, in order; `None` if they were worked out a moment ago.
    pub(super) fn all<'a>(
        &self,
        scheduler: &'a Scheduler,
    ) -> Option<Vec<(&'a ScheduledTask, Place)>> {
        let is_long = scheduler.queue.len() > SHORT_QUEUE;
        if is_long && self.are_fresh() {
            return None;
        }
        let places = forecast::places(scheduler);
        let kept = is_long.then(|| {
            let by_id = places.iter().map(|(task, place)| (task.id, *place));
            (Instant::now(), by_id.collect())
        });
        self.0.replace(kept);
        Some(places)
    }

    /// The place of a waiting task.
    pub(super) fn of(&self, id: Uuid, scheduler: &Scheduler) -> Place {
        let found = match self.all(scheduler) {
            Some(all) => {
                let found = all.into_iter().find(|(task, _)| task.id == id);
                found.map(|(_, place)| place)
            }
            None => {
                let kept = self.0.borrow();
                kept.as_ref()
                    .and_then(|(_, places)| places.get(&id).copied())
            }
        };
        // It came a moment ago.
        found.unwrap_or(Place {
            ahead: scheduler.queue.len().saturating_sub(1),
            wait: None,
        })
    }

    fn are_fresh(&self) -> bool {
        let kept = self.0.borrow();
        kept.as_ref().is_some_and(|(at, _)| at.elapsed() < MOMENT)
    }
}

#[cfg(test)]
mod tests {
    use super::super::job_progress::JobProgress;
    use super::super::pace::Workload;
    use super::*;
    use crate::shares::Owner;
    use crate::store::facts::Priority;

    fn push(scheduler: &mut Scheduler) -> Uuid {
        let id = Uuid::new_v4();
        let task = ScheduledTask {
            id,
            owner: Owner::Token("phone".into()),
            priority: Priority::Bulk,
            wanted_model: None,
            workload: Workload::default(),
            progress: JobProgress::default(),
            arrival: 0,
        };
        scheduler.push(task, Instant::now());
        id
    }

    #[test]
    fn a_long_queue_is_not_worked_out_for_every_task() {
        let (places, mut scheduler) = (Places::default(), Scheduler::default());
        for number in 0..SHORT_QUEUE {
            let id = push(&mut scheduler);
            assert_eq!(places.of(id, &scheduler).ahead, number);
            assert!(places.all(&scheduler).is_some(), "a short one");
        }
        let first = push(&mut scheduler);
        assert_eq!(places.of(first, &scheduler).ahead, SHORT_QUEUE);
        assert!(places.all(&scheduler).is_none(), "a moment ago");
        let late = push(&mut scheduler);
        let end = Place {
            ahead: SHORT_QUEUE + 1,
            wait: None,
        };
        assert_eq!(places.of(late, &scheduler), end);
        assert_eq!(places.of(first, &scheduler).ahead, SHORT_QUEUE);
    }
}
