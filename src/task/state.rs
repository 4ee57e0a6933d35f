//! What the daemon keeps in memory about its tasks.

use uuid::Uuid;

use super::index::Index;
use super::places::Places;
use super::progress::{Place, TaskProgress, TranscriptPosition};
use super::queue::ScheduledTask;
use super::record::{Status, TaskRecord};
use super::scheduler::Scheduler;

/// Everything about all tasks that is not on disk.
#[derive(Debug, Default)]
pub(super) struct State {
    pub index: Index,
    pub scheduler: Scheduler,
    places: Places,
    /// How many attempts there were.
    pub attempts: u64,
    /// Every upload that start-up found was looked at.
    pub complete: bool,
}

impl State {
    /// How far all waiting tasks are; none where that was worked out a moment ago.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (Uuid, TaskProgress)> {
        let places = self.places.all(&self.scheduler).unwrap_or_default();
        places
            .into_iter()
            .map(|(task, place)| (task.id, progress_at(task, place)))
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
        let task = self.scheduler.queue.get(id)?;
        Some(progress_at(task, self.places.of(id, &self.scheduler)))
    }
}

/// How far a waiting task is.
fn progress_at(task: &ScheduledTask, place: Place) -> TaskProgress {
    let paused = task.progress.of_paused_task(place);
    paused.unwrap_or_else(|| TaskProgress::queued(place))
}
