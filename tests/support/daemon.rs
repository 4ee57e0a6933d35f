//! A daemon of its own for every test: real process, empty state directory,
//! free port. Whatever happens, it and its engine are gone when the test ends.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::support::http;
use crate::support::waiting::until;

/// The daemon's program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_scribed");

/// The kernel cuts the name of a process to 15 bytes.
const ENGINE_COMM: &str = "scribed-transcr";

/// A running daemon and the folder it works in, which outlives restarts.
pub struct Daemon {
    /// Before its folder, so that it ends before that is removed.
    running: Option<Running>,
    folder: TempDir,
    change: Box<dyn Fn(&mut Command) + Send>,
}

impl Daemon {
    /// Starts one on defaults and waits until it is ready.
    pub fn start() -> Daemon {
        let daemon = Daemon::start_unready(Daemon::folder(), &[]);
        daemon.wait_until_ready();
        daemon
    }

    /// Starts one with further arguments and waits only until it listens.
    /// `folder` (from [`Daemon::folder`]) may hold things made for it.
    pub fn start_unready(folder: TempDir, arguments: &[&OsStr]) -> Daemon {
        let arguments: Vec<OsString> = arguments.iter().map(|&argument| argument.into()).collect();
        Daemon::start_changed(folder, move |command| {
            command.args(&arguments);
        })
    }

    /// The same; `change` sees the command before every start.
    pub fn start_changed(
        folder: TempDir,
        change: impl Fn(&mut Command) + Send + 'static,
    ) -> Daemon {
        let mut daemon = Daemon {
            folder,
            change: Box::new(change),
            running: None,
        };
        daemon.start_again();
        daemon
    }

    /// A new folder with an empty configuration file and no models; on a disk,
    /// as the state directory is, where `/tmp` may not be one.
    pub fn folder() -> TempDir {
        Daemon::folder_in(Path::new(env!("CARGO_TARGET_TMPDIR")))
    }

    /// The same elsewhere.
    pub fn folder_in(place: &Path) -> TempDir {
        let folder = tempfile::Builder::new()
            .prefix("daemon-")
            .tempdir_in(place)
            .expect("a temporary folder");
        fs::create_dir(folder.path().join("models")).expect("a models folder");
        fs::write(folder.path().join("scribed.toml"), "").expect("an empty configuration");
        folder
    }

    /// The same with this configuration.
    pub fn folder_with(config: &str) -> TempDir {
        let folder = Daemon::folder();
        fs::write(folder.path().join("scribed.toml"), config).expect("a configuration");
        folder
    }

