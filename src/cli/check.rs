//! `scribed check`: checks whether the daemon can run on this machine, and
//! reports problems.

use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use bytesize::ByteSize;
use clap::Args;
use nix::sys::resource::{Resource, getrlimit};

use super::engine::{SERVICE_SOCKET, engine_source};
use super::terminal::{Failure, print};
use crate::access::Access;
use crate::callbacks::Secret;
use crate::config::{Config, Flags};
use crate::engine_client::EngineSource;
use crate::models;
use crate::store::{Layout, ring};

/// Locked memory that the registered ring buffers need.
const MEMLOCK_BYTES: u64 = 8 << 20;

#[derive(Debug, Args)]
pub(super) struct Check {
    /// Configuration file [default: /etc/scribed/scribed.toml if it exists]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Engine program or socket [default: that of the installed service, else
    /// scribed-transcriber beside this program]
    #[arg(long, value_name = "PATH")]
    engine: Option<PathBuf>,
}

/// The result of one check.
enum Finding {
    Good(String),
    /// Works, with a limitation that the administrator should know of.
    Note(String),
    /// The daemon cannot run.
    Problem(String),
}

use Finding::{Good, Note, Problem};

impl Check {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let config = Config::load(self.config.as_deref(), &Flags::default());
        let mut findings = vec![(
            "configuration",
            match &config {
                Ok(_) => Good("valid".into()),
                Err(error) => Problem(error.to_string()),
            },
        )];
        findings.push(("io_uring", ring_finding()));
        findings.push(("locked memory", memlock()));
        if let Ok(config) = &config {
            findings.push((
                "state directory",
                state_dir(&config.state_dir, config.upload.reserve_free_bytes),
            ));
            findings.push(("models", installed_models(config)));
            findings.push(("engine", engine(self.engine, config)));
            findings.push(("access", access(config)));
            if !config.callbacks.allow.is_empty() {
                findings.push(("callbacks", callbacks(config)));
            }
            if let Some(dir) = &config.http.static_dir {
                findings.push(("front end", front_end(dir)));
            }
            findings.extend(config.listen.iter().map(|address| {
                let finding = match TcpListener::bind(address) {
                    Ok(_) => Good(format!("{address} is free")),
                    Err(error) if error.kind() == io::ErrorKind::AddrInUse => Note(format!(
                        "{address} is in use; this is expected if scribed is running"
                    )),
                    Err(error) => Problem(format!("{address}: {error}")),
                };
                ("address", finding)
            }));
        }
        let mut code = ExitCode::SUCCESS;
        let mut report = String::new();
        for (name, finding) in findings {
            let (mark, text) = match finding {
                Good(text) => ("ok", text),
                Note(text) => ("note", text),
                Problem(text) => {
                    code = ExitCode::FAILURE;
                    ("PROBLEM", text)
                }
            };
            report += &format!("{mark:<8} {name}: {text}\n");
        }
        print(&report)?;
        Ok(code)
    }
}

fn ring_finding() -> Finding {
    match ring::probe() {
        Ok(()) => Good("available".into()),
        Err(error) => Problem(error.to_string()),
    }
}

fn memlock() -> Finding {
    match getrlimit(Resource::RLIMIT_MEMLOCK) {
        Ok((soft, _)) if soft >= MEMLOCK_BYTES => Good("enough".into()),
        Ok((soft, _)) => Note(format!(
            "the limit of this shell is {}; uploads are faster with {} (LimitMEMLOCK= of the service)",
            ByteSize(soft),
            ByteSize(MEMLOCK_BYTES)
        )),
        Err(errno) => Note(format!("cannot read the limit: {errno}")),
    }
}

