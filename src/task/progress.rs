//! How far an upload, or the task that it became, is on the way to its transcript.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::time::Duration;

/// The stage of a task, from its upload to its end.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskProgress {
    /// The upload is not complete.
    Uploading {
        /// Of the bytes, 0..=100; 0 while the length is unknown.
        percentage: f64,
    },
    /// Waits for the engine.
    Queued {
        /// Tasks ahead of it in the queue.
        ahead: usize,
        /// Estimated seconds until it starts; `None`: no estimate.
        wait_s: Option<u64>,
    },
    /// The engine has it.
    Transcribing {
        /// Of the recording, 0..=100.
        percentage: f64,
        /// How much of the transcript is written.
        position: TranscriptPosition,
    },
    /// The engine had it, and has another one now; it goes on from there.
    Paused {
        /// Of the recording, 0..=100.
        percentage: f64,
        /// How much of the transcript is written.
        position: TranscriptPosition,
        /// As of a queued task.
        ahead: usize,
        /// As of a queued task.
        wait_s: Option<u64>,
    },
    /// The transcript is complete.
    Complete {
        /// The end of the transcript; `None` if it was written earlier.
        position: Option<TranscriptPosition>,
    },
    /// It failed.
    Failed {
        /// The reason.
        reason: String,
    },
}

/// How much of a transcript is written, so that it can be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TranscriptPosition {
    /// Grows with every attempt that starts the transcript over.
    pub attempt: u64,
    /// Bytes of whole segments.
    pub bytes: u64,
}

impl TaskProgress {
    /// The progress of an upload.
    pub fn uploading(offset: u64, length: Option<u64>) -> TaskProgress {
        let percentage = match length {
            Some(length) => offset as f64 * 100.0 / length.max(1) as f64,
            None => 0.0,
        };
        TaskProgress::Uploading { percentage }
    }

    /// The progress of a task at this place in the queue.
    pub(super) fn queued(place: Place) -> TaskProgress {
        TaskProgress::Queued {
            ahead: place.ahead,
            wait_s: place.wait.map(roughly),
        }
    }

    /// The progress of a task with this part of its recording behind it, 0..=1,
    /// that waits at this place.
    pub(super) fn paused(
        fraction: f64,
        position: TranscriptPosition,
        place: Place,
    ) -> TaskProgress {
        TaskProgress::Paused {
            percentage: fraction * 100.0,
            position,
            ahead: place.ahead,
            wait_s: place.wait.map(roughly),
        }
    }

    /// The stage in one word, for programs.
    pub fn stage(&self) -> &'static str {
        match self {
            TaskProgress::Uploading { .. } => "uploading",
            TaskProgress::Queued { .. } => "queued",
            TaskProgress::Transcribing { .. } | TaskProgress::Paused { .. } => "transcribing",
            TaskProgress::Complete { .. } | TaskProgress::Failed { .. } => "complete",
        }
    }

    /// Of its stage, 0..=100, rounded to a tenth.
    pub fn percentage(&self) -> f64 {
        let percentage = match self {
            TaskProgress::Uploading { percentage }
            | TaskProgress::Transcribing { percentage, .. }
            | TaskProgress::Paused { percentage, .. } => *percentage,
            TaskProgress::Queued { .. } => 0.0,
            TaskProgress::Complete { .. } | TaskProgress::Failed { .. } => 100.0,
        };
        (percentage * 10.0).round() / 10.0
    }

    /// A few words for people.
    pub fn message(&self) -> String {
        match self {
            TaskProgress::Uploading { .. } => "uploading".into(),
            TaskProgress::Queued { ahead, wait_s } => waiting(*ahead, *wait_s),
            TaskProgress::Paused { ahead, wait_s, .. } => {
                format!("paused, {}", waiting(*ahead, *wait_s))
            }
            TaskProgress::Transcribing { .. } => "transcribing".into(),
            TaskProgress::Complete { .. } => "done".into(),
            TaskProgress::Failed { .. } => "failed".into(),
        }
    }

    /// How much of its transcript can be followed.
    pub fn position(&self) -> Option<TranscriptPosition> {
        match self {
            TaskProgress::Transcribing { position, .. } | TaskProgress::Paused { position, .. } => {
                Some(*position)
            }
            TaskProgress::Complete { position } => *position,
            _ => None,
        }
    }
}

/// Where a task waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Tasks ahead of it.
    pub ahead: usize,
    /// The time until it starts; `None`: no estimate.
    pub wait: Option<Duration>,
}

impl Place {
    /// The next task of an idle engine.
    pub(super) const FIRST: Place = Place {
        ahead: 0,
        wait: Some(Duration::ZERO),
    };
}

fn waiting(ahead: usize, wait_s: Option<u64>) -> String {
    let noun = if ahead == 1 { "task" } else { "tasks" };
    let ahead = format!("{ahead} {noun} ahead");
    match wait_s {
        None => ahead,
        Some(s @ ..60) => format!("{ahead}, about {s} s"),
        Some(s @ 60..3600) => format!("{ahead}, about {} min", s / 60),
        Some(s) => format!("{ahead}, about {} h", s.div_ceil(3600)),
    }
}

/// In seconds, in coarse steps, so that listeners do not get an event for every
/// second of an estimate.
fn roughly(wait: Duration) -> u64 {
    let step = match wait.as_secs() {
        ..60 => 5,
        60..3600 => 60,
        _ => 900,
    };
    wait.as_secs().div_ceil(step).saturating_mul(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_messages_for_people() {
        let message_of = |seconds: Option<u64>| {
            let wait = seconds.map(Duration::from_secs);
            TaskProgress::queued(Place { ahead: 2, wait }).message()
        };
        for (seconds, message) in [
            (None, "2 tasks ahead"),
            (Some(0), "2 tasks ahead, about 0 s"),
            (Some(7), "2 tasks ahead, about 10 s"),
            (Some(58), "2 tasks ahead, about 1 min"),
            (Some(119), "2 tasks ahead, about 2 min"),
            (Some(3599), "2 tasks ahead, about 1 h"),
            (Some(20_000), "2 tasks ahead, about 6 h"),
        ] {
            assert_eq!(message_of(seconds), message, "{seconds:?}");
        }
        let wait = Some(Duration::from_secs(61));
        let paused = TaskProgress::paused(
            0.25,
            TranscriptPosition::default(),
            Place { ahead: 1, wait },
        );
        assert_eq!(paused.message(), "paused, 1 task ahead, about 2 min");
        assert_eq!(
            (paused.stage(), paused.percentage()),
            ("transcribing", 25.0)
        );
    }
}
