//! What would be made of a recording: decoded to its end as in a job, cut into
//! windows, and no model asked. For `scribed probe`.

use std::fs::File;
use std::io::{Write, stdin};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::sync_channel;
use std::thread;

use scribed::protocol::{AudioInfo, Probe};

use crate::decode::{DecodeError, Decoded, decode};
use crate::pulse::Pulse;
use crate::speech::{self, Cutter};

/// Stretches of audio between the decoder and this.
const STRETCHES_AHEAD: usize = 4;

/// Stretches whose loudest is reported.
const LOUDNESS_SAMPLES: usize = speech::SAMPLE_RATE * 32 / 1000;

/// Describes the file on standard input as JSON on standard output; if it is no
/// recording, one line on standard error says why.
pub fn run(extension: Option<&str>, max_duration_s: u64) -> ExitCode {
    let written = recording()
        .map_err(|error| format!("the file could not be read: {error}"))
        .and_then(|(recording, size_bytes)| {
            probe(&recording, size_bytes, extension, max_duration_s)
                .map_err(|error| error.to_string())
        })
        .and_then(|findings| {
            let mut json =
                serde_json::to_vec_pretty(&findings).map_err(|error| error.to_string())?;
            json.push(b'\n');
            std::io::stdout()
                .write_all(&json)
                .map_err(|error| error.to_string())
        });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("scribed: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn recording() -> std::io::Result<(File, u64)> {
    let recording = File::from(stdin().as_fd().try_clone_to_owned()?);
    let size_bytes = recording.metadata()?.len();
    Ok((recording, size_bytes))
}

fn probe(
    recording: &File,
    size_bytes: u64,
    extension: Option<&str>,
    max_duration_s: u64,
) -> Result<Probe, DecodeError> {
    let stop = AtomicBool::new(false);
    let pulse = Pulse::new(&stop, &|| ());
    let (sender, receiver) = sync_channel(STRETCHES_AHEAD);
    thread::scope(|scope| {
        scope.spawn(|| {
            // The receiver goes only after the last message.
            let sender = sender;
            decode(
                recording,
                size_bytes,
                extension,
                max_duration_s,
                &sender,
                &pulse,
            );
        });
        let mut findings = Findings::default();
        for decoded in receiver {
            match decoded? {
                Decoded::Opened(audio) => findings.audio = audio,
                Decoded::Stretch { samples, .. } => findings.hear(&samples),
                Decoded::Lacking(lacking) => findings.warning = Some(lacking),
            }
        }
        Ok(findings.end())
    })
}

#[derive(Default)]
struct Findings {
    audio: AudioInfo,
    cutter: Cutter,
    heard_samples: usize,
    loudest: f32,
    warning: Option<String>,
}

impl Findings {
    fn hear(&mut self, samples: &[f32]) {
        for stretch in samples.chunks(LOUDNESS_SAMPLES) {
            let sum: f32 = stretch.iter().map(|sample| sample * sample).sum();
            self.loudest = self.loudest.max(sum / stretch.len() as f32);
        }
        self.cutter.push(samples);
        self.take_windows();
    }

    fn take_windows(&mut self) {
        while let Some(window) = self.cutter.next_window() {
            if window.audible {
                self.heard_samples += window.samples.len();
            }
        }
    }

    fn end(mut self) -> Probe {
        self.cutter.finish();
        self.take_windows();
        let mut audio = self.audio;
        audio.duration = Some(self.cutter.pushed_s());
        Probe {
            audio,
            heard_s: self.heard_samples as f64 / speech::SAMPLE_RATE as f64,
            loudest_db: (self.loudest > 0.0).then(|| 10.0 * f64::from(self.loudest.log10())),
            warning: self.warning,
        }
    }
}
