//! The command line of `scribed`. Every subcommand has a file of its own.

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
