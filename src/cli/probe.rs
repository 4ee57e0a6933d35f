//! `scribed probe`: shows what the engine detects in a file, without a model.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use clap::Args;

use super::engine::engine_program;
use super::recording_file::RecordingFile;
use super::terminal::{Failure, print};
use crate::config::{Config, Flags};
use crate::protocol::Probe as Findings;

#[derive(Debug, Args)]
pub(super) struct Probe {
    /// The recording; - for standard input
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Configuration file [default: /etc/scribed/scribed.toml if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Engine program [default: scribed-transcriber beside this program]
    #[arg(long, value_name = "PATH")]
    engine: Option<PathBuf>,
}

impl Probe {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let config = Config::load(self.config.as_deref(), &Flags::default())?;
        let recording = RecordingFile::open(&self.file)?;
        let program = engine_program(self.engine)?;
        let mut command = Command::new(&program);
        command
            .arg("--probe")
            .args([
                "--max-duration-s",
                &config.transcribe.max_duration.as_secs().to_string(),
            ])
            .stdin(recording.file)
            .stderr(Stdio::inherit());
        if let Some(extension) = &recording.extension {
            command.args(["--extension", extension]);
        }
        let output = command
            .output()
            .map_err(|error| format!("cannot run {}: {error}", program.display()))?;
        if !output.status.success() {
            // The engine has printed the error.
            return Ok(ExitCode::FAILURE);
        }
        if self.json {
            print(&output.stdout)?;
        } else {
            print(&describe(&serde_json::from_slice(&output.stdout)?))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Formats the findings, one per line.
fn describe(findings: &Findings) -> String {
    let audio = &findings.audio;
    let unknown = || "unknown".to_owned();
    let lines = [
        ("container", audio.container.clone()),
        ("codec", audio.codec.clone()),
        (
            "channels",
            audio
                .channels
                .map_or_else(unknown, |count| count.to_string()),
        ),
        (
            "sample rate",
            audio
                .sample_rate
                .map_or_else(unknown, |rate| format!("{rate} Hz")),
        ),
        (
            "audio track",
            format!("{} of {}", audio.track, audio.tracks),
        ),
        ("decoder", audio.decoder.clone()),
        ("length", format!("{:.2} s", audio.duration.unwrap_or(0.0))),
        (
            "for the model",
            format!("{:.2} s (the rest is silence)", findings.heard_s),
        ),
        (
            "loudest",
            findings.loudest_db.map_or_else(
                || "digital silence".to_owned(),
                |level| format!("{level:.0} dB of full scale"),
            ),
        ),
        (
            "warning",
            findings
                .warning
                .clone()
                .unwrap_or_else(|| "none".to_owned()),
        ),
    ];
    let mut text = String::new();
    for (name, value) in lines {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:<14}{value}");
    }
    text
}
