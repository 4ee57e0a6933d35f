//! How long transcriptions take, estimated from earlier ones: the seconds of
//! sound in a recording, and the seconds of the engine that each of them costs.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use crate::options::Options;

/// Kinds of recordings with a rate of their own; clients choose their names.
const KINDS_MAX: usize = 32;
/// The same for models and classes of options.
const COSTS_MAX: usize = 256;
/// What one more observation leaves of those before: they were made by
/// another model, maybe, or on a machine that had more to do.
const KEPT: f64 = 0.8;
/// A second of sound has more bytes than this, as far as a size alone shows:
/// silence is compressed to less, and is found out once it is decoded.
const LEAST_BYTES_PER_S: f64 = 50.0;
/// A longer recording than this is not expected, whatever its file claims.
const LONGEST_S: f64 = 7.0 * 86_400.0;

/// What is known of a transcription before it ends.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Workload {
    /// Of the recording.
    pub size_bytes: u64,
    /// Extension of its name: recordings of one kind have about as much speech
    /// in every byte.
    pub kind: Option<String>,
    /// Length in seconds, as its file says it and as far as it was decoded;
    /// `None` before the engine had it.
    pub audio_s: Option<f64>,
    /// The model that the task is for, where it is known.
    pub model: Option<Arc<str>>,
    /// What its options cost.
    pub class: CostClass,
}

/// Options that cost about the same per second of sound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct CostClass {
    /// Beams or candidates, as the next power of two; 0: the engine's default.
    decoders: u32,
    /// Windows may be decoded again at other temperatures than usual.
    has_thresholds: bool,
}

impl CostClass {
    pub(super) fn of(options: &Options) -> CostClass {
        let decoders = options.beam_size.max(options.best_of);
        CostClass {
            decoders: decoders.map_or(0, |count| count.checked_next_power_of_two().unwrap_or(0)),
            has_thresholds: options.temperatures.is_some()
                || options.compression_ratio_threshold.is_some()
                || options.log_prob_threshold.is_some(),
        }
    }
}

impl Workload {
    /// The engine says that the recording has so many seconds.
    pub(super) fn has_audio(&mut self, seconds: f64) {
        self.audio_s = plausible(seconds).or(self.audio_s);
    }

    /// So many seconds were decoded: there are at least as many.
    pub(super) fn has_at_least(&mut self, seconds: f64) {
        if let (Some(known), Some(decoded)) = (self.audio_s, plausible(seconds)) {
            self.audio_s = Some(known.max(decoded));
        }
    }
}

/// Seconds of sound as an engine reports them.
fn plausible(seconds: f64) -> Option<f64> {
    (seconds.is_finite() && seconds >= 0.0).then_some(seconds.min(LONGEST_S))
}

/// What earlier transcriptions took.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Seconds of sound per byte.
    kinds: Rates<String>,
    /// Seconds of the engine per second of sound.
    costs: Rates<(Arc<str>, CostClass)>,
}

impl Pace {
    /// A recording turned out to have so many seconds of sound.
    pub(super) fn observe_audio(&mut self, workload: &Workload, audio_s: f64) {
        if let Some(audio_s) = plausible(audio_s) {
            let (kind, bytes) = (workload.kind.clone(), workload.size_bytes as f64);
            self.kinds.observe(kind, audio_s, bytes, KINDS_MAX);
        }
    }

    /// So many more seconds of sound took the engine so long.
    pub(super) fn observe_cost(&mut self, workload: &Workload, audio_s: f64, engine_s: f64) {
        let key = workload.model.clone().map(|model| (model, workload.class));
        if let (Some(audio_s), Some(engine_s)) = (plausible(audio_s), plausible(engine_s))
            && audio_s > 0.0
        {
            self.costs.observe(key, engine_s, audio_s, COSTS_MAX);
        }
    }

    /// How long one takes; `None` before the first one.
    pub(super) fn estimate(&self, workload: &Workload) -> Option<Duration> {
        let audio_s = workload.audio_s.or_else(|| self.audio_s(workload))?;
        let key = workload.model.clone().map(|model| (model, workload.class));
        let seconds = self.costs.of(key.as_ref())?.times(audio_s)?;
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// The seconds of sound by kind and size.
    fn audio_s(&self, workload: &Workload) -> Option<f64> {
        let size_bytes = workload.size_bytes as f64;
        let seconds = self.kinds.of(workload.kind.as_ref())?.times(size_bytes)?;
        Some(seconds.min(size_bytes / LEAST_BYTES_PER_S).min(LONGEST_S))
    }
}

/// Rates of known keys, and of all together for others.
#[derive(Debug)]
struct Rates<K> {
    known: HashMap<K, Rate>,
    all: Rate,
}

impl<K> Default for Rates<K> {
    fn default() -> Rates<K> {
        Rates {
            known: HashMap::new(),
            all: Rate::default(),
        }
    }
}

impl<K: Hash + Eq> Rates<K> {
    fn observe(&mut self, key: Option<K>, amount: f64, per: f64, keys_max: usize) {
        self.all.observe(amount, per);
        if let Some(key) = key
            && (self.known.len() < keys_max || self.known.contains_key(&key))
        {
            self.known.entry(key).or_default().observe(amount, per);
        }
    }

