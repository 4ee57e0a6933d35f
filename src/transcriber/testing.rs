//! What tests of this program share: speech out of a synthesiser, files, a model.

pub mod memory;

use std::fs::File;
use std::io::{Seek, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use scribed::models::DEMO;
use scribed::protocol::Job;

use crate::media::{Limits, Recording, Source};
use crate::resident::Resident;

/// No test has more sound.
pub const MAX_DURATION_S: u64 = 3600;

/// In the words of the built-in model.
pub const PHRASE: &str = "hello world please open door";

/// The built-in model, nothing installed. One thread: tests run side by side, and
/// ggml's threads wait for each other in busy loops.
pub fn resident() -> Resident {
    resident_with(1)
}

/// The same for so many jobs at a time.
pub fn resident_with(slots: usize) -> Resident {
    whisper_rs::install_logging_hooks();
    Resident::new(PathBuf::from("/nonexistent"), DEMO.to_owned(), 1, slots)
}

/// What the processor did for this thread.
pub fn cpu_time() -> Duration {
    let used = getrusage(UsageWho::RUSAGE_THREAD).unwrap().user_time();
    Duration::from_micros(used.num_microseconds() as u64)
}

/// A job for the whole of `recording`.
pub fn job(id: u64, recording: &File) -> Job {
    Job {
        id,
        size_bytes: recording.metadata().unwrap().len(),
        extension: None,
        model: None,
        language: None,
        options: scribed::options::Options::default(),
        max_duration_s: MAX_DURATION_S,
        reached: None,
    }
}

/// A file that is open and has no name.
pub fn file(content: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    file.rewind().unwrap();
    file
}

/// All of a file.
pub fn bytes(file: &File) -> Vec<u8> {
    let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// A wav file of a synthesised voice (not one that the model was trained with).
pub fn spoken(text: &str) -> File {
    output(
        Command::new("espeak-ng").args(["-v", "en-us+m3", "--stdout", text]),
        Stdio::null(),
    )
}

/// `recording` through ffmpeg, which gets `arguments` for its output.
pub fn converted(recording: &File, arguments: &[&str]) -> File {
    let mut input = recording.try_clone().unwrap();
    input.rewind().unwrap();
    let mut command = Command::new("ffmpeg");
    // Output to a pipe cannot be rewound, so headers would lack their lengths.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("converted");
    command
        .args(["-v", "error", "-i", "pipe:0"])
        .args(arguments)
        .arg(&path);
    output(&mut command, input.into());
    File::open(path).unwrap()
}

fn output(command: &mut Command, input: Stdio) -> File {
    let output = command
        .stdin(input)
        .output()
        .expect("espeak-ng and ffmpeg are needed for this test");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    file(&output.stdout)
}

/// The samples of a recording.
pub fn decoded(recording: &File) -> Vec<f32> {
    let size_bytes = recording.metadata().unwrap().len();
    let limits = Limits {
        max_duration_s: MAX_DURATION_S as f64,
        keep_going: &|| true,
    };
    let source = Source::new(recording.try_clone().unwrap(), size_bytes);
    let mut recording = Recording::open(source, None, &limits).unwrap();
    let mut samples = Vec::new();
    while recording.read(&mut samples).unwrap() {}
    samples
}

/// A wav file of these samples, 16 kHz.
pub fn wav(samples: &[f32]) -> File {
    let data_bytes = samples.len() as u32 * 4;
    let mut content = Vec::with_capacity(44 + samples.len() * 4);
    content.extend_from_slice(b"RIFF");
    content.extend_from_slice(&(36 + data_bytes).to_le_bytes());
    content.extend_from_slice(b"WAVEfmt \x10\0\0\0\x03\0\x01\0");
    content.extend_from_slice(&16_000_u32.to_le_bytes());
    content.extend_from_slice(&64_000_u32.to_le_bytes());
    content.extend_from_slice(b"\x04\0\x20\0data");
    content.extend_from_slice(&data_bytes.to_le_bytes());
    content.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    file(&content)
}

/// White noise.
pub fn noise(samples: usize, amplitude: f32) -> Vec<f32> {
    let mut seed: u32 = 1;
    (0..samples)
        .map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((seed >> 16) as f32 / 32_768.0 - 1.0) * amplitude
        })
        .collect()
}
