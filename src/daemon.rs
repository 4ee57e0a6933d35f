//! The one place where everything is built and wired: threads, signals, the
//! way up and the way down.
//!
//! Threads: one per ingest ring (HTTP and uploads), and the control thread
//! that [`run`] is called on (signals, tasks, the engine, the watchdog). Work
//! that waits for the disk goes to short-lived helper threads.

use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, sigaction};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tracing::{error, info, warn};

use crate::access::Access;
use crate::access::tokens::TokensError;
use crate::callbacks::{self, Secret, SecretError, Sender};
use crate::config::{Callbacks, Config, Http};
use crate::engine_client::{self, Engine, EngineSource, EngineState};
use crate::http::app::App;
use crate::http::app::MAX_WAITING;
use crate::http::connection::per_client::PerClient;
use crate::http::static_files::FrontEnd;
use crate::http::{self, Server};
use crate::outgoing::Outgoing;
use crate::store::ring::{self, Heart, RingError};
use crate::store::{Layout, lock};
use crate::task::{self, Tasks, WorkerSettings};
use crate::upload::{self, Limits, RecoveredUpload, Uploads};
use crate::{blocking, descriptors, models, sweep, systemd};

/// The whole way down must be over in ten seconds.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(9);

/// Why the daemon did not start; the message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No io_uring.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// The state directory is of no use.
    #[error("cannot use the state directory {}: {error}; it must be a directory that this user can write to", .path.display())]
    StateDir {
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Another daemon works there.
    #[error("another scribed is running on the state directory {}", .0.display())]
    AlreadyRunning(PathBuf),
    /// An address cannot be had.
    #[error("cannot listen on {address}: {error}{}", hint(.error))]
    Listen {
        /// Which.
        address: std::net::SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// The tokens cannot be read.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// Callbacks could not be signed.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Threads, signals or the like.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program uses this port: stop it or choose another one with --listen"
        }
        io::ErrorKind::AddrNotAvailable => "; this machine has no such address",
        io::ErrorKind::PermissionDenied => "; ports below 1024 need privileges",
        _ => "",
    }
}

/// Runs until a signal ends it.
pub fn run(config: Config, engine: EngineSource) -> Result<ExitCode, StartError> {
    ring::probe()?;
    survive_file_size_limit()?;
    let state_dir_error = |error| StartError::StateDir {
        path: config.state_dir.clone(),
        error,
    };
    let layout = Layout::prepare(&config.state_dir).map_err(state_dir_error)?;
    let _lock = hold_patiently(&layout.daemon_lock())
        .map_err(state_dir_error)?
        .ok_or_else(|| StartError::AlreadyRunning(config.state_dir.clone()))?;
    upload::settle(&layout).map_err(state_dir_error)?;
    let access = Access::new(config.auth.mode.clone(), config.auth.tokens_file.clone())?;
    let listeners = listen(&config)?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(control(config, engine, layout, access, listeners))
}

/// A file that may not grow further (setrlimit(2), RLIMIT_FSIZE) is an error
/// like a full disk, not the end of the process.
fn survive_file_size_limit() -> io::Result<()> {
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // SAFETY: no handler runs; nothing else in this process handles the signal.
    #[allow(unsafe_code)]
    unsafe {
        sigaction(nix::sys::signal::Signal::SIGXFSZ, &ignore)?;
    }
    Ok(())
}

/// Takes the lock of the state directory. A daemon that was just killed may
/// have left a child that has not become the engine yet and holds it still.
fn hold_patiently(path: &Path) -> io::Result<Option<File>> {
    const PATIENCE: Duration = Duration::from_secs(2);
    let begun = Instant::now();
    loop {
        let held = lock::hold(path)?;
        if held.is_some() || begun.elapsed() > PATIENCE {
            return Ok(held);
        }
        std::thread::sleep(PATIENCE / 40);
    }
}

fn listen(config: &Config) -> Result<Vec<TcpListener>, StartError> {
    let mut listeners = systemd::passed_listeners();
    for address in &config.listen {
        if !systemd::covers(&listeners, *address) {
            let listener = TcpListener::bind(address).map_err(|error| StartError::Listen {
                address: *address,
                error,
            })?;
            listeners.push(listener);
        }
    }
    for listener in &listeners {
        listener.set_nonblocking(true)?;
    }
    Ok(listeners)
}

