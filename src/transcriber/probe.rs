//! What would be made of a recording: decoded to its end, cut into windows, and
//! no model asked. For `scribed probe`.

use std::fs::File;
use std::io::{Write, stdin};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use scribed::protocol::Probe;

use crate::media::{Limits, MediaError, Recording, Source};
use crate::speech::{self, Cutter};

/// Stretches whose loudest is reported.
const LOUDNESS_SAMPLES: usize = speech::SAMPLE_RATE * 32 / 1000;

/// Describes the file on standard input as JSON on standard output; if it is no
/// recording, one line on standard error says why.
pub fn run(extension: Option<&str>, max_duration_s: u64) -> ExitCode {
    let findings = recording().and_then(|recording| {
        // As in a job: a decoder's panic is the file's end.
        catch_unwind(AssertUnwindSafe(|| {
            probe(recording, extension, max_duration_s)
        }))
        .unwrap_or(Err(MediaError::Panicked))
    });
    let written = findings
        .map_err(|error| error.to_string())
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

fn recording() -> Result<File, MediaError> {
    Ok(stdin().as_fd().try_clone_to_owned()?.into())
}

fn probe(
    recording: File,
    extension: Option<&str>,
    max_duration_s: u64,
) -> Result<Probe, MediaError> {
    let size_bytes = recording.metadata()?.len();
    let limits = Limits {
        max_duration_s: max_duration_s as f64,
        keep_going: &|| true,
    };
    let source = Source::new(recording, size_bytes);
    let mut recording = Recording::open(source, extension, &limits)?;
    let mut cutter = Cutter::default();
    let (mut heard_samples, mut loudest) = (0, 0.0_f32);
    let mut hear = |cutter: &mut Cutter| {
        while let Some(window) = cutter.next_window() {
            if window.audible {
                heard_samples += window.samples.len();
            }
        }
    };
    let mut samples = Vec::new();
    while recording.read(&mut samples)? {
        for stretch in samples.chunks(LOUDNESS_SAMPLES) {
            let sum: f32 = stretch.iter().map(|sample| sample * sample).sum();
            loudest = loudest.max(sum / stretch.len() as f32);
        }
        cutter.push(&samples);
        samples.clear();
        hear(&mut cutter);
    }
    cutter.push(&samples);
    cutter.finish();
    hear(&mut cutter);
    let mut audio = recording.audio();
    audio.duration = Some(cutter.pushed_s());
    Ok(Probe {
        audio,
        heard_s: heard_samples as f64 / speech::SAMPLE_RATE as f64,
        loudest_db: (loudest > 0.0).then(|| 10.0 * f64::from(loudest.log10())),
        warning: recording.warning(),
    })
}
