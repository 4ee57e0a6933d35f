//! The servers that are compared, each started afresh for every measurement.

pub mod process;

use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::load::target::Target;
use crate::load::upload;

const START_MOST: Duration = Duration::from_secs(20);
const END_MOST: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

/// Every name that can be chosen: ours, the peers, the baselines.
pub const ALL: [&str; 7] = [
    "scribed",
    "rustus",
    "rustus-fsync",
    "tus-node",
    "tuspyserver",
    "plain",
    "limit",
];

/// A server that can be started.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its name in the table.
    pub name: String,
    /// What it is.
    pub kind: Kind,
}

/// What a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A build of ours.
    Scribed(Scribed),
    /// <https://crates.io/crates/rustus>, with or without `--force-fsync`.
    Rustus {
        /// Whether it syncs the data of every PATCH.
        fsync: bool,
    },
    /// The npm package `@tus/server`.
    TusNode,
    /// The Python package `tuspyserver`.
    TusPyServer,
    /// See [`crate::baselines`].
    Baseline(&'static str),
}

/// A build of ours, and what varies of its configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scribed {
    /// The daemon's program.
    pub program: PathBuf,
    /// See `[upload]` in the configuration.
    pub ingest_threads: usize,
    /// Whether it has its engine, with the demo model; else recordings wait for ever.
    pub transcribes: bool,
}

impl Server {
    /// The same with another configuration; `None` if it is not ours.
    pub fn changed(&self, name: String, change: impl Fn(&mut Scribed)) -> Option<Server> {
        let Kind::Scribed(scribed) = &self.kind else {
            return None;
        };
        let mut scribed = scribed.clone();
        change(&mut scribed);
        let kind = Kind::Scribed(scribed);
        Some(Server { name, kind })
    }

    /// One of [`ALL`] but `scribed`.
    pub fn named(name: &str) -> Option<Server> {
        let kind = match name {
            "rustus" => Kind::Rustus { fsync: false },
            "rustus-fsync" => Kind::Rustus { fsync: true },
            "tus-node" => Kind::TusNode,
            "tuspyserver" => Kind::TusPyServer,
            "plain" => Kind::Baseline("plain"),
            "limit" => Kind::Baseline("limit"),
            _ => return None,
        };
        Some(Server {
            name: name.to_owned(),
            kind,
        })
    }

    /// What is on stable storage when a PATCH is acknowledged.
    pub fn syncs(&self) -> &'static str {
        match self.kind {
            Kind::Scribed(_) => "all",
            Kind::Rustus { fsync: true } => "data only",
            Kind::Rustus { fsync: false } | Kind::TusNode => "nothing",
            Kind::TusPyServer => "facts only",
            Kind::Baseline(_) => "per 50 MiB",
        }
    }

    /// Why it cannot be started, if it cannot: it was not installed.
    pub fn missing(&self, peers: &Path) -> Option<String> {
        let (needed, peer) = match &self.kind {
            Kind::Scribed(scribed) => (scribed.program.clone(), "scribed"),
            Kind::Rustus { .. } => (peers.join("rustus/bin/rustus"), "rustus"),
            Kind::TusNode => (peers.join("tus-node/installed"), "tus-node"),
            Kind::TusPyServer => (peers.join("tuspyserver/installed"), "tuspyserver"),
            Kind::Baseline(_) => return None,
        };
        let log = peers.join(peer).with_extension("log");
        (!needed.exists()).then(|| format!("not installed, see {}", log.display()))
    }

    /// Starts it on a new folder in `place`, and waits until it answers.
    pub fn start(&self, peers: &Path, place: &Path) -> io::Result<Running> {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder = &place.join(number.to_string());
        remove(folder)?;
        for name in ["data", "info"] {
            fs::create_dir_all(folder.join(name))?;
        }
        let fixed = match self.kind {
            Kind::Rustus { .. } => Some(free_address()?),
            _ => None,
        };
        let log = folder.join("log");
        let output = File::create(&log)?;
        let child = self
            .command(peers, folder, fixed)?
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        let mut running = Running {
            child,
            folder: folder.into(),
            target: Target {
                address: fixed.unwrap_or_else(|| ([127, 0, 0, 1], 0).into()),
                collection: match self.kind {
                    Kind::Scribed(_) => "/uploads/files/",
                    Kind::Baseline(_) => "/",
                    Kind::Rustus { .. } | Kind::TusNode | Kind::TusPyServer => "/files/",
                }
                .to_owned(),
            },
        };
        let began = Instant::now();
        loop {
            let address = fixed.or_else(|| listening_address(&fs::read_to_string(&log).ok()?));
            if let Some(address) = address.filter(|&address| upload::answers(address)) {
                running.target.address = address;
                return Ok(running);
            }
            if running.child.try_wait()?.is_some() || began.elapsed() > START_MOST {
                let said = fs::read_to_string(&log).unwrap_or_default();
                let last = said.lines().last().unwrap_or("it said nothing").to_owned();
                return Err(io::Error::other(format!("it did not start: {last}")));
            }
            sleep(POLL);
        }
    }

    fn command(
        &self,
        peers: &Path,
        folder: &Path,
        fixed: Option<SocketAddr>,
    ) -> io::Result<Command> {
        let data = folder.join("data");
        // Whatever ends this program ends its servers.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]);
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers");
        match &self.kind {
            Kind::Scribed(build) => scribed(&mut command, build, folder)?,
            Kind::Rustus { fsync } => {
                let port = fixed.map_or(0, |address| address.port());
                command.arg(peers.join("rustus/bin/rustus"));
                command.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
                command.args(["--max-body-size", "67108864", "--log-level", "WARN"]);
                command
                    .arg("--data-dir")
                    .arg(&data)
                    .arg("--info-dir")
                    .arg(folder.join("info"));
                if *fsync {
                    command.env("RUSTUS_FORCE_FSYNC", "true");
                }
            }
            Kind::TusNode => {
                let modules = peers.join("tus-node/node_modules");
                command
                    .arg("node")
                    .arg(scripts.join("serve-tus-node.mjs"))
                    .arg(modules)
                    .arg(data);
            }
            Kind::TusPyServer => {
                let python = peers.join("tuspyserver/bin/python");
                command
                    .arg(python)
                    .arg(scripts.join("serve-tuspyserver.py"))
                    .arg(data);
            }
            Kind::Baseline(name) => {
                let own = std::env::current_exe()?;
                command
                    .arg(own)
                    .arg("--serve")
                    .arg(name)
                    .arg("--data")
                    .arg(data);
            }
        }
        Ok(command)
    }
}

