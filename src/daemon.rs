//! Builds and connects all parts of the daemon: threads, signals, start-up and
//! shutdown.
//!
//! Threads: one per ingest ring (HTTP and uploads), and the control thread
//! that [`run`] is called on (signals, tasks, the engine, the watchdog).
//! Blocking disk operations run on short-lived blocking threads.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener};
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
use crate::http::app::{App, MAX_SEARCHES, MAX_WAITING};
use crate::http::headers::cors::Origins;
use crate::http::static_files::FrontEnd;
use crate::http::{self, Server};
use crate::outgoing::{MAX_DOWNLOADS, Outgoing, OwnAddresses};
use crate::shares::Shares;
use crate::store::ring::{self, Heartbeat, RingError};
use crate::store::{Layout, lock};
use crate::task::{self, Tasks, WorkerSettings};
use crate::upload::{self, Limits, RecoveredUpload, Uploads};
use crate::{blocking, descriptors, models, sweep, systemd};

/// How long shutdown waits for the ingest threads; all of it must take less
/// than ten seconds.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(9);

/// The daemon could not start. The message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// io_uring is not available.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// The state directory cannot be used.
    #[error("cannot use the state directory {}: {error}; it must be a directory that this user can write to", .path.display())]
    StateDir {
        /// The path.
        path: PathBuf,
        /// The OS error.
        error: io::Error,
    },
    /// Another daemon uses the state directory.
    #[error("another scribed is running on the state directory {}", .0.display())]
    AlreadyRunning(PathBuf),
    /// An address cannot be bound.
    #[error("cannot listen on {address}: {error}{}", hint(.error))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The OS error.
        error: io::Error,
    },
    /// The tokens file cannot be read.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// The webhook secret cannot be loaded or created.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// Another system call failed: threads, signals and others.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program uses this port: stop it or choose another port with --listen"
        }
        io::ErrorKind::AddrNotAvailable => "; this machine has no such address",
        io::ErrorKind::PermissionDenied => "; ports below 1024 need privileges",
        _ => "",
    }
}

/// Runs the daemon until SIGTERM or SIGINT.
pub fn run(config: Config, engine: EngineSource) -> Result<ExitCode, StartError> {
    ring::probe()?;
    ignore_sigxfsz()?;
    let state_dir_error = |error| StartError::StateDir {
        path: config.state_dir.clone(),
        error,
    };
    let layout = Layout::prepare(&config.state_dir).map_err(state_dir_error)?;
    let _lock = lock_with_retry(&layout.daemon_lock())
        .map_err(state_dir_error)?
        .ok_or_else(|| StartError::AlreadyRunning(config.state_dir.clone()))?;
    upload::settle(&layout).map_err(state_dir_error)?;
    let access = Access::new(
        config.auth.mode.clone(),
        config.auth.tokens_file.clone(),
        layout.tokens_record(),
    )?;
    access.remember().map_err(state_dir_error)?;
    let listeners = listen(&config)?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(control(config, engine, layout, access, listeners))
}

/// Ignores SIGXFSZ, so that exceeding the file size limit (setrlimit(2),
/// RLIMIT_FSIZE) is an error like a full disk and does not kill the process.
fn ignore_sigxfsz() -> io::Result<()> {
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // SAFETY: no handler runs; nothing else in this process handles the signal.
    #[allow(unsafe_code)]
    unsafe {
        sigaction(nix::sys::signal::Signal::SIGXFSZ, &ignore)?;
    }
    Ok(())
}

