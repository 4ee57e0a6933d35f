//! Hostile files: small ones that claim much. Each must end after a bounded
//! number of steps and in bounded memory, either refused with an error or decoded
//! as far as possible.

mod caf;
mod ebml;
mod extremes;
mod mp4;
mod ogg;
mod riff;
mod silence;
mod streams;

use std::cell::Cell;
use std::time::Duration;

use super::{Limits, MediaError, Recording, SAMPLE_RATE, Source, ffmpeg};
use crate::testing::{self, memory};

/// Two packets of the largest size fit, without the decoders' state.
const MEMORY_MAX_BYTES: usize = 64 * 1024 * 1024;

/// A safety margin, in CPU time, since other processes run as well.
const TIME_MAX: Duration = Duration::from_secs(60);

/// Most steps for a byte of the file.
const STEPS_PER_BYTE: u64 = 2;
const STEPS_MIN: u64 = 200_000;

/// The default of the configuration.
const MAX_DURATION_S: f64 = 86_400.0;

/// The expected result.
#[derive(Debug, Clone, Copy)]
enum Outcome {
    /// Refused with an error that contains this.
    Refused(&'static str),
    /// Decoded to at most this many seconds, with or without a warning.
    DecodedUpTo(f64),
    /// Either.
    Anything,
}

use Outcome::{Anything, DecodedUpTo, Refused};

/// Seconds and warning, or the error, of the built-in readers for `content`.
fn outcome(content: &[u8]) -> Result<(f64, Option<String>), MediaError> {
    let steps = Cell::new(0_u64);
    let steps_max = STEPS_MIN + STEPS_PER_BYTE * content.len() as u64;
    let keep_going = || {
        steps.set(steps.get() + 1);
        assert!(steps.get() <= steps_max, "no end after {steps_max} steps");
        true
    };
    let limits = Limits {
        max_duration_s: MAX_DURATION_S,
        keep_going: &keep_going,
    };
    let source = Source::new(testing::file(content), content.len() as u64);
    let mut recording = Recording::open(source, None, &limits)?;
    assert!(
        recording.audio().codec.len() < 200,
        "{}",
        recording.audio().codec
    );
    let mut samples = Vec::new();
    let mut count = 0;
    loop {
        let more = recording.read(&mut samples)?;
        // Silence is generated, not read: a second per step.
        if samples.len() < SAMPLE_RATE as usize {
            keep_going();
        }
        count += samples.len();
        samples.clear();
        if !more {
            break;
        }
    }
    Ok((count as f64 / f64::from(SAMPLE_RATE), recording.warning()))
}

/// Checks one file; prints its cost.
fn check(name: &str, content: &[u8], expected: Outcome) {
    let begun = testing::cpu_time();
    let (outcome, peak_bytes) = memory::peak_of(|| ffmpeg::without(|| outcome(content)));
    let time = testing::cpu_time() - begun;
    println!(
        "{name}: {} bytes, {} KiB, {} ms: {outcome:?}",
        content.len(),
        peak_bytes / 1024,
        time.as_millis()
    );
    assert!(
        peak_bytes <= MEMORY_MAX_BYTES,
        "{name} took {peak_bytes} bytes"
    );
    assert!(time < TIME_MAX, "{name} took {time:?}");
    let words = match &outcome {
        Err(error) => error.to_string(),
        Ok((_, warning)) => warning.clone().unwrap_or_default(),
    };
    assert!(words.len() < 2048, "{name}: {} bytes of words", words.len());
    match (expected, &outcome) {
        (Refused(reason), Err(error)) => {
            assert!(error.to_string().contains(reason), "{name}: {error}");
        }
        (DecodedUpTo(most_s), Ok((duration_s, _))) => {
            assert!(*duration_s <= most_s, "{name}: {duration_s} s");
        }
        (Anything, _) => {}
        _ => panic!("{name}: {expected:?} was expected, not {outcome:?}"),
    }
}

/// The folder of shared test recordings, if it exists.
fn shared() -> Option<std::path::PathBuf> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/speech/hostile");
    folder.is_dir().then_some(folder)
}

#[test]
fn files_that_once_took_all_memory() {
    let Some(folder) = shared() else {
        return;
    };
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let content = std::fs::read(&path).unwrap();
        check(&path.display().to_string(), &content, Anything);
    }
}