    /// The command that serves from that folder.
    pub fn command(folder: &Path) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        for (flag, name) in [
            ("--config", "scribed.toml"),
            ("--state-dir", "state"),
            ("--models-dir", "models"),
        ] {
            command.arg(flag).arg(folder.join(name));
        }
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SCRIBED_") {
                command.env_remove(name);
            }
        }
        for name in [
            "NOTIFY_SOCKET",
            "LISTEN_FDS",
            "LISTEN_PID",
            "JOURNAL_STREAM",
        ] {
            command.env_remove(name);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        command
    }

    /// Starts it on the same folder, at another port, and waits until it listens.
    pub fn start_again(&mut self) {
        assert!(self.running.is_none(), "it still runs");
        let mut command = Daemon::command(self.folder.path());
        (self.change)(&mut command);
        let child = command.spawn();
        self.running = Some(Running::new(child.expect("scribed can be started")));
    }

    /// Waits until `/health/ready` is 200.
    pub fn wait_until_ready(&self) {
        until("the daemon is ready", || {
            (http::get(self.address(), "/health/ready").status == 200).then_some(())
        });
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.running().address
    }

    /// Its process.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.running().child.id() as i32)
    }

    /// The lowest that any of its threads has.
    pub fn niceness(&self) -> i64 {
        niceness(self.pid().as_raw())
    }

    /// Everything it wrote to stderr until now.
    pub fn stderr(&self) -> String {
        self.running().stderr.lock().unwrap().clone()
    }

    /// Its state directory.
    pub fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// `scribed sweep` on its state directory and with its configuration.
    pub fn sweep_command(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg("sweep").arg("--config");
        command.arg(self.folder.path().join("scribed.toml"));
        command.arg("--state-dir").arg(self.state_dir());
        command
    }

    /// Its engine, as soon as there is one.
    pub fn engine(&mut self) -> Process {
        let running = self.running.as_mut().expect("it runs");
        until("the daemon has an engine", || running.engine())
    }

    /// Its engine once it is another than that one.
    pub fn engine_after(&mut self, old: Process) -> Process {
        let running = self.running.as_mut().expect("it runs");
        until("the daemon has a new engine", || {
            running.engine().filter(|&engine| engine != old)
        })
    }

    /// `kill -9`, as a crash. The engine is left to notice for itself.
    pub fn kill9(&mut self) {
        let mut running = self.running.take().expect("it runs");
        running.engine();
        running.child.kill().expect("kill -9");
        let status = running.child.wait().expect("its end");
        assert_eq!(status.signal(), Some(9), "it had ended before: {status}");
        for engine in &running.engines {
            engine.signal(Signal::SIGCONT);
            until("an engine ends with its daemon", || {
                (!engine.lives()).then_some(())
            });
        }
    }

    /// SIGTERM, and how it ended.
    pub fn terminate(&mut self) -> ExitStatus {
        let mut running = self.running.take().expect("it runs");
        running.engine();
        kill(Pid::from_raw(running.child.id() as i32), Signal::SIGTERM).expect("SIGTERM");
        until("the daemon ends after SIGTERM", || {
            running.child.try_wait().expect("its end")
        })
    }

    /// Fails the test if the daemon has ended.
    pub fn assert_alive(&mut self) {
        let running = self.running.as_mut().expect("it runs");
        let ended = running.child.try_wait().expect("its state");
        assert!(ended.is_none(), "the daemon has ended: {ended:?}");
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs")
    }
}

struct Running {
    child: Child,
    address: SocketAddr,
    stderr: Arc<Mutex<String>>,
    /// Every engine it was seen to have.
    engines: Vec<Process>,
}

impl Running {
    fn new(mut child: Child) -> Running {
        let stderr = Arc::new(Mutex::new(String::new()));
        let pipe = child.stderr.take().expect("a pipe");
        let collected = Arc::clone(&stderr);
        thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line);
                *collected.lock().unwrap() += &format!("{line}\n");
            }
        });
        let mut running = Running {
            child,
            address: ([127, 0, 0, 1], 0).into(),
            stderr,
            engines: Vec::new(),
        };
        running.address = until("the daemon reports its address", || {
            let ended = running.child.try_wait().expect("its state");
            // What it said is printed by `drop`.
            assert!(ended.is_none(), "the daemon ended at its start: {ended:?}");
            listening_address(&running.stderr.lock().unwrap())
        });
        running
    }

    /// Its engine, if there is one now. Remembers it.
    fn engine(&mut self) -> Option<Process> {
        let parent = self.child.id() as i32;
        let engine = Process::all()
            .find(|(process, parent_pid)| *parent_pid == parent && process.lives())?
            .0;
        if !self.engines.contains(&engine) {
            self.engines.push(engine);
        }
        Some(engine)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.engine();
        let _ = self.child.kill();
        let _ = self.child.wait();
        for engine in &self.engines {
            engine.signal(Signal::SIGKILL);
        }
        if thread::panicking() {
            thread::sleep(Duration::from_millis(100)); // its last words may be on their way
            let stderr = self.stderr.lock().map(|text| text.clone());
            eprintln!(
                "--- the daemon's stderr ---\n{}",
                stderr.unwrap_or_default()
            );
        }
    }
}

/// An engine, distinguished from a later process with the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    pid: i32,
    started_ticks: u64,
}

impl Process {
    /// Sends it a signal unless it has ended.
    pub fn signal(&self, signal: Signal) {
        if self.lives() {
            let _ = kill(Pid::from_raw(self.pid), signal);
        }
    }

    /// Its process id.
    pub fn id(&self) -> i32 {
        self.pid
    }