/// Locks the state directory; `None` if another process has the lock. Retries
/// for two seconds: a daemon that was just killed may have forked a child that
/// holds the lock until it executes the engine.
fn lock_with_retry(path: &Path) -> io::Result<Option<File>> {
    const TIMEOUT: Duration = Duration::from_secs(2);
    let started = Instant::now();
    loop {
        let locked = lock::hold(path)?;
        if locked.is_some() || started.elapsed() > TIMEOUT {
            return Ok(locked);
        }
        std::thread::sleep(TIMEOUT / 40);
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
    if config.http.origins == Origins::All {
        warn!(
            "http.cors_origins is *: where no token is needed, every page on the web can read and delete \
             everything in the browsers of the people who open it"
        );
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
    let own = OwnAddresses::new(addresses_of(&listeners), config.http.base_url.text());
    let outgoing = Outgoing::new(
        config.callbacks.allow,
        own,
        config.callbacks.download_timeout,
        config.http.idle_timeout,
    );
    let outgoing = Arc::new(outgoing);
    let (engine, job_receiver) = engine_client::engine();
    let max_connections = descriptors::raise_limit(config.http.max_connections);
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
        waiting: Shares::of(MAX_WAITING),
        listeners: Shares::of(max_connections),
        downloads: Shares::of(max_connections),
        fetches: Shares::of(MAX_DOWNLOADS),
        searches: Shares::of(MAX_SEARCHES),
    });
    let server = Server {
        app,
        connections: Arc::new(Semaphore::new(max_connections)),
        per_client: Shares::of(max_connections),
        max_connections,
        stopping,
    };
    let (ingest, heartbeats) = start_ingest(&server, &listeners, config.upload.ingest_threads)?;
    let addresses = announce(&listeners);
    drop(listeners);

    let settings = WorkerSettings {
        models_dir: config.models_dir.clone(),
        default: config.transcribe.model.clone(),
        max_duration: config.transcribe.max_duration,
        // The other half is for records.
        keep_free_bytes: config.upload.reserve_free_bytes / 2,
    };
    let sender = Sender {
        tasks: Arc::clone(&tasks),
        outgoing,
        secret,
        retry_for: config.callbacks.retry_for,
    };
    tokio::select! {
        // Only a signal completes one of these.
        () = engine_client::supervise(source, job_receiver) => {}
        () = task::process_queue(&tasks, &engine, &settings) => {}
        () = callbacks::deliver(sender) => {}
        () = recover(Arc::clone(&tasks), Arc::clone(&uploads), layout, rules) => {}
        () = notify_watchdog(heartbeats) => {}
        () = reload(&access, &mut hang_up) => {}
        () = report_status(&engine, &addresses) => {}
        () = either_signal(&mut terminate, &mut interrupt) => {}
    }
    info!("stopping");
    systemd::stopping();
    stop.send_replace(true);
    let ingest_ended = tokio::task::spawn_blocking(move || {
        for thread in ingest {
            // A thread that panicked has ended too.
            let _ = thread.join();
        }
    });
    let code = tokio::select! {
        _ = ingest_ended => ExitCode::SUCCESS,
        () = tokio::time::sleep(SHUTDOWN_LIMIT) => ExitCode::SUCCESS,
        () = either_signal(&mut terminate, &mut interrupt) => ExitCode::FAILURE,
    };
    // Does not wait for blocking threads: each of their steps is durable by
    // itself, and the next start continues from the last one.
    std::process::exit(if code == ExitCode::SUCCESS { 0 } else { 1 });
}

/// Loads or creates the secret that signs webhooks; `None` if callbacks are
/// disabled.
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
            let secret = Secret::load_or_create(&path)?;
            info!("callbacks are signed with the secret in {}", path.display());
            secret
        }
    };
    Ok(Some(Arc::new(secret)))
}

