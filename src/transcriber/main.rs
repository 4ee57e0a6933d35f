//! scribed-transcriber, the engine of scribed: recordings come in as open files
//! over one Unix stream, segments of text go out. Started by `scribed serve`
//! with the stream as its standard input; see [`scribed::protocol`].

#![deny(unsafe_code, missing_docs)]

mod job;
mod media;
mod pulse;
mod resident;
mod serve;
mod speech;

use std::io::stdin;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use nix::sys::socket::{AddressFamily, SockaddrLike, SockaddrStorage, getsockname};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use resident::Resident;

/// Turns recordings into text for scribed. `scribed serve` starts this program;
/// there is nothing to run by hand.
#[derive(Debug, Parser)]
#[command(name = "scribed-transcriber", version)]
struct Arguments {
    /// Directory of the model files, ggml-<name>.bin
    #[arg(long, value_name = "DIR")]
    models_dir: PathBuf,
    /// Model to load: a name, `demo`, or `auto` for the largest installed
    #[arg(long, value_name = "NAME", default_value = scribed::models::AUTO)]
    model: String,
    /// Threads that compute; 0 for all cores but one
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
}

/// How long a running computation may take to stop once the daemon is gone.
const FAREWELL: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log_to_stderr();
    let Some(stream) = stream_on_stdin() else {
        eprintln!(
            "scribed-transcriber: standard input is no stream of scribed: this program is started by `scribed serve`"
        );
        return ExitCode::from(2);
    };
    let mut resident = Resident::new(
        arguments.models_dir,
        arguments.model,
        threads(arguments.threads),
    );
    let served = serve::serve(stream, &mut resident, || {
        // A whisper computation cannot always be stopped at once, nor can a
        // model be loaded half: the process does not wait for them.
        std::thread::sleep(FAREWELL);
        std::process::exit(0);
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn log_to_stderr() {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .without_time();
    // whisper.cpp tells at level info what a debugger wants to know.
    let levels = Targets::new()
        .with_default(LevelFilter::INFO)
        .with_target("whisper_rs", LevelFilter::WARN);
    tracing_subscriber::registry()
        .with(lines)
        .with(levels)
        .init();
    whisper_rs::install_logging_hooks();
}

fn stream_on_stdin() -> Option<UnixStream> {
    let owned: OwnedFd = stdin().as_fd().try_clone_to_owned().ok()?;
    let address: SockaddrStorage = getsockname(std::os::fd::AsRawFd::as_raw_fd(&owned)).ok()?;
    (address.family() == Some(AddressFamily::Unix)).then(|| UnixStream::from(owned))
}

fn threads(asked: usize) -> usize {
    if asked > 0 {
        return asked;
    }
    // One core stays with the daemon: uploads go on while the model computes.
    std::thread::available_parallelism()
        .map_or(1, |cores| cores.get() - 1)
        .max(1)
}
