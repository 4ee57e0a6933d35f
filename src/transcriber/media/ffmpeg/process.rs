//! The child process: started confined, monitored, and always reaped.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

use super::confine::Confinement;

/// How long a child may run on after closing its output.
const EXIT_LIMIT: Duration = Duration::from_secs(10);
const EXIT_INTERVAL: Duration = Duration::from_millis(5);

/// A running child; killed and reaped when dropped.
pub struct Process {
    child: Child,
    stdout: ChildStdout,
    pid: Pid,
    status: Option<ExitStatus>,
}

/// The pipes that other threads use.
pub struct Pipes {
    /// For the recording.
    pub stdin: std::process::ChildStdin,
    /// For its messages.
    pub stderr: std::process::ChildStderr,
}

impl Process {
    /// Starts `program`; it dies with the calling thread.
    pub fn start(
        program: &Path,
        arguments: &[String],
        confinement: &Confinement,
    ) -> io::Result<(Self, Pipes)> {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        confinement.apply(&mut command)?;
        let mut child = command.spawn()?;
        let pid = Pid::from_raw(child.id() as i32);
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            unreachable!("all three are pipes");
        };
        let process = Self {
            child,
            stdout,
            pid,
            status: None,
        };
        Ok((process, Pipes { stdin, stderr }))
    }

    /// Reads from its standard output; `None` if nothing arrives within
    /// `patience`.
    pub fn read(&mut self, buffer: &mut [u8], patience: Duration) -> io::Result<Option<usize>> {
        let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
        let mut descriptors = [PollFd::new(self.stdout.as_fd(), PollFlags::POLLIN)];
        match poll(&mut descriptors, timeout) {
            Ok(0) | Err(Errno::EINTR) => Ok(None),
            Ok(_) => self.stdout.read(buffer).map(Some),
            Err(errno) => Err(errno.into()),
        }
    }

    /// For tests that kill it from outside.
    #[cfg(test)]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// CPU time it has used.
    pub fn cpu_time(&self) -> Duration {
        ClockId::pid_cpu_clock_id(self.pid)
            .and_then(clock_gettime)
            .map_or(Duration::ZERO, Duration::from)
    }

    /// Kills it and its process group.
    pub fn kill(&mut self) {
        if self.status.is_none() {
            let _ = killpg(self.pid, Signal::SIGKILL);
            let _ = self.child.kill();
            self.status = self.child.wait().ok();
        }
    }

    /// Waits for its exit, which is expected soon: its output has ended.
    pub fn wait(&mut self) -> Option<ExitStatus> {
        let since = Instant::now();
        while self.status.is_none() {
            match self.child.try_wait() {
                Ok(None) if since.elapsed() < EXIT_LIMIT => thread::sleep(EXIT_INTERVAL),
                Ok(Some(status)) => self.status = Some(status),
                _ => self.kill(),
            }
        }
        self.status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Describes an unsuccessful exit: "it was killed by SIGSEGV".
pub fn describe(status: ExitStatus) -> Option<String> {
    if let Some(signal) = status.signal() {
        let name = Signal::try_from(signal).map_or("an unknown signal", Signal::as_str);
        return Some(format!("it was killed by {name}"));
    }
    match status.code() {
        Some(0) => None,
        code => Some(format!("it ended with status {}", code.unwrap_or(-1))),
    }
}