    fn of(&self, key: Option<&K>) -> Option<Rate> {
        let known = key.and_then(|key| self.known.get(key));
        let rate = *known.unwrap_or(&self.all);
        (rate.per > 0.0).then_some(rate)
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct Rate {
    amount: f64,
    per: f64,
}

impl Rate {
    fn observe(&mut self, amount: f64, per: f64) {
        self.amount = self.amount * KEPT + amount;
        self.per = self.per * KEPT + per;
    }

    fn times(&self, per: f64) -> Option<f64> {
        let amount = self.amount * per / self.per;
        amount.is_finite().then_some(amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(size_bytes: u64, kind: &str) -> Workload {
        Workload {
            size_bytes,
            kind: Some(kind.into()),
            model: Some("base".into()),
            ..Workload::default()
        }
    }

    fn seconds(pace: &Pace, workload: &Workload) -> f64 {
        pace.estimate(workload).unwrap().as_secs_f64()
    }

    #[test]
    fn the_sound_of_a_recording_counts_and_not_its_size() {
        let mut pace = Pace::default();
        let wav = workload(32_000_000, "wav");
        assert_eq!(pace.estimate(&wav), None);
        pace.observe_audio(&wav, 1000.0);
        assert_eq!(pace.estimate(&wav), None, "what that costs is not known");
        pace.observe_cost(&wav, 1000.0, 100.0);
        assert_eq!(seconds(&pace, &wav), 100.0);
        // By its size it would be nothing.
        let mut silence = workload(900_000, "wav");
        assert!(seconds(&pace, &silence) < 3.0);
        silence.has_audio(50_000.0);
        assert_eq!(seconds(&pace, &silence), 5000.0);
        // Its file has promised too little.
        silence.has_audio(1.0);
        silence.has_at_least(40.0);
        silence.has_at_least(20.0);
        assert_eq!(silence.audio_s, Some(40.0));
        // Nor does a single recording make the next ones endless.
        pace.observe_audio(&workload(10, "flac"), f64::MAX);
        assert!(seconds(&pace, &workload(1_000_000, "flac")) <= 2000.0);
    }

    #[test]
    fn models_and_dear_options_have_their_own_rates() {
        let mut pace = Pace::default();
        let mut cheap = workload(0, "wav");
        cheap.has_audio(100.0);
        let mut options = Options::default();
        options.set("best_of", "8").unwrap();
        let dear = Workload {
            class: CostClass::of(&options),
            ..cheap.clone()
        };
        options.set("best_of", "1").unwrap();
        options.set("log_prob_threshold", "0").unwrap();
        assert_ne!(CostClass::of(&options), CostClass::default());
        assert_ne!(CostClass::of(&options), dear.class);
        let other = Workload {
            model: Some("large".into()),
            ..cheap.clone()
        };
        pace.observe_cost(&cheap, 10.0, 1.0);
        assert_eq!(seconds(&pace, &dear), 10.0, "nothing else is known");
        pace.observe_cost(&dear, 10.0, 8.0);
        pace.observe_cost(&other, 10.0, 50.0);
        let all = [&cheap, &dear, &other].map(|one| seconds(&pace, one));
        assert_eq!(all, [10.0, 80.0, 500.0]);
        // A faster machine.
        for _ in 0..30 {
            pace.observe_cost(&other, 10.0, 1.0);
        }
        assert!((9.9..11.0).contains(&seconds(&pace, &other)));
    }

    #[test]
    fn absurd_reports_leave_the_estimates_as_they_are() {
        let mut pace = Pace::default();
        let mut one = workload(1000, "wav");
        pace.observe_audio(&one, 10.0);
        pace.observe_cost(&one, 10.0, 1.0);
        for absurd in [f64::NAN, f64::INFINITY, -1.0] {
            one.has_audio(absurd);
            one.has_at_least(absurd);
            pace.observe_audio(&one, absurd);
            pace.observe_cost(&one, absurd, 1.0);
            pace.observe_cost(&one, 1.0, absurd);
        }
        pace.observe_cost(&one, 0.0, 1.0);
        assert_eq!((one.audio_s, seconds(&pace, &one)), (None, 1.0));
        for kind in 0..2 * KINDS_MAX {
            pace.observe_audio(&workload(1, &kind.to_string()), 0.0);
        }
        assert_eq!(pace.kinds.known.len(), KINDS_MAX);
    }
}
