//! scribed-transcriber, the engine of scribed: recordings come in as open files
//! over one Unix stream, segments of text go out; see [`scribed::protocol`].
//! Started by `scribed serve` with the stream as its standard input, or by
//! systemd with a socket where streams come in one after the other.

#![deny(unsafe_code, missing_docs)]

mod connection;
mod decode;
mod job;
mod media;
mod memory_limit;
mod probe;
mod pulse;
mod reader;
mod resident;
mod serve;
mod service;
mod speech;
#[cfg(test)]
mod testing;
mod watchdog;

use std::io::stdin;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use nix::sys::socket::{AddressFamily, SockaddrLike, SockaddrStorage, getsockname};
use scribed::config::{Config, ConfigError, Flags};
use scribed::systemd;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use resident::Resident;

/// Turns recordings into text for scribed. `scribed serve` or systemd starts
/// this program; there is nothing to run by hand.
#[derive(Debug, Parser)]
#[command(name = "scribed-transcriber", version)]
struct Arguments {
    /// Configuration file, for what the other options leave open [default:
    /// /etc/scribed/scribed.toml if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Directory of the model files, ggml-<name>.bin
    #[arg(long, value_name = "DIR")]
    models_dir: Option<PathBuf>,
    /// Model to load: a name, `demo`, or `auto` for the largest installed
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Threads that compute; 0 for all cores but one
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Describe the recording on standard input as JSON, and exit
    #[arg(long)]
    probe: bool,
    /// With --probe: extension of the recording's name, a hint
    #[arg(long, requires = "probe", value_name = "EXTENSION")]
    extension: Option<String>,
    /// With --probe: refuse what has more sound, in seconds
    #[arg(long, requires = "probe", value_name = "N", default_value = "86400")]
    max_duration_s: u64,
    /// Decode the recording that comes over standard input; the engine starts
    /// itself so
    #[arg(long, hide = true, conflicts_with = "probe")]
    decode: bool,
}

/// An upload keeps nine tenths of its speed, and a thirtieth of a core is left
/// where others compute, too: enough to give signs of life.
const NICENESS: i32 = 15;

/// Jobs that run at the same time.
const SLOTS: usize = 1;

/// How long a running computation may take to stop once the daemon is gone.
const FAREWELL: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.decode {
        log_to_stderr();
        return decode::child::run();
    }
    if arguments.probe {
        return probe::run(arguments.extension.as_deref(), arguments.max_duration_s);
    }
    log_to_stderr();
    whisper_rs::install_logging_hooks();
    let resident = match resident(arguments) {
        Ok(resident) => resident,
        Err(error) => {
            eprintln!("scribed-transcriber: {error}");
            return ExitCode::FAILURE;
        }
    };
    let served = if let Some(stream) = stream_on_stdin() {
        yield_to_others();
        serve::serve(stream, &resident, || {
            // A whisper computation cannot always be stopped at once, nor can a
            // model be loaded half: the process does not wait for them.
            std::thread::sleep(FAREWELL);
            std::process::exit(0);
        })
        .map(drop)
    } else if let Some(listener) = systemd::passed_unix_listener() {
        service::run(&listener, &resident)
    } else {
        eprintln!(
            "scribed-transcriber: standard input is no stream of scribed: this program is started by `scribed serve` or by systemd"
        );
        return ExitCode::from(2);
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn resident(arguments: Arguments) -> Result<Resident, ConfigError> {
    let (models_dir, model, asked_threads) = match arguments {
        Arguments {
            models_dir: Some(models_dir),
            model: Some(model),
            threads: Some(threads),
            ..
        } => (models_dir, model, threads),
        some => {
            let config = Config::load(some.config.as_deref(), &Flags::default())?;
            (
                some.models_dir.unwrap_or(config.models_dir),
                some.model.unwrap_or(config.transcribe.model),
                some.threads.unwrap_or(config.transcribe.threads),
            )
        }
    };
    let threads = threads(asked_threads);
    Ok(Resident::new(models_dir, model, threads, SLOTS))
}

fn log_to_stderr() {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .without_time();
    // whisper.cpp logs at level info what a debugger wants to know.
    let levels = Targets::new()
        .with_default(LevelFilter::INFO)
        .with_target("whisper_rs", LevelFilter::WARN);
    tracing_subscriber::registry()
        .with(lines)
        .with(levels)
        .init();
}

/// Uploads come first. For all threads, which are begun later. A unit of its own
/// has `Nice=`.
fn yield_to_others() {
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::warn!("cannot compute at a lower priority: {error}");
    }
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
