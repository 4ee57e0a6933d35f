//! What the daemon keeps in memory about its tasks.

use uuid::Uuid;

use super::forecast;
use super::index::Index;
use super::progress::{Place, TaskProgress, TranscriptPosition};
use super::record::{Status, TaskRecord};
use super::scheduler::Scheduler;

/// Everything about all tasks that is not on disk.
#[derive(Debug, Default)]
pub(super) struct State {
    pub index: Index,
    pub scheduler: Scheduler,
    /// How many attempts there were.
    pub attempts: u64,
    /// Every upload that start-up found was looked at.
    pub complete: bool,
}

impl State {
    /// How far all waiting tasks are.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (Uuid, TaskProgress)> {
        let places = forecast::places(&self.scheduler).into_iter();
        places.map(|(task, place)| {
            let paused = task.progress.of_paused_task(place);
            (
                task.id,
                paused.unwrap_or_else(|| TaskProgress::queued(place)),
            )
        })
    }

    /// How far a task is.
    pub(super) fn progress(&self, record: &TaskRecord) -> TaskProgress {
        let running = self.scheduler.slots.progress(record.id);
        match record.status {
            Status::Queued => {
                let waiting = self.waiting_at(record.id);
                waiting.unwrap_or(TaskProgress::queued(Place::FIRST))
            }
            Status::Processing => match running {
                Some(running) => running.of_task(),
                None => self
                    .waiting_at(record.id)
                    .unwrap_or(TaskProgress::Transcribing {
                        percentage: 0.0,
                        position: TranscriptPosition::default(),
                    }),
            },
            Status::Completed => TaskProgress::Complete {
                position: running.map(|running| running.position),
            },
            Status::Failed => TaskProgress::Failed {
                reason: record.error.clone().unwrap_or_default(),
            },
        }
    }

    fn waiting_at(&self, id: Uuid) -> Option<TaskProgress> {
        let mut waiting = self.waiting();
        waiting
            .find(|(one, _)| *one == id)
            .map(|(_, progress)| progress)
    }
}
