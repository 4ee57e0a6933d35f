//! Tests with the installed ffmpeg, and with fake programs in its place.

mod confinement;
mod failures;
mod formats;

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use nix::sys::signal::{Signal, kill};

use super::super::{Track, program};
use super::*;
use crate::testing::{self, PHRASE};

const OPTIONS: Options = Options {
    demuxer: None,
    track: 0,
    length_max_s: 100_000,
};
/// Upper bound of deviations in length: frames are up to 64 ms long, and encoders
/// add up to two of them.
const TOLERANCE_S: f64 = 0.2;

static SPOKEN: LazyLock<File> = LazyLock::new(|| testing::spoken(PHRASE));

struct Transcoded {
    samples: Vec<f32>,
    channels: usize,
    mask: u32,
    input: Option<Input>,
    trouble: DecodeReport,
}

impl Transcoded {
    fn length_s(&self) -> f64 {
        (self.samples.len() / self.channels) as f64 / f64::from(SAMPLE_RATE)
    }

    /// Number of audible tenths of a second in the first channel, by whole
    /// seconds.
    fn loud(&self) -> Vec<usize> {
        let mono: Vec<f32> = self
            .samples
            .iter()
            .step_by(self.channels)
            .copied()
            .collect();
        let tenths = mono.chunks(SAMPLE_RATE as usize / 10);
        let tenths: Vec<bool> = tenths
            .map(|tenth| tenth.iter().any(|sample| sample.abs() > 0.01))
            .collect();
        let seconds = tenths.chunks(10);
        seconds
            .map(|second| second.iter().filter(|loud| **loud).count())
            .collect()
    }
}

fn source(file: &File) -> Source {
    Source::new(file.try_clone().unwrap(), file.metadata().unwrap().len())
}

fn real() -> PathBuf {
    program().expect("ffmpeg is needed for this test")
}

fn run(mut transcoder: Transcoder) -> Result<Transcoded, MediaError> {
    let mut samples = Vec::new();
    loop {
        match transcoder.step(&mut samples) {
            Step::End => break,
            Step::Opened => assert!(samples.is_empty() && transcoder.channels() > 0),
            Step::Waiting | Step::Samples => {}
        }
    }
    let (channels, mask) = (transcoder.channels(), transcoder.channel_mask());
    let input = transcoder.input();
    Ok(Transcoded {
        samples,
        channels: usize::from(channels),
        mask,
        input,
        trouble: transcoder.finish()?,
    })
}

fn transcode(file: &File) -> Result<Transcoded, MediaError> {
    run(Transcoder::start(&real(), &source(file), OPTIONS)?)
}

/// A file made by the installed ffmpeg.
fn made(arguments: &str, name: &str) -> File {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let status = Command::new(real())
        .args(["-v", "error"])
        .args(arguments.split_whitespace())
        .arg(&path)
        .stdin(Stdio::null())
        .status();
    assert!(status.unwrap().success(), "{arguments}");
    File::open(path).unwrap()
}

fn spoken(arguments: &str) -> File {
    let arguments: Vec<_> = arguments.split_whitespace().collect();
    testing::converted(&SPOKEN, &arguments)
}

const TONE: &str = "-f lavfi -i sine=r=48000:duration";

/// A folder with a bash script of these lines.
fn fake_program(lines: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ffmpeg");
    let mut file = File::create(&path).unwrap();
    writeln!(file, "#!/bin/bash\n{lines}").unwrap();
    file.set_permissions(Permissions::from_mode(0o755)).unwrap();
    (folder, path)
}

fn start_fake(path: &Path, cpu_s: u64) -> Result<Transcoder, MediaError> {
    let mut confinement = Confinement::new(path, cpu_s);
    confinement.allow(Path::new("/usr/bin"));
    let file = testing::file(b"#!AMR\n");
    Transcoder::start_confined(path, &source(&file), OPTIONS, &confinement)
}
