//! Decoding to the end, and what must hold on the way.

use std::cell::Cell;
use std::fs::File;
use std::io::Write;

use nix::sys::memfd::{MFdFlags, memfd_create};
#[cfg(fuzzing)]
use nix::sys::resource::{Resource, getrlimit, setrlimit};

#[cfg(fuzzing)]
use crate::media::DECODER_BYTES;
use crate::media::{Limits, MediaError, Recording, SAMPLE_RATE, Source, ffmpeg};

/// Longer recordings are refused.
const MAX_DURATION_S: f64 = 60.0;

/// One packet at most, eight bits a sample at the lowest rate, and a second of
/// silence.
const SAMPLES_MAX: usize = (4 * 1024 * 1024) * 4 + SAMPLE_RATE as usize;

/// Steps for each byte of the file, and for none.
const STEPS_PER_BYTE: u64 = 64;
const STEPS_MIN: u64 = 20_000;

/// A file of these bytes.
pub fn source(input: &[u8]) -> Source {
    let mut file = File::from(memfd_create("recording", MFdFlags::MFD_CLOEXEC).unwrap());
    file.write_all(input).unwrap();
    Source::new(file, input.len() as u64)
}

/// Whatever opens is decoded to its end in so many steps as its size allows, and
/// gives as many samples as it says.
pub fn decode(input: &[u8], open: impl Fn(&Limits<'_>) -> Result<Recording, MediaError>) {
    #[cfg(fuzzing)]
    let _limit = MemoryLimit::set();
    ffmpeg::without(|| {
        let steps = Cell::new(0);
        let steps_max = STEPS_MIN + STEPS_PER_BYTE * input.len() as u64;
        let keep_going = || {
            steps.set(steps.get() + 1);
            assert!(steps.get() < steps_max, "no end after {steps_max} steps");
            true
        };
        let limits = Limits {
            max_duration_s: MAX_DURATION_S,
            keep_going: &keep_going,
        };
        if let Ok(recording) = open(&limits) {
            let _: Result<(), MediaError> = read(recording, &keep_going);
        }
    });
}

/// What a decoder may take, as in the engine, while this lives: an allocation
/// beyond it aborts, which libFuzzer reports with the input. Unit tests run side
/// by side in one process and count allocations instead.
#[cfg(fuzzing)]
struct MemoryLimit(u64, u64);

#[cfg(fuzzing)]
impl MemoryLimit {
    fn set() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmData:"));
        let kib = line.unwrap().trim().trim_end_matches(" kB");
        let now_bytes = kib.parse::<u64>().unwrap() * 1024;
        let (soft, hard) = getrlimit(Resource::RLIMIT_DATA).unwrap();
        let limit = (now_bytes + DECODER_BYTES).min(hard);
        setrlimit(Resource::RLIMIT_DATA, limit, hard).unwrap();
        Self(soft, hard)
    }
}

#[cfg(fuzzing)]
impl Drop for MemoryLimit {
    fn drop(&mut self) {
        setrlimit(Resource::RLIMIT_DATA, self.0, self.1).unwrap();
    }
}

fn read(mut recording: Recording, keep_going: &dyn Fn() -> bool) -> Result<(), MediaError> {
    let mut samples = Vec::new();
    let mut count = 0;
    loop {
        let more = recording.read(&mut samples)?;
        keep_going();
        assert!(
            samples.len() <= SAMPLES_MAX,
            "{} samples at once",
            samples.len()
        );
        assert!(samples.iter().all(|sample| sample.is_finite()));
        count += samples.len() as u64;
        samples.clear();
        if !more {
            break;
        }
    }
    let position = recording.position_s() * f64::from(SAMPLE_RATE);
    assert!(
        (position - count as f64).abs() < 1.5,
        "{count} samples, but at {position}"
    );
    let warning = recording.warning().unwrap_or_default();
    assert!(warning.len() < 4096, "{warning}");
    assert!((0.0..=1.0).contains(&recording.read_fraction()));
    Ok(())
}