fn state_dir(path: &Path, reserve_free_bytes: u64) -> Finding {
    let path_text = path.display();
    // A unique name, removed at once: the daemon may be running.
    let test_file = path.join(format!(".check.{}", std::process::id()));
    let written = std::fs::File::options()
        .write(true)
        .create_new(true)
        .open(&test_file);
    match written.and_then(|_| std::fs::remove_file(&test_file)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Note(format!(
                "{path_text} does not exist yet; the daemon creates it"
            ));
        }
        Err(error) => return Problem(format!("{path_text} is not writable: {error}")),
        Ok(()) => {}
    }
    let layout = Layout::at(path);
    match layout.free().map(|free| free.bytes) {
        Ok(free) if free <= reserve_free_bytes => Note(format!(
            "{path_text}: {} free, not more than upload.reserve_free: new uploads are rejected",
            ByteSize(free)
        )),
        Ok(_) if !layout.is_on_tested_file_system().unwrap_or(false) => Note(format!(
            "{path_text} is on neither ext4 nor xfs: power loss is tested only on these file systems"
        )),
        Ok(free) => Good(format!("{path_text}: {} free", ByteSize(free))),
        Err(error) => Problem(format!("{path_text}: {error}")),
    }
}

fn callbacks(config: &Config) -> Finding {
    let default = Layout::at(&config.state_dir).callback_secret();
    let path = config.callbacks.secret_file.as_ref().unwrap_or(&default);
    if config.callbacks.secret_file.is_none() && !default.exists() {
        let path = default.display();
        return Good(format!("the daemon will create the secret {path}"));
    }
    match Secret::load(path) {
        Ok(_) => Good(format!("signed with the secret in {}", path.display())),
        Err(error) => Problem(error.to_string()),
    }
}

fn front_end(dir: &Path) -> Finding {
    let index = dir.join("index.html");
    match std::fs::File::open(&index) {
        Ok(_) => Good(format!("{} is served at /ui/", dir.display())),
        Err(error) => Note(format!("cannot read {}: {error}", index.display())),
    }
}

fn installed_models(config: &Config) -> Finding {
    let dir = config.models_dir.display();
    match models::installed(&config.models_dir) {
        Err(error) => Problem(format!("cannot read {dir}: {error}")),
        Ok(installed) => match models::resolve(&config.transcribe.model, &installed) {
            models::DEMO => Note(format!(
                "none in {dir}; the demo model is used: {}",
                models::DEMO_NOTICE
            )),
            name if installed.iter().any(|model| model.name == name) => {
                Good(format!("{name} is used, {} in {dir}", installed.len()))
            }
            name => Problem(format!("there is no ggml-{name}.bin in {dir}")),
        },
    }
}

fn engine(named: Option<PathBuf>, config: &Config) -> Finding {
    let service = Path::new(SERVICE_SOCKET);
    let named = named.or_else(|| service.exists().then(|| service.into()));
    match engine_source(named, config) {
        Err(error) => Problem(error.to_string()),
        Ok(EngineSource::Service(socket)) => match UnixStream::connect(&socket) {
            Ok(_) => Good(format!("reachable at {}", socket.display())),
            Err(error) => Problem(format!(
                "not reachable at {}: {error}; see systemctl status scribed-transcriber",
                socket.display()
            )),
        },
        Ok(EngineSource::Child(command)) => {
            let version = Command::new(&command.program)
                .arg("--version")
                .stdin(Stdio::null())
                .output();
            let program = command.program.display();
            match version {
                Ok(output) if output.status.success() => Good(format!(
                    "{program}: {}",
                    String::from_utf8_lossy(&output.stdout).trim()
                )),
                Ok(output) => Problem(format!(
                    "{program} does not start ({}): {}",
                    output.status,
                    String::from_utf8_lossy(&output.stderr).trim()
                )),
                Err(error) => Problem(format!("{program} does not start: {error}")),
            }
        }
    }
}

fn access(config: &Config) -> Finding {
    let record = Layout::at(&config.state_dir).tokens_record();
    let auth = config.auth.clone();
    match Access::new(auth.mode, auth.tokens_file, record) {
        Err(error) => Problem(error.to_string()),
        Ok(access) if access.refuses_all() => Problem(access.warning().unwrap_or_default()),
        Ok(access) => access.warning().map_or(Good("by token".into()), Note),
    }
}
