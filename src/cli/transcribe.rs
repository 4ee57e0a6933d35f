//! `scribed transcribe`: runs the engine without the daemon.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::engine::engine_source;
use super::recording_file::RecordingFile;
use super::terminal::{Failure, bar, print};
use crate::config::{Config, Flags};
use crate::engine_client::{self, EngineSource, JobEvent, JobRequest};
use crate::options::{Options, Task};
use crate::piecewise::Piecewise;
use crate::protocol::Job;
use crate::render::{Format, Transcript, render};
use crate::{languages, models};

#[derive(Debug, Args)]
pub(super) struct Transcribe {
    /// The recording; - for standard input
    file: PathBuf,
    /// txt, srt, vtt, json or tsv
    #[arg(long, default_value = "txt")]
    format: Format,
    /// Language code, or auto to detect the language
    #[arg(long, value_name = "L")]
    language: Option<String>,
    /// Model to use [default: as configured, else the largest one installed]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Translate into English
    #[arg(long)]
    translate: bool,
    /// Configuration file [default: /etc/scribed/scribed.toml if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory of models (ggml-NAME.bin) [default: /var/lib/scribed-models]
    #[arg(long, value_name = "DIR")]
    models_dir: Option<PathBuf>,
    /// Engine program [default: scribed-transcriber beside this program]
    #[arg(long, value_name = "PATH")]
    engine: Option<PathBuf>,
}

impl Transcribe {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let flags = Flags {
            models_dir: self.models_dir,
            model: self.model,
            ..Flags::default()
        };
        let config = Config::load(self.config.as_deref(), &flags)?;
        let recording = RecordingFile::open(&self.file)?;
        let language = match &self.language {
            Some(language) => languages::parse(language)?,
            None => config.transcribe.language.clone(),
        };
        let job = Job {
            id: 0,
            size_bytes: recording.file.metadata()?.len(),
            extension: recording.extension,
            model: None,
            language,
            options: Options {
                task: self.translate.then_some(Task::Translate),
                ..Options::default()
            },
            max_duration_s: config.transcribe.max_duration.as_secs(),
            reached: None,
        };
        let recording = recording.file;
        let request = JobRequest { recording, job };
        let source = engine_source(self.engine, &config)?;
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(transcribe(source, request, self.format))?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn transcribe(
    source: EngineSource,
    request: JobRequest,
    format: Format,
) -> Result<(), Failure> {
    let task = request.job.options.task.unwrap_or(Task::Transcribe);
    let (engine, job_receiver) = engine_client::engine();
    let mut events = engine.submit(request).await;
    let supervised = engine_client::supervise(source, job_receiver);
    let bar = bar(1000, "transcribing {bar:40} {percent:>3} %  {elapsed}");
    let collect = async {
        let mut segments = Vec::new();
        loop {
            match events.recv().await {
                Some(JobEvent::Started(media)) if media.model == models::DEMO => {
                    bar.suspend(|| {
                        eprintln!("scribed: using the demo model: {}", models::DEMO_NOTICE)
                    });
                }
                Some(JobEvent::Started(_)) => {}
                Some(JobEvent::Progress { fraction, .. }) => {
                    bar.set_position((fraction * 1000.0) as u64);
                }
                Some(JobEvent::Segment(segment)) => segments.push(segment),
                Some(JobEvent::Done(outcome)) => return Ok((outcome, segments)),
                Some(JobEvent::Failed { reason, .. }) => return Err(reason),
                Some(JobEvent::EngineLost(reason)) => {
                    return Err(format!("the transcription engine was lost: {reason}"));
                }
                None => return Err("the transcription engine was lost".into()),
            }
        }
    };
    let collected = tokio::select! {
        collected = collect => collected,
        () = supervised => Err("the transcription engine was lost".into()),
    };
    bar.finish_and_clear();
    let (outcome, segments) = collected?;
    let transcript = Transcript {
        language: Some(outcome.language),
        task,
        duration_s: outcome.audio_duration_s,
        temperature: 0.0,
        read: Transcript::reading(segments),
    };
    let mut rest = Some(render(format, &transcript));
    while let Some(document) = rest {
        let piece;
        (piece, rest) = document.split()?;
        print(&piece)?;
    }
    Ok(())
}
