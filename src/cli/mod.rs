//! The command line of `scribed`. Every subcommand has a file of its own.

mod send;
mod serve;
mod sweep;
mod transcribe;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
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
        Command::Send(send) => send.run(),
    };
    done.unwrap_or_else(|error| {
        eprintln!("scribed: {error}");
        ExitCode::FAILURE
    })
}

/// Log lines to standard error; the journal has times of its own.
fn log() {
    let lines = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .with_max_level(tracing::Level::INFO);
    match std::env::var_os("JOURNAL_STREAM") {
        Some(_) => lines.without_time().init(),
        None => lines.init(),
    }
}

/// A progress bar on standard error; nothing where that is no terminal. The
/// template is ours and known to be right.
fn bar(length: u64, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template);
    ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr())
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// The engine program: the one named, else the one beside this program.
fn engine_program(named: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let program = match named {
        Some(program) => program,
        None => std::env::current_exe()?.with_file_name("scribed-transcriber"),
    };
    if !program.is_file() {
        return Err(format!(
            "there is no engine at {}; install it beside scribed or name it with --engine",
            program.display()
        )
        .into());
    }
    Ok(program)
}
