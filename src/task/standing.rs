//! How far something is on its way from the first byte to its transcript.

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
            Standing::Queued { before } => format!("{before} before it"),
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