    /// Whether it is still there (and no mere zombie).
    pub fn lives(&self) -> bool {
        Stat::of_process(self.pid).is_some_and(|stat| {
            stat.started_ticks == self.started_ticks
                && stat.state != 'Z'
                && stat.comm == ENGINE_COMM
        })
    }

    /// The lowest that any of its threads has.
    pub fn niceness(&self) -> i64 {
        niceness(self.pid)
    }

    /// Every engine on this machine with its parent's number.
    fn all() -> impl Iterator<Item = (Process, i32)> {
        let entries = fs::read_dir("/proc").expect("/proc");
        entries.filter_map(|entry| {
            let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = Stat::of_process(pid)?;
            let process = Process {
                pid,
                started_ticks: stat.started_ticks,
            };
            (stat.comm == ENGINE_COMM).then_some((process, stat.parent))
        })
    }
}

/// What is needed of proc_pid_stat(5).
struct Stat {
    comm: String,
    state: char,
    parent: i32,
    niceness: i64,
    started_ticks: u64,
}

impl Stat {
    fn of_process(pid: i32) -> Option<Stat> {
        Stat::of(format!("/proc/{pid}").into())
    }

    fn of(folder: PathBuf) -> Option<Stat> {
        let stat = fs::read_to_string(folder.join("stat")).ok()?;
        let (before, after) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = after.split_whitespace().collect();
        Some(Stat {
            comm: before.split_once('(')?.1.to_owned(),
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            niceness: fields.get(16)?.parse().ok()?,
            started_ticks: fields.get(19)?.parse().ok()?,
        })
    }
}

fn niceness(pid: i32) -> i64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("its threads");
    let stats = threads.filter_map(|thread| Stat::of(thread.ok()?.path()));
    let all = stats.map(|stat| stat.niceness);
    all.min().expect("one that lives")
}

/// Has a daemon's command run by another program, which the words begin.
pub fn run_under(command: &mut Command, words: &[&str]) {
    let mut other = Command::new(words[0]);
    other.args(&words[1..]);
    other.arg(command.get_program()).args(command.get_args());
    for (name, _) in command.get_envs() {
        other.env_remove(name);
    }
    other
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    *command = other;
}

/// Runs a command that is expected to end by itself; its status and stderr.
pub fn run_to_end(command: &mut Command) -> (ExitStatus, String) {
    let mut child = KilledOnDrop(command.spawn().expect("it can be started"));
    let mut pipe = child.0.stderr.take().expect("a pipe");
    let reader = thread::spawn(move || {
        let mut stderr = String::new();
        pipe.read_to_string(&mut stderr).map(|_| stderr)
    });
    let status = until("the program ends", || child.0.try_wait().expect("its end"));
    let stderr = reader.join().expect("a reader").expect("stderr is text");
    (status, stderr)
}

struct KilledOnDrop(Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The address in the line `listening on http://ADDRESS:PORT`, once it is whole.
fn listening_address(stderr: &str) -> Option<SocketAddr> {
    let rest = stderr.split_once("listening on http://")?.1;
    let rest = rest.split_once('\n')?.0;
    rest.split(['/', ' ']).next()?.parse().ok()
}

#[test]
fn finds_the_address_in_the_log() {
    for (stderr, address) in [
        ("listening on http://127.0.0.1:80\n", Some("127.0.0.1:80")),
        (
            "x\nINFO listening on http://127.0.0.1:8/\ny",
            Some("127.0.0.1:8"),
        ),
        ("listening on http://127.0.0.1:80", None),
        ("ready\n", None),
    ] {
        let address = address.map(|address| address.parse().unwrap());
        assert_eq!(listening_address(stderr), address, "{stderr:?}");
    }
}

#[test]
fn distinguishes_a_process_from_its_successor() {
    let own = Stat::of_process(std::process::id() as i32).unwrap();
    assert!(own.state != 'Z' && own.parent > 0 && own.started_ticks > 0);
    let own = Process {
        pid: std::process::id() as i32,
        started_ticks: own.started_ticks,
    };
    assert!(!own.lives(), "this process is no engine");
}
