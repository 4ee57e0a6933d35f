//! What the daemon keeps in memory about its tasks.

use uuid::Uuid;

use super::index::Index;
use super::pace::Pace;
use super::progress::{Place, TaskProgress, TranscriptPosition};
use super::queue::Queue;
use super::record::{Status, TaskRecord};
use super::slots::Slots;

/// Everything about all tasks that is not on disk.
#[derive(Debug, Default)]
pub(super) struct State {
    pub index: Index,
    pub queue: Queue,
    pub pace: Pace,
    pub slots: Slots,
    /// How many attempts there were.
    pub attempts: u64,
    /// Every upload that start-up found was looked at.
    pub complete: bool,
}

impl State {
    /// All waiting tasks with their places, in order.
    pub(super) fn places(&self) -> impl Iterator<Item = (Uuid, Place)> {
        self.queue
            .places(self.slots.free_in(&self.pace), &self.pace)
    }

    /// How far a task is.
    pub(super) fn progress(&self, record: &TaskRecord) -> TaskProgress {
        let running = self.slots.progress(record.id);
        match record.status {
            Status::Queued => {
                let place = self.places().find(|(id, _)| *id == record.id);
                TaskProgress::queued(place.map_or(Place::FIRST, |(_, place)| place))
            }
            Status::Processing => match running {
                Some(running) => running.of_task(),
                None => TaskProgress::Transcribing {
                    percentage: 0.0,
                    position: TranscriptPosition::default(),
                },
            },
            Status::Completed => TaskProgress::Complete {
                position: running.map(|running| running.position),
            },
            Status::Failed => TaskProgress::Failed {
                reason: record.error.clone().unwrap_or_default(),
            },
        }
    }
}
