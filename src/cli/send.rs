//! `scribed send`.

use super::Failure;
use clap::Args;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(super) struct Send {}

impl Send {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        Err("not yet".into())
    }
}
