//! `scribed serve`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::engine::engine_source;
use super::terminal::{Failure, log};
use crate::config::{Config, Flags};
use crate::daemon;

#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Configuration file [default: /etc/scribed/scribed.toml if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address to listen on; may be given several times [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Vec<String>,
    /// Directory of uploads and transcripts [default: /var/lib/scribed]
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Directory of models (ggml-NAME.bin) [default: /var/lib/scribed-models]
    #[arg(long, value_name = "DIR")]
    models_dir: Option<PathBuf>,
    /// Model to keep loaded: a NAME, or auto for the largest one [default: auto]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Engine program, or the Unix socket of a running one [default:
    /// scribed-transcriber beside this program]
    #[arg(long, value_name = "PATH")]
    engine: Option<PathBuf>,
}

impl Serve {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let flags = Flags {
            listen: self.listen,
            state_dir: self.state_dir,
            models_dir: self.models_dir,
            model: self.model,
        };
        let config = Config::load(self.config.as_deref(), &flags)?;
        let engine = engine_source(self.engine, &config)?;
        log();
        Ok(daemon::run(config, engine)?)
    }
}
