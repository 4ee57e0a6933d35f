//! How two decodings may differ.

use std::fmt;

/// A difference. Times are those of the reference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Difference {
    /// The length differs.
    Length {
        /// Expected seconds.
        reference_s: f64,
        /// Actual seconds.
        actual_s: f64,
    },
    /// The signal is late (or early, below zero).
    Displaced {
        /// Start in seconds.
        at_s: f64,
        /// Delay in seconds.
        by_s: f64,
    },
    /// Another signal.
    Replaced {
        /// Start in seconds.
        at_s: f64,
        /// At the most similar position.
        correlation: f64,
    },
    /// Silence instead of signal.
    Missing {
        /// Start in seconds.
        at_s: f64,
    },
    /// Signal instead of silence.
    Invented {
        /// Start in seconds.
        at_s: f64,
    },
    /// Louder or fainter than the rest of the recording.
    Level {
        /// Start in seconds.
        at_s: f64,
        /// Level difference.
        by_db: f64,
    },
    /// The level above 4 kHz differs throughout.
    Treble {
        /// Level difference.
        by_db: f64,
    },
}

impl Difference {
    /// Start in seconds, if the difference has a position.
    pub fn at_s(&self) -> Option<f64> {
        match self {
            Self::Displaced { at_s, .. }
            | Self::Replaced { at_s, .. }
            | Self::Missing { at_s }
            | Self::Invented { at_s }
            | Self::Level { at_s, .. } => Some(*at_s),
            Self::Length { .. } | Self::Treble { .. } => None,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length {
                reference_s,
                actual_s,
            } => write!(f, "{actual_s:.2} s instead of {reference_s:.2} s"),
            Self::Displaced { at_s, by_s } => {
                write!(f, "at {at_s:.1} s late by {:.0} ms", by_s * 1e3)
            }
            Self::Replaced { at_s, correlation } => {
                write!(f, "at {at_s:.1} s other sound ({correlation:.3})")
            }
            Self::Missing { at_s } => write!(f, "at {at_s:.1} s silence instead of sound"),
            Self::Invented { at_s } => write!(f, "at {at_s:.1} s sound instead of silence"),
            Self::Level { at_s, by_db } => write!(f, "at {at_s:.1} s {by_db:+.1} dB"),
            Self::Treble { by_db } => write!(f, "above 4 kHz {by_db:+.1} dB"),
        }
    }
}
