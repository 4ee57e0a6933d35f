//! Compares decoded recordings with ffmpeg's output.
//!
//! ffmpeg is the reference for content, times and length. A row states where
//! ffmpeg itself is wrong or where two results are right; see
//! [`expected::Expected`].
//!
//! `cargo test --bin scribed-transcriber media::oracle` runs all of it, in a few
//! minutes; with `media::oracle::matrix` or `media::oracle::recordings` a part,
//! and with `ORACLE=mkv` only rows that have `mkv` in their names. With
//! `ORACLE_KEEP=1` the files that were made stay where the output says.

mod compare;
mod damage;
mod expected;
mod families;
mod joined;
mod kit;
mod made;
mod matrix;
mod mp4;
mod recordings;
mod reference;
mod report;
mod signal;
mod times;
mod tracks;

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Limits, MediaError, Recording, SAMPLE_RATE, Source};

/// Decoding that takes longer is considered hung.
const DECODE_MAX: Duration = Duration::from_secs(120);

/// No recording here is longer.
const LENGTH_MAX_S: usize = 1200;

/// Decoded output of a recording.
struct Actual {
    samples: Vec<f32>,
    warnings: Vec<String>,
}

/// Decodes a recording like the program.
fn actual(path: &Path) -> Result<Actual, MediaError> {
    catch_unwind(AssertUnwindSafe(|| decoded(path))).unwrap_or(Err(MediaError::Panicked))
}

fn decoded(path: &Path) -> Result<Actual, MediaError> {
    let file = File::open(path)?;
    let size_bytes = file.metadata()?.len();
    let extension = path.extension().and_then(|extension| extension.to_str());
    let limits = Limits {
        max_duration_s: LENGTH_MAX_S as f64,
        keep_going: &|| true,
    };
    let mut recording = Recording::open(Source::new(file, size_bytes), extension, &limits)?;
    let mut samples = Vec::new();
    let begun = Instant::now();
    while recording.read(&mut samples)? {
        assert!(begun.elapsed() < DECODE_MAX, "decoding does not end");
    }
    let warnings = recording.warning().into_iter().collect();
    Ok(Actual { samples, warnings })
}
