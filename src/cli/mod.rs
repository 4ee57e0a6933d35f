//! The command line of `scribed`, with one module per subcommand.

mod check;
mod engine;
mod probe;
mod recording_file;
mod send;
mod serve;
mod sweep;
mod terminal;
mod tokens;
mod transcribe;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Transcribes recordings uploaded over the local network.
///
/// Exit status: 0 success, 1 failure (one line on standard error says why), 2
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
    /// Remove expired uploads and leftovers of crashes, once
    Sweep(sweep::Sweep),
    /// Transcribe one file on this machine, without a daemon
    Transcribe(transcribe::Transcribe),
    /// Show what the engine detects in a file: container, codec, duration, audio
    Probe(probe::Probe),
    /// Check whether the daemon can run on this machine
    Check(check::Check),
    /// Manage access tokens
    Tokens(tokens::TokensCommand),
    /// Upload a file to a daemon; resumes automatically, also in a later run
    Send(send::Send),
}

/// Runs the subcommand.
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
