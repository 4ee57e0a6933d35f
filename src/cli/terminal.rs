//! Terminal output of the subcommands: results, progress, log lines and errors.

use std::io::Write;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::systemd::Journal;

/// An error of a subcommand; its message is one line.
pub type Failure = Box<dyn std::error::Error>;

/// Sets up logging: to the journal with structured fields if standard error is
/// connected to it, else as lines to standard error.
pub fn log() {
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

/// Writes to standard output. A closed pipe is not an error.
pub fn print(text: &(impl AsRef<[u8]> + ?Sized)) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_ref()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// A progress bar on standard error; hidden if that is not a terminal.
/// `template` must be valid.
pub fn bar(length: u64, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template);
    ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr())
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
