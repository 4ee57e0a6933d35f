//! The task that the engine has.

use std::time::{Duration, Instant};

use super::pace::{Pace, Work};
use super::queue::Waiting;
use super::standing::{Found, Standing};

/// Less than this part of a recording tells nothing about the rest.
const TELLING: f64 = 0.02;

/// What is known of it.
#[derive(Debug)]
pub(super) struct Running {
    pub task: Waiting,
    /// Why it is to end, if somebody wants that.
    pub cancelled: Option<String>,
    pub found: Found,
    /// How much of the recording is done, 0..=1.
    fraction: f64,
    /// When the first progress was told of this attempt, and what it was.
    first: Option<(Instant, f64)>,
    begun: Instant,
    /// The whole recording is transcribed at one go.
    at_one_go: bool,
}

impl Running {
    /// The engine gets it.
    pub(super) fn begin(task: Waiting) -> Running {
        Running {
            task,
            cancelled: None,
            found: Found::default(),
            fraction: 0.0,
            first: None,
            begun: Instant::now(),
            at_one_go: true,
        }
    }

    /// Another attempt begins, after so many bytes of transcript of an earlier one.
    pub(super) fn attempt(&mut self, attempt: u64, bytes: u64) {
        self.first = None;
        self.at_one_go = self.at_one_go && self.found.attempt == 0 && bytes == 0;
        // Who reads along need not begin anew where nothing was lost.
        if self.found.attempt == 0 || self.found.bytes != bytes {
            self.found = Found { attempt, bytes };
            self.fraction = 0.0;
        }
    }

    /// So much is done, 0..=1.
    pub(super) fn advance(&mut self, fraction: f64) {
        self.fraction = fraction;
        self.first.get_or_insert((Instant::now(), fraction));
    }

    /// Until its end, as far as can be told.
    pub(super) fn remaining(&self, pace: &Pace) -> Option<Duration> {
        let left = (1.0 - self.fraction).max(0.0);
        if let Some((since, from)) = self.first
            && self.fraction - from > TELLING
        {
            let seconds = since.elapsed().as_secs_f64() * left / (self.fraction - from);
            return Duration::try_from_secs_f64(seconds).ok();
        }
        Some(pace.estimate(&self.task.work)?.mul_f64(left))
    }

    /// How long all of it took, if it was done at one go.
    pub(super) fn took(&self) -> Option<(&Work, Duration)> {
        let took = self.begun.elapsed();
        self.at_one_go.then_some((&self.task.work, took))
    }

    pub(super) fn standing(&self) -> Standing {
        Standing::Transcribing {
            percentage: self.fraction * 100.0,
            found: self.found,
        }
    }
}
