//! `scribed send`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use indicatif::ProgressBar;

use super::terminal::{Failure, bar, print};
use crate::client::{self, Event, FileToSend, Server};
use crate::languages;
use crate::render::Format;

/// How often the progress of a task is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Failed polls in a row before giving up.
const MAX_POLL_FAILURES: u32 = 60;

#[derive(Debug, Args)]
pub(super) struct Send {
    /// The recording
    file: PathBuf,
    /// The daemon's address
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
    to: String,
    /// File that contains the access token [default: the variable SCRIBED_TOKEN]
    #[arg(long, value_name = "F")]
    token_file: Option<PathBuf>,
    /// Language code, or auto to detect the language
    #[arg(long, value_name = "L", default_value = languages::DETECT)]
    language: String,
    /// Wait for the transcript and print it
    #[arg(long)]
    wait: bool,
    /// With --wait: txt, srt, vtt, json or tsv
    #[arg(long, value_name = "F", default_value = "txt")]
    format: Format,
    /// Send at most SIZE (for example 500KiB) per second
    #[arg(long, value_name = "SIZE")]
    limit_rate: Option<bytesize::ByteSize>,
}

impl Send {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let server = Server::parse(&self.to)?.with_token(token(self.token_file.as_deref())?)?;
        let recording = FileToSend {
            path: self.file.clone(),
            language: languages::parse(&self.language)?,
            rate_limit: self.limit_rate.map(|size| size.as_u64().max(1)),
        };
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(self.send(server, recording))
    }

    async fn send(self, server: Server, recording: FileToSend) -> Result<ExitCode, Failure> {
        let length = std::fs::metadata(&recording.path).map_or(0, |metadata| metadata.len());
        let upload_bar = bar(
            length,
            "uploading {bar:40} {bytes}/{total_bytes}  {bytes_per_sec}",
        );
        let sent = client::send(&server, &recording, {
            let bar = upload_bar.clone();
            move |event| show(&bar, event)
        });
        let sent = sent.await?;
        upload_bar.finish_and_clear();
        if !self.wait {
            print(&format!("task {} {server}/task/{}\n", sent.task, sent.task))?;
            sent.forget();
            return Ok(ExitCode::SUCCESS);
        }
        eprintln!("task {} {server}/task/{}", sent.task, sent.task);
        let outcome = wait(&server, &sent.task).await?;
        if let Some(error) = outcome {
            sent.forget();
            return Err(error.into());
        }
        let transcript = client::transcript(&server, &sent.task, self.format.name()).await?;
        print(&transcript)?;
        sent.forget();
        Ok(ExitCode::SUCCESS)
    }
}

/// Reads the access token from the file, else from the environment.
fn token(file: Option<&Path>) -> Result<Option<String>, Failure> {
    let text = match file {
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| format!("cannot read {}: {error}", file.display()))?,
        None => std::env::var("SCRIBED_TOKEN").unwrap_or_default(),
    };
    let token = text.trim().to_owned();
    Ok((!token.is_empty()).then_some(token))
}

fn show(bar: &ProgressBar, event: Event<'_>) {
    match event {
        Event::Position(position) => bar.set_position(position),
        Event::Resumed(position) => {
            bar.suspend(|| eprintln!("resuming at byte {position}"));
            bar.set_position(position);
            bar.reset_eta();
        }
        Event::Retrying(error) => bar.suspend(|| eprintln!("{error}; trying again")),
    }
}

/// Waits until a task ends; returns its error if it failed.
async fn wait(server: &Server, task: &str) -> Result<Option<String>, Failure> {
    let bar = bar(100, "{msg} {bar:40} {percent:>3} %");
    let mut failures = 0;
    let error = loop {
        match client::progress(server, task).await {
            Ok(progress) => {
                failures = 0;
                bar.set_position(progress.percentage as u64);
                bar.set_message(progress.message);
                match progress.status.as_str() {
                    "completed" => break None,
                    "failed" => {
                        break Some(progress.error.unwrap_or_else(|| "the task failed".into()));
                    }
                    _ => {}
                }
            }
            // The daemon may be restarting; tasks survive a restart.
            Err(client::ServerError::Connection(_)) if failures < MAX_POLL_FAILURES => {
                failures += 1
            }
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    };
    bar.finish_and_clear();
    Ok(error)
}