/// Scribed on defaults, but for its limits.
fn scribed(command: &mut Command, build: &Scribed, folder: &Path) -> io::Result<()> {
    let configuration = folder.join("scribed.toml");
    let ingest_threads = build.ingest_threads;
    let mut text = format!(
        "[upload]\nidle_expiry = \"7d\"\nreserve_free = \"1B\"\nmax_unfinished = 100000\n\
         ingest_threads = {ingest_threads}\n"
    );
    if build.transcribes {
        // For all who listen, from one address.
        text += "[http]\nmax_connections = 4096\n";
    }
    fs::write(&configuration, text)?;
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SCRIBED_") {
            command.env_remove(name);
        }
    }
    command
        .arg(&build.program)
        .args(["serve", "--listen", "127.0.0.1:0"]);
    command.arg("--config").arg(configuration);
    if !build.transcribes {
        command.arg("--engine").arg(engine_that_waits(folder)?);
    }
    command.arg("--state-dir").arg(folder.join("data"));
    command.arg("--models-dir").arg(folder.join("models"));
    Ok(())
}

/// An engine that never becomes ready, and ends with the daemon.
fn engine_that_waits(folder: &Path) -> io::Result<PathBuf> {
    let engine = folder.join("engine");
    fs::write(&engine, "#!/bin/sh\nexec cat >/dev/null\n")?;
    fs::set_permissions(&engine, PermissionsExt::from_mode(0o755))?;
    Ok(engine)
}

/// A server that answers. It ends, and its data goes, when this is dropped; the
/// empty files stay to the end of the bench, since ext4 searches long for
/// inodes when many were deleted in the last minutes, and the next server would
/// pay for that.
#[derive(Debug)]
pub struct Running {
    child: Child,
    folder: PathBuf,
    /// Where it takes uploads.
    pub target: Target,
}

impl Running {
    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its files lie.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that ended and was waited for has given up its number.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM);
        }
        let began = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && began.elapsed() < END_MOST {
            sleep(POLL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Err(error) = empty(&self.folder) {
            eprintln!("{} cannot be emptied: {error}", self.folder.display());
        }
    }
}

/// Empties all files in a folder.
fn empty(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            empty(&entry.path())?;
        } else if kind.is_file() {
            File::create(entry.path())?;
        }
    }
    Ok(())
}

/// Removes a folder, if it is there.
pub fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// The address in the line `listening on http://ADDRESS:PORT`, once it is whole.
fn listening_address(said: &str) -> Option<SocketAddr> {
    let rest = said.split_once("listening on http://")?.1;
    let rest = rest.split_once('\n')?.0;
    rest.split(['/', ' ']).next()?.parse().ok()
}
