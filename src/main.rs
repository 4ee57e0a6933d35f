//! The program `scribed`: parse, run, exit code.

#![deny(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use scribed::cli::{self, Cli};

fn main() -> ExitCode {
    cli::run(Cli::parse())
}
