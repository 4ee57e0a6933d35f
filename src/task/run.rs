//! One turn of a task at the engine: what it cost so far, and when it may end
//! for the sake of others.

use std::time::{Duration, Instant};

/// A task that others wait for has the engine at least so long at a time.
const SLICE_MIN_S: f64 = 10.0;
/// And at most so long, unless more than half of it were lost.
const SLICE_MAX_S: f64 = 60.0;
/// In between, so many times as long as it took to get to where it was: of a
/// recording that is not too long a quarter of the time is lost at most.
const SLICE_PER_OVERHEAD: f64 = 4.0;
/// And never less than so many times as long.
const SLICE_PER_OVERHEAD_MIN: f64 = 2.0;
/// Waiting for an engine that is being started costs its owner no more than
/// this; loading another model does not take longer.
const START_COST_MAX_S: f64 = 60.0;

/// A turn. All times are seconds of the engine.
#[derive(Debug, Clone)]
pub(super) struct Run {
    /// Until when it is accounted for.
    until: Instant,
    /// Until the engine began with the recording, in all attempts.
    start_s: f64,
    /// In this attempt.
    held_s: f64,
    /// Of that, before the engine began with the recording.
    begun_s: f64,
    /// Of that, before there was anything new.
    overhead_s: f64,
    stage: Stage,
    /// Audio that was transcribed in earlier turns, and until now.
    audio_s: (f64, f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The engine is being started, or loads the model.
    Starting,
    /// The recording is decoded up to where the last turn ended.
    CatchingUp,
    Transcribing,
}

impl Run {
    pub(super) fn begin(now: Instant) -> Run {
        Run {
            until: now,
            start_s: 0.0,
            held_s: 0.0,
            begun_s: 0.0,
            overhead_s: 0.0,
            stage: Stage::Starting,
            audio_s: (0.0, 0.0),
        }
    }

    /// What it used since this was called the last time.
    pub(super) fn account(&mut self, now: Instant) -> f64 {
        let mut used_s = now.saturating_duration_since(self.until).as_secs_f64();
        self.until = now;
        if self.stage == Stage::Starting {
            used_s = used_s.min((START_COST_MAX_S - self.start_s).max(0.0));
            self.start_s += used_s;
        }
        self.held_s += used_s;
        used_s
    }

    /// An attempt begins after this much audio of earlier ones.
    pub(super) fn attempt(&mut self, from_s: f64) {
        self.stage = Stage::Starting;
        self.audio_s = (from_s, from_s);
        self.held_s = 0.0;
    }

    /// The engine has understood the recording. To be accounted for before, as
    /// for the next one.
    pub(super) fn started(&mut self) {
        self.begun_s = self.held_s;
        self.overhead_s = self.held_s;
        self.stage = match self.audio_s.0 > 0.0 {
            true => Stage::CatchingUp,
            false => Stage::Transcribing,
        };
    }

    /// It is transcribed up to here.
    pub(super) fn advance(&mut self, done_s: f64) {
        if self.stage != Stage::Transcribing {
            self.overhead_s = self.held_s;
            self.stage = Stage::Transcribing;
        }
        self.audio_s.1 = done_s;
    }

    /// How long the engine took to begin.
    pub(super) fn begun_s(&self) -> f64 {
        self.begun_s
    }

    /// Seconds of audio that are new, and of the engine that they took.
    pub(super) fn result(&self) -> (f64, f64) {
        let (from_s, done_s) = self.audio_s;
        (done_s - from_s, self.held_s - self.begun_s)
    }

    /// Whether others can have the engine: its slice is over.
    pub(super) fn is_over(&self) -> bool {
        self.held_s >= self.slice_s()
    }

    /// Whether a client that waits can have it: not all that it took to get here
    /// is for nothing.
    pub(super) fn is_useful(&self) -> bool {
        self.held_s >= 2.0 * self.overhead_s
    }

    fn slice_s(&self) -> f64 {
        let slice_s = (SLICE_PER_OVERHEAD * self.overhead_s).clamp(SLICE_MIN_S, SLICE_MAX_S);
        slice_s.max(SLICE_PER_OVERHEAD_MIN * self.overhead_s)
    }

    /// What is left of its slice.
    pub(super) fn left(&self) -> Duration {
        let left_s = (self.slice_s() - self.held_s).max(0.0);
        Duration::try_from_secs_f64(left_s).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run that so many seconds later is asked what it used.
    fn used(run: &mut Run, seconds: f64) -> f64 {
        run.account(run.until + Duration::from_secs_f64(seconds))
    }

    #[test]
    fn a_slice_is_long_enough_for_what_it_takes_to_get_there() {
        for (catching_up_s, slice_s) in [
            (0.0, SLICE_MIN_S),
            (1.0, SLICE_MIN_S),
            (10.0, 40.0),
            (20.0, SLICE_MAX_S),
            (1000.0, 2000.0),
        ] {
            let mut run = Run::begin(Instant::now());
            run.attempt(5.0);
            run.started();
            used(&mut run, catching_up_s);
            run.advance(6.0);
            assert_eq!(run.is_useful(), catching_up_s == 0.0);
            assert!(!run.is_over());
            let left_s = slice_s - catching_up_s;
            assert_eq!(run.left(), Duration::from_secs_f64(left_s));
            used(&mut run, catching_up_s);
            assert!(run.is_useful());
            used(&mut run, (left_s - catching_up_s - 0.1).max(0.0));
            run.advance(20.0);
            assert!(!run.is_over() || catching_up_s > SLICE_MAX_S);
            used(&mut run, 0.2);
            assert!(run.is_over() && run.left() == Duration::ZERO);
            let (audio_s, engine_s) = run.result();
            assert!(audio_s == 15.0 && (slice_s..slice_s + 0.3).contains(&engine_s));
        }
    }

    #[test]
    fn an_engine_that_is_not_there_costs_little() {
        let mut run = Run::begin(Instant::now());
        run.attempt(0.0);
        assert_eq!(used(&mut run, 50.0), 50.0);
        assert_eq!(used(&mut run, 5000.0), START_COST_MAX_S - 50.0);
        run.started();
        assert_eq!(used(&mut run, 100.0), 100.0);
        run.advance(10.0);
        assert_eq!(run.result(), (10.0, 100.0), "loading is not transcribing");
        assert_eq!(run.begun_s(), START_COST_MAX_S);
        // It is lost, and starts over.
        run.attempt(10.0);
        assert_eq!(used(&mut run, 50.0), 0.0);
        run.started();
        used(&mut run, 5.0);
        run.advance(20.0);
        assert_eq!(run.result(), (10.0, 5.0));
        assert!(!run.is_over(), "the first attempt does not count");
    }
}