async fn control(
    config: Config,
    source: EngineSource,
    layout: Layout,
    access: Access,
    listeners: Vec<TcpListener>,
) -> Result<ExitCode, StartError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let rules = sweep::Rules::of(&config);
    let mut hang_up = signal(SignalKind::hangup())?;
    if let Some(warning) = access.warning() {
        warn!("{warning}");
    }
    let access = Arc::new(access);
    let (stop, stopping) = watch::channel(false);
    let limits = Limits {
        max_size_bytes: config.upload.max_size_bytes,
        idle_expiry: config.upload.idle_expiry,
        reserve_free_bytes: config.upload.reserve_free_bytes,
        max_unfinished: config.upload.max_unfinished,
        stall: config.http.idle_timeout,
    };
    let tasks = Arc::new(Tasks::new(layout.clone()));
    let uploads = Arc::new(Uploads::new(
        layout.clone(),
        limits,
        Arc::clone(&tasks) as _,
        stopping.clone(),
    ));
    let secret = callback_secret(&config.callbacks, &layout)?;
    let outgoing = Outgoing::new(config.callbacks.allow, config.callbacks.download_timeout);
    let outgoing = Arc::new(outgoing);
    let (engine, receiver) = engine_client::engine();
    let app = Arc::new(App {
        access: Arc::clone(&access),
        uploads: Arc::clone(&uploads),
        tasks: Arc::clone(&tasks),
        outgoing: Arc::clone(&outgoing),
        engine: engine.clone(),
        default_language: config.transcribe.language,
        models_dir: config.models_dir.clone(),
        unknown_model: config.transcribe.unknown_model,
        max_queue: config.transcribe.max_queue,
        origins: config.http.origins.clone(),
        front_end: front_end(&config.http),
        base_url: config.http.base_url,
        trusted_proxies: config.http.trusted_proxies,
        header_timeout: config.http.header_timeout,
        idle_timeout: config.http.idle_timeout,
        stopping: stopping.clone(),
        waiting: Arc::new(Semaphore::new(MAX_WAITING)),
    });
    let max_connections = descriptors::allow(config.http.max_connections);
    let server = Server {
        app,
        connections: Arc::new(Semaphore::new(max_connections)),
        per_client: PerClient::of(max_connections),
        max_connections,
        stopping,
    };
    let (ingest, hearts) = start_ingest(&server, &listeners, config.upload.ingest_threads)?;
    let addresses = announce(&listeners);
    drop(listeners);

    let settings = WorkerSettings {
        models_dir: config.models_dir.clone(),
        default: config.transcribe.model.clone(),
        max_duration: config.transcribe.max_duration,
    };
    let sender = Sender {
        tasks: Arc::clone(&tasks),
        outgoing,
        secret,
        retry_for: config.callbacks.retry_for,
    };
    tokio::select! {
        // None of these ends by itself.
        () = engine_client::supervise(source, receiver) => {}
        () = task::process_queue(&tasks, &engine, &settings) => {}
        () = callbacks::deliver(sender) => {}
        () = adopt(Arc::clone(&tasks), Arc::clone(&uploads), layout, rules) => {}
        () = feed_watchdog(hearts) => {}
        () = reload(&access, &mut hang_up) => {}
        () = tell_state(&engine, &addresses) => {}
        () = either(&mut terminate, &mut interrupt) => {}
    }
    info!("stopping");
    systemd::stopping();
    stop.send_replace(true);
    let ingest_ended = tokio::task::spawn_blocking(move || {
        for thread in ingest {
            // One that panicked has ended too.
            let _ = thread.join();
        }
    });
    let code = tokio::select! {
        _ = ingest_ended => ExitCode::SUCCESS,
        () = tokio::time::sleep(SHUTDOWN_LIMIT) => ExitCode::SUCCESS,
        () = either(&mut terminate, &mut interrupt) => ExitCode::FAILURE,
    };
    // Does not wait for helper threads: all they could still do is durable
    // step by step, and a restart goes on from there.
    std::process::exit(if code == ExitCode::SUCCESS { 0 } else { 1 });
}

/// What callbacks are signed with; none where nobody may be called.
fn callback_secret(
    callbacks: &Callbacks,
    layout: &Layout,
) -> Result<Option<Arc<Secret>>, SecretError> {
    if callbacks.allow.is_empty() {
        return Ok(None);
    }
    let secret = match &callbacks.secret_file {
        Some(path) => Secret::load(path)?,
        None => {
            let path = layout.callback_secret();
            let secret = Secret::load_or_make(&path)?;
            info!("callbacks are signed with the secret in {}", path.display());
            secret
        }
    };
    Ok(Some(Arc::new(secret)))
}

