//! How long transcriptions take, estimated from earlier ones.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::collections::HashMap;
use std::time::Duration;

/// Kinds of recordings with a rate of their own; clients choose their names.
const KINDS_MAX: usize = 32;
/// What one more transcription leaves of those before: they were made by
/// another model, maybe, or on a machine that had more to do.
const KEPT: f64 = 0.8;

/// What is known of a transcription before it begins.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Workload {
    /// Of the recording.
    pub size_bytes: u64,
    /// Extension of its name: recordings of one kind have about as much speech
    /// in every byte.
    pub kind: Option<String>,
}

/// Seconds per byte, kind by kind.
#[derive(Debug, Default)]
pub(super) struct Pace {
    kinds: HashMap<String, Rate>,
    all: Rate,
}

#[derive(Debug, Default, Clone, Copy)]
struct Rate {
    seconds: f64,
    bytes: f64,
}

impl Pace {
    /// One was transcribed from its beginning to its end.
    pub(super) fn observe(&mut self, workload: &Workload, took: Duration) {
        self.all.observe(workload, took);
        if let Some(kind) = &workload.kind
            && (self.kinds.len() < KINDS_MAX || self.kinds.contains_key(kind))
        {
            let rate = self.kinds.entry(kind.clone()).or_default();
            rate.observe(workload, took);
        }
    }

    /// How long one takes; `None` before the first one.
    pub(super) fn estimate(&self, workload: &Workload) -> Option<Duration> {
        let known = workload.kind.as_ref().and_then(|kind| self.kinds.get(kind));
        known.unwrap_or(&self.all).estimate(workload)
    }
}

impl Rate {
    fn observe(&mut self, workload: &Workload, took: Duration) {
        self.seconds = self.seconds * KEPT + took.as_secs_f64();
        self.bytes = self.bytes * KEPT + workload.size_bytes as f64;
    }

    fn estimate(&self, workload: &Workload) -> Option<Duration> {
        let seconds = self.seconds * workload.size_bytes as f64 / self.bytes;
        Duration::try_from_secs_f64(seconds).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn earlier_transcriptions_give_the_estimate() {
        let workload = |size_bytes, kind: &str| Workload {
            size_bytes,
            kind: Some(kind.into()),
        };
        let mut pace = Pace::default();
        assert_eq!(pace.estimate(&workload(1000, "wav")), None);
        pace.observe(&workload(0, "empty"), Duration::from_secs(1));
        assert_eq!(
            pace.estimate(&workload(1000, "empty")),
            None,
            "says nothing"
        );

        let mut pace = Pace::default();
        pace.observe(&workload(1000, "wav"), Duration::from_secs(10));
        pace.observe(&workload(1000, "mp3"), Duration::from_secs(100));
        let wav = |pace: &Pace| pace.estimate(&workload(500, "wav")).unwrap().as_secs_f64();
        assert_eq!(wav(&pace), 5.0);
        assert!(pace.estimate(&workload(500, "flac")).unwrap() > Duration::from_secs(20));
        // A faster model.
        for _ in 0..20 {
            pace.observe(&workload(1000, "wav"), Duration::from_secs(1));
        }
        assert!((0.5..0.6).contains(&wav(&pace)), "{}", wav(&pace));
        for kind in 0..2 * KINDS_MAX {
            pace.observe(&workload(1, &kind.to_string()), Duration::ZERO);
        }
        assert_eq!(pace.kinds.len(), KINDS_MAX);
    }
}
