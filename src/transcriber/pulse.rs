//! What long work does once in a while: show that it is alive, and look whether
//! it must stop.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_secs(1);

/// Asked often from inside the work itself (the decoder's loop, whisper's
/// callbacks), so that there is a sign of life if and only if work goes on:
/// no timer beats for a computation that hangs.
pub struct Pulse<'a> {
    stop: &'a AtomicBool,
    beat: &'a (dyn Fn() + Sync),
    last_beat: Mutex<Instant>,
}

impl<'a> Pulse<'a> {
    /// `stop` is set when the work must end; `beat` is called about once a second.
    pub fn new(stop: &'a AtomicBool, beat: &'a (dyn Fn() + Sync)) -> Self {
        Self {
            stop,
            beat,
            last_beat: Mutex::new(Instant::now()),
        }
    }

    /// The work was asked to stop.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Beats if it is time to; false once the work must stop.
    pub fn keep_going(&self) -> bool {
        // A thread that finds the lock taken leaves the beat to its holder.
        if let Ok(mut last_beat) = self.last_beat.try_lock()
            && last_beat.elapsed() >= INTERVAL
        {
            *last_beat = Instant::now();
            (self.beat)();
        }
        !self.stopped()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn beats_are_rare_and_stop_is_seen_at_once() {
        let stop = AtomicBool::new(false);
        let beats = AtomicUsize::new(0);
        let beat = || {
            beats.fetch_add(1, Ordering::Relaxed);
        };
        let pulse = Pulse::new(&stop, &beat);
        *pulse.last_beat.lock().unwrap() = Instant::now() - INTERVAL;
        assert!(pulse.keep_going());
        assert!(pulse.keep_going());
        assert_eq!(beats.load(Ordering::Relaxed), 1);
        stop.store(true, Ordering::Relaxed);
        assert!(!pulse.keep_going());
    }
}