/// The pages that are served too.
fn front_end(http: &Http) -> Option<FrontEnd> {
    let dir = http.static_dir.as_deref()?;
    if !dir.join("index.html").is_file() {
        warn!(
            "there is no front end in {}: it has no index.html that can be read",
            dir.display()
        );
    }
    Some(match http.static_root {
        true => FrontEnd::at_root(dir),
        false => FrontEnd::at(dir),
    })
}

fn start_ingest(
    server: &Server,
    listeners: &[TcpListener],
    threads: usize,
) -> io::Result<(Vec<JoinHandle<()>>, Vec<Heart>)> {
    let mut ingest = Vec::with_capacity(threads);
    let mut hearts = Vec::with_capacity(threads);
    for number in 0..threads {
        let server = server.clone();
        let listeners: Vec<TcpListener> = listeners
            .iter()
            .map(TcpListener::try_clone)
            .collect::<io::Result<_>>()?;
        let (heart, beats) = ring::heart();
        let name = format!("ingest-{number}");
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            let served = ring::run(async move {
                ring::spawn(beats.answer());
                http::serve(server, listeners).await
            });
            match served {
                Ok(Ok(())) => {}
                Ok(Err(error)) => error!("ingest thread failed: {error}"),
                Err(error) => error!("{error}"),
            }
        });
        ingest.push(thread?);
        hearts.push(heart);
    }
    Ok((ingest, hearts))
}

/// Says where we are; other programs wait for this line.
fn announce(listeners: &[TcpListener]) -> String {
    let addresses: Vec<String> = listeners
        .iter()
        .filter_map(|listener| Some(format!("http://{}", listener.local_addr().ok()?)))
        .collect();
    for address in &addresses {
        eprintln!("listening on {address}");
    }
    let addresses = addresses.join(" ");
    systemd::ready(&format!("listening on {addresses}"));
    addresses
}

/// Makes tasks of the finished uploads that are there; those that come say so
/// themselves.
async fn adopt(tasks: Arc<Tasks>, uploads: Arc<Uploads>, layout: Layout, rules: sweep::Rules) {
    let recovered = tokio::task::spawn_blocking({
        let (tasks, uploads) = (Arc::clone(&tasks), Arc::clone(&uploads));
        move || {
            let recovered = upload::recover(&layout, |found| match found {
                RecoveredUpload::Finished(id) => tasks.adopt(id),
                RecoveredUpload::Unfinished(id) => uploads.found_unfinished(id),
                RecoveredUpload::Pending(id, parts) => uploads.found_pending(id, parts),
            });
            if let Err(error) = recovered {
                error!("cannot read the state directory: {error}");
            }
            tasks.adopted_all();
            match sweep::sweep(&layout, rules) {
                Ok(summary) if summary == sweep::Summary::default() => {}
                Ok(summary) => info!("{summary}"),
                Err(error) => warn!("sweep failed: {error}"),
            }
        }
    });
    if let Err(error) = recovered.await {
        error!("reading the state directory failed: {error}");
    }
    uploads.join_found();
    std::future::pending().await
}

/// Keeps the line of `systemctl status` true.
async fn tell_state(engine: &Engine, addresses: &str) {
    let mut states = engine.states();
    loop {
        let state = match &*states.borrow_and_update() {
            EngineState::Starting => "starting the engine".to_owned(),
            EngineState::Loading { model } => format!("loading model {model}"),
            EngineState::Ready(model) if model.name == models::DEMO => {
                "only the demo model is installed".to_owned()
            }
            EngineState::Ready(model) => format!("ready with model {}", model.name),
            EngineState::Unusable { reason } => format!("not transcribing: {reason}"),
        };
        systemd::status(&format!("listening on {addresses}; {state}"));
        if states.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

/// Reads the tokens again on SIGHUP.
async fn reload(access: &Arc<Access>, hang_up: &mut Signal) {
    while hang_up.recv().await.is_some() {
        let access = Arc::clone(access);
        match blocking::run(move || access.reload()).await {
            Ok(count) => info!("tokens read again: {count}"),
            Err(error) => error!("{error}; the tokens read before still count"),
        }
    }
    std::future::pending().await
}

/// Feeds systemd's watchdog as long as every ingest thread turns.
async fn feed_watchdog(hearts: Vec<Heart>) {
    let Some(limit) = systemd::watchdog_limit() else {
        return std::future::pending().await;
    };
    loop {
        systemd::alive();
        // All beats within half the limit; the rest is for this thread.
        for heart in &hearts {
            heart.beat().await;
        }
        tokio::time::sleep(limit / 3).await;
    }
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
