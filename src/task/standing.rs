//! How far something is on its way from the first byte to its transcript.

use std::time::Duration;

use super::queue::Place;

/// What people are told while they wait.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// Bytes still come.
    Uploading {
        /// Of the bytes, 0..=100; 0 while nobody knows how many there will be.
        percentage: f64,
    },
    /// Waits for the engine.
    Queued {
        /// Tasks before it in the queue.
        before: usize,
        /// Seconds that those and the running one take, roughly; `None`: nobody
        /// knows.
        wait_s: Option<u64>,
    },
    /// The engine has it.
    Transcribing {
        /// Of the recording, 0..=100.
        percentage: f64,
        /// What was found so far.
        found: Found,
    },
    /// The transcript is there.
    Complete {
        /// All of it; `None` if it was not written just now.
        found: Option<Found>,
    },
    /// It came to nothing.
    Failed {
        /// Why.
        reason: String,
    },
}

/// How much of a transcript is written, so that it can be read along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Found {
    /// Another number for every attempt: each begins anew.
    pub attempt: u64,
    /// Bytes of whole segments.
    pub bytes: u64,
}

impl Standing {
    /// That of an upload.
    pub fn uploading(offset: u64, length: Option<u64>) -> Standing {
        let percentage = match length {
            Some(length) => offset as f64 * 100.0 / length.max(1) as f64,
            None => 0.0,
        };
        Standing::Uploading { percentage }
    }

    /// That of a task at this place.
    pub(super) fn queued(place: Place) -> Standing {
        Standing::Queued {
            before: place.before,
            wait_s: place.wait.map(roughly),
        }
    }

    /// One word for programs.
    pub fn stage(&self) -> &'static str {
        match self {
            Standing::Uploading { .. } => "uploading",
            Standing::Queued { .. } => "queued",
            Standing::Transcribing { .. } => "transcribing",
            Standing::Complete { .. } | Standing::Failed { .. } => "complete",
        }
    }

    /// Of its stage, 0..=100, no finer than anybody shows it.
    pub fn percentage(&self) -> f64 {
        let percentage = match self {
            Standing::Uploading { percentage } | Standing::Transcribing { percentage, .. } => {
                *percentage
            }
            Standing::Queued { .. } => 0.0,
            Standing::Complete { .. } | Standing::Failed { .. } => 100.0,
        };
        (percentage * 10.0).round() / 10.0
    }

    /// A few words for people.
    pub fn message(&self) -> String {
        match self {
            Standing::Uploading { .. } => "uploading".into(),
            Standing::Queued { before, wait_s } => match wait_s {
                None => format!("{before} before it"),
                Some(s @ ..60) => format!("{before} before it, about {s} s"),
                Some(s @ 60..3600) => format!("{before} before it, about {} min", s / 60),
                Some(s) => format!("{before} before it, about {} h", s.div_ceil(3600)),
            },
            Standing::Transcribing { .. } => "transcribing".into(),
            Standing::Complete { .. } => "done".into(),
            Standing::Failed { .. } => "failed".into(),
        }
    }

    /// What of its transcript can be read along.
    pub fn found(&self) -> Option<Found> {
        match self {
            Standing::Transcribing { found, .. } => Some(*found),
            Standing::Complete { found } => *found,
            _ => None,
        }
    }
}

/// In seconds, no finer than an estimate is: so that listeners are not told
/// about every second of it.
fn roughly(wait: Duration) -> u64 {
    let step = match wait.as_secs() {
        ..60 => 5,
        60..3600 => 60,
        _ => 900,
    };
    wait.as_secs().div_ceil(step) * step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_told_as_people_say_them() {
        let told = |seconds: Option<u64>| {
            let wait = seconds.map(Duration::from_secs);
            Standing::queued(Place { before: 2, wait }).message()
        };
        for (seconds, message) in [
            (None, "2 before it"),
            (Some(0), "2 before it, about 0 s"),
            (Some(7), "2 before it, about 10 s"),
            (Some(58), "2 before it, about 1 min"),
            (Some(119), "2 before it, about 2 min"),
            (Some(3599), "2 before it, about 1 h"),
            (Some(20_000), "2 before it, about 6 h"),
        ] {
            assert_eq!(told(seconds), message, "{seconds:?}");
        }
    }
}