/// The front end, if one is configured.
fn front_end(http: &Http) -> Option<FrontEnd> {
    let dir = http.static_dir.as_deref()?;
    if !dir.join("index.html").is_file() {
        warn!(
            "no front end in {}: index.html is missing or cannot be read",
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
) -> io::Result<(Vec<JoinHandle<()>>, Vec<Heartbeat>)> {
    let mut ingest = Vec::with_capacity(threads);
    let mut heartbeats = Vec::with_capacity(threads);
    for number in 0..threads {
        let server = server.clone();
        let listeners: Vec<TcpListener> = listeners
            .iter()
            .map(TcpListener::try_clone)
            .collect::<io::Result<_>>()?;
        let (heartbeat, responder) = ring::heartbeat();
        let name = format!("ingest-{number}");
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            let served = ring::run(async move {
                ring::spawn(responder.run());
                http::serve(server, listeners).await
            });
            match served {
                Ok(Ok(())) => {}
                Ok(Err(error)) => error!("ingest thread failed: {error}"),
                Err(error) => error!("{error}"),
            }
        });
        ingest.push(thread?);
        heartbeats.push(heartbeat);
    }
    Ok((ingest, heartbeats))
}

fn addresses_of(listeners: &[TcpListener]) -> Vec<SocketAddr> {
    let addresses = listeners.iter().map(TcpListener::local_addr);
    addresses.filter_map(Result::ok).collect()
}

/// Prints the addresses and notifies systemd; other programs wait for the
/// printed lines.
fn announce(listeners: &[TcpListener]) -> String {
    let addresses = addresses_of(listeners);
    let addresses: Vec<String> = addresses
        .iter()
        .map(|address| format!("http://{address}"))
        .collect();
    for address in &addresses {
        eprintln!("listening on {address}");
    }
    let addresses = addresses.join(" ");
    systemd::ready(&format!("listening on {addresses}"));
    addresses
}

/// Recovers the uploads in the state directory: creates tasks for the finished
/// ones. Then sweeps, now and from time to time.
async fn recover(tasks: Arc<Tasks>, uploads: Arc<Uploads>, layout: Layout, rules: sweep::Rules) {
    let recovered = tokio::task::spawn_blocking({
        let (tasks, uploads, layout) = (tasks, Arc::clone(&uploads), layout.clone());
        move || {
            let recovered = upload::recover(&layout, |found| match found {
                RecoveredUpload::Finished(id) => tasks.adopt(id),
                RecoveredUpload::Unfinished {
                    id,
                    owner,
                    reserved_bytes,
                } => uploads.found_unfinished(id, owner, reserved_bytes),
                RecoveredUpload::Pending(id, parts) => uploads.found_pending(id, parts),
            });
            if let Err(error) = recovered {
                error!("cannot read the state directory: {error}");
            }
            tasks.adopted_all();
            sweep::sweep_and_log(&layout, rules);
        }
    });
    if let Err(error) = recovered.await {
        error!("reading the state directory failed: {error}");
    }
    uploads.join_found();
    sweep::every_minute(&layout, rules, &uploads).await;
}

/// Keeps the status line of `systemctl status` up to date.
async fn report_status(engine: &Engine, addresses: &str) {
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

/// Reloads the tokens file on SIGHUP.
async fn reload(access: &Arc<Access>, hang_up: &mut Signal) {
    while hang_up.recv().await.is_some() {
        let reloaded = blocking::run({
            let access = Arc::clone(access);
            move || {
                let count = access.reload()?;
                if let Err(error) = access.remember() {
                    error!(
                        "cannot record in the state directory whether there are tokens: {error}"
                    );
                }
                Ok::<_, TokensError>(count)
            }
        });
        match reloaded.await {
            Ok(count) => {
                info!("tokens reloaded: {count}");
                if let Some(warning) = access.warning() {
                    warn!("{warning}");
                }
            }
            Err(error) => error!("{error}; the previous tokens stay valid"),
        }
    }
    std::future::pending().await
}

/// Notifies systemd's watchdog as long as every ingest thread responds.
async fn notify_watchdog(heartbeats: Vec<Heartbeat>) {
    let Some(limit) = systemd::watchdog_limit() else {
        return std::future::pending().await;
    };
    loop {
        systemd::alive();
        // Every third of the limit; the rest is for the responses and for
        // delays of this thread.
        for heartbeat in &heartbeats {
            heartbeat.ping().await;
        }
        tokio::time::sleep(limit / 3).await;
    }
}

async fn either_signal(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
