//! Two servers of our own to compare with: what a straightforward program
//! reaches, and what this machine allows. Both speak just enough TUS for the
//! load tool, trust their client, and know uploads only while they run.

mod limit;
mod plain;
mod tus;

use std::convert::Infallible;
use std::io;
use std::path::Path;

use clap::ValueEnum;

/// Which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Baseline {
    /// Blocking reads and buffered writes.
    Plain,
    /// io_uring, registered buffers, O_DIRECT.
    Limit,
}

/// Serves on a free port of loopback, and writes it to standard error.
pub fn serve(baseline: Baseline, data: &Path) -> io::Result<Infallible> {
    match baseline {
        Baseline::Plain => plain::serve(data),
        Baseline::Limit => limit::serve(data),
    }
}
