//! The program `scribed`: parses the command line, runs the subcommand and
//! returns its exit code.

#![deny(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use scribed::cli::{self, Cli};

fn main() -> ExitCode {
    cli::run(Cli::parse())
}
