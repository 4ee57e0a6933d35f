//! `scribed sweep`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::terminal::{Failure, print};
use crate::config::{Config, Flags};
use crate::store::Layout;
use crate::sweep::{Rules, sweep};

#[derive(Debug, Args)]
pub(super) struct Sweep {
    /// Configuration file [default: /etc/scribed/scribed.toml if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory of uploads and transcripts [default: /var/lib/scribed]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

impl Sweep {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let flags = Flags {
            state_dir: self.state_dir,
            ..Flags::default()
        };
        let config = Config::load(self.config.as_deref(), &flags)?;
        if !config.state_dir.is_dir() {
            return Err(
                format!("there is no state directory {}", config.state_dir.display()).into(),
            );
        }
        let layout = Layout::prepare(&config.state_dir)?;
        print(&format!("{}\n", sweep(&layout, Rules::of(&config))?))?;
        Ok(ExitCode::SUCCESS)
    }
}
