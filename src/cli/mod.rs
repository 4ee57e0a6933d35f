//! The command line of `scribed`. Every subcommand has a file of its own.

mod check;
mod probe;
mod recording_file;
mod send;
mod serve;
mod sweep;
mod tokens;
mod transcribe;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::Config;
use crate::engine_client::{EngineCommand, EngineSource};
use crate::systemd::Journal;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Takes recordings from the local network and gives back text.
///
/// Exit status: 0 done, 1 failed (one line on standard error says why), 2
/// wrong usage.
#[derive(Debug, Parser)]
#[command(name = "scribed", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon
    Serve(serve::Serve),
    /// Remove expired uploads and what crashes left behind, once
    Sweep(sweep::Sweep),
    /// Transcribe one file on this machine, without a daemon
    Transcribe(transcribe::Transcribe),
    /// Show what the engine makes of a file: container, codec, length, what it would hear
    Probe(probe::Probe),
    /// Tell in plain words what is missing for the daemon to serve
    Check(check::Check),
    /// Manage access tokens
    Tokens(tokens::TokensCommand),
    /// Upload a file to a daemon; resumes by itself, also in a later run
    Send(send::Send),
}

/// What goes wrong in a subcommand: one line for people.
type Failure = Box<dyn std::error::Error>;

/// Runs what was asked for.
pub fn run(cli: Cli) -> ExitCode {
    let done = match cli.command {
        Command::Serve(serve) => serve.run(),
        Command::Sweep(sweep) => sweep.run(),
        Command::Transcribe(transcribe) => transcribe.run(),
        Command::Probe(probe) => probe.run(),
        Command::Check(check) => check.run(),
        Command::Tokens(tokens) => tokens.run(),
        Command::Send(send) => send.run(),
    };
    done.unwrap_or_else(|error| {
        eprintln!("scribed: {error}");
        ExitCode::FAILURE
    })
}

/// Log lines: to the journal with their fields where that is our standard
/// error, else to standard error.
fn log() {
    let level = LevelFilter::INFO;
    let journal = Journal::connected("scribed");
    let lines = journal.is_none().then(|| {
        tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(false)
            .with_target(false)
    });
    tracing_subscriber::registry()
        .with(level)
        .with(journal)
        .with(lines)
        .init();
}

/// Writes to standard output; whoever reads it may have seen enough.
fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// A progress bar on standard error; nothing where that is no terminal. The
/// template is ours and known to be right.
fn bar(length: u64, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template);
    ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr())
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Where packages put the engine.
const PACKAGED_ENGINE: &str = "/usr/lib/scribed/scribed-transcriber";

/// Where the packaged service of the engine listens.
const SERVICE_SOCKET: &str = "/run/scribed-transcriber/socket";

/// The engine's program: the one that was named, else the one beside this
/// program, else the packaged one. It may not be there.
fn engine_program(named: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let beside = std::env::current_exe()?.with_file_name("scribed-transcriber");
    Ok(named.unwrap_or_else(|| match beside.is_file() {
        true => beside,
        false => PACKAGED_ENGINE.into(),
    }))
}

/// The engine: its program as for [`engine_program`], or the socket of a
/// service that was named.
fn engine_source(named: Option<PathBuf>, config: &Config) -> Result<EngineSource, Failure> {
    use std::os::unix::fs::FileTypeExt;
    let program = engine_program(named)?;
    match std::fs::metadata(&program) {
        Ok(metadata) if metadata.file_type().is_socket() => Ok(EngineSource::Service(program)),
        Ok(metadata) if metadata.is_file() => Ok(EngineSource::Child(EngineCommand {
            program,
            models_dir: config.models_dir.clone(),
            model: config.transcribe.model.clone(),
            threads: config.transcribe.threads,
        })),
        _ => Err(format!(
            "there is no engine at {}; install scribed-transcriber beside scribed or name it with --engine",
            program.display()
        )
        .into()),
    }
}
