//! How far the engine is with a task. A task that made room for another one
//! keeps it while it waits again.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::time::{Duration, Instant};

use super::pace::{Pace, Workload};
use super::progress::{Place, TaskProgress, TranscriptPosition};

/// A smaller part of a recording than this does not predict the rest.
const MEASURABLE: f64 = 0.02;

/// The progress of one task over all of its attempts.
#[derive(Debug, Clone, Default)]
pub(super) struct JobProgress {
    pub position: TranscriptPosition,
    /// The reason to end the task early, if there is one.
    pub cancelled: Option<String>,
    /// How much of the recording is done, 0..=1.
    fraction: f64,
    /// When the first progress of this attempt was reported, and what it was.
    first: Option<(Instant, f64)>,
}

impl JobProgress {
    /// Another attempt begins, after so many bytes of transcript of an earlier one.
    pub(super) fn attempt(&mut self, attempt: u64, bytes: u64) {
        self.first = None;
        // Where nothing was lost, followers of the transcript go on.
        if self.position.attempt == 0 || self.position.bytes != bytes {
            self.position = TranscriptPosition { attempt, bytes };
            self.fraction = 0.0;
        }
    }

    /// So much is done, 0..=1.
    pub(super) fn advance(&mut self, fraction: f64) {
        self.fraction = fraction;
        self.first.get_or_insert((Instant::now(), fraction));
    }

    /// The estimated time until its end; `None`: no estimate.
    pub(super) fn remaining(&self, workload: &Workload, pace: &Pace) -> Option<Duration> {
        let left = (1.0 - self.fraction).max(0.0);
        if let Some((since, from)) = self.first
            && self.fraction - from > MEASURABLE
        {
            let seconds = since.elapsed().as_secs_f64() * left / (self.fraction - from);
            return Duration::try_from_secs_f64(seconds).ok();
        }
        let seconds = pace.estimate(workload)?.as_secs_f64() * left;
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// The task waits again: what is estimated from this attempt ends with it.
    pub(super) fn pause(&mut self) {
        self.first = None;
    }

    /// The progress of a task that is interrupted, at this place in the queue;
    /// `None` if it has not begun.
    pub(super) fn of_paused_task(&self, place: Place) -> Option<TaskProgress> {
        (self.position.attempt > 0)
            .then(|| TaskProgress::paused(self.fraction, self.position, place))
    }

    pub(super) fn of_task(&self) -> TaskProgress {
        TaskProgress::Transcribing {
            percentage: self.fraction * 100.0,
            position: self.position,
        }
    }
}
