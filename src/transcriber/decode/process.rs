//! The child as the engine sees it: started, listened to, and always reaped.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
#[cfg(not(test))]
use std::os::unix::process::CommandExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use scribed::protocol::{descriptor, wire};
use scribed::systemd;

use super::error::DecodeError;
use super::memory;
use super::message::{Message, Parser, Request};
use crate::pulse::Pulse;

/// This program, also after its file was replaced.
const PROGRAM: &str = "/proc/self/exe";

/// How often a child that says nothing is looked after.
const INTERVAL: Duration = Duration::from_millis(200);

/// CPU time without a message, not even [`Message::Alive`], after which a child
/// hangs: between two of them a decoder reads a few megabytes.
const IDLE_CPU_LIMIT: Duration = Duration::from_secs(60);

/// How long a child may run on after closing its end of the stream.
const EXIT_LIMIT: Duration = Duration::from_secs(10);
const EXIT_INTERVAL: Duration = Duration::from_millis(2);

const CHUNK_BYTES: usize = 64 * 1024;

/// Lines of its log that are passed on, and bytes of each.
const LOG_LINES_MAX: usize = 100;
const LOG_LINE_MAX_BYTES: usize = 1024;

/// A running child; killed and reaped when dropped.
pub struct Process {
    child: Child,
    pid: Pid,
    stream: UnixStream,
    parser: Parser,
    log: Log,
    /// It was confined and had the request.
    is_ready: bool,
    /// CPU time it had used when it was last looked after, and at its last
    /// message.
    cpu: Duration,
    cpu_at_message: Duration,
    idle_cpu_limit: Duration,
}

impl Process {
    /// Starts a child and asks it to decode `recording`. The child dies with the
    /// calling thread.
    pub fn start(recording: &File, request: &Request) -> Result<Self, DecodeError> {
        Self::spawn(command(), recording, request).map_err(DecodeError::Start)
    }

    fn spawn(mut command: Command, recording: &File, request: &Request) -> io::Result<Self> {
        let (stream, theirs) = UnixStream::pair()?;
        for name in systemd::ENVIRONMENT {
            command.env_remove(name);
        }
        // Each arena of each thread counts as memory.
        command.env("MALLOC_ARENA_MAX", "1");
        // It can neither read symbols nor spare the memory for them.
        command.env("RUST_BACKTRACE", "0");
        let mut child = command
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        // Keeps no other end of the stream open.
        drop(command);
        let pid = Pid::from_raw(child.id() as i32);
        let log = Log::new(child.stderr.take());
        let mut process = Self {
            child,
            pid,
            stream,
            parser: Parser::default(),
            log,
            is_ready: false,
            cpu: Duration::ZERO,
            cpu_at_message: Duration::ZERO,
            idle_cpu_limit: IDLE_CPU_LIMIT,
        };
        let frame = wire::encode(request).map_err(io::Error::other)?;
        let stream = &mut process.stream;
        // A child that died already is found out when it is listened to.
        if let Ok(sent) = descriptor::send(stream.as_fd(), &frame, recording.as_fd()) {
            let _ = stream.write_all(&frame[sent..]);
        }
        Ok(process)
    }

    /// Waits for the next message and its samples. Gives signs of life through
    /// `pulse` while the child does.
    pub fn next(&mut self, pulse: &Pulse<'_>) -> Result<(Message, Vec<f32>), DecodeError> {
        let mut chunk = [0; CHUNK_BYTES];
        loop {
            if pulse.stopped() {
                return Err(DecodeError::Stopped);
            }
            if let Some((message, samples)) = self.parser.next()? {
                self.cpu_at_message = self.cpu;
                pulse.keep_going();
                match message {
                    Message::Ready => self.is_ready = true,
                    Message::Alive => {}
                    message => return Ok((message, samples)),
                }
                continue;
            }
            match self.wait()? {
                false => self.look_after(pulse)?,
                true => match self.stream.read(&mut chunk) {
                    Ok(0) => return Err(self.death()),
                    Ok(count) => self.parser.push(&chunk[..count]),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => return Err(self.death()),
                },
            }
        }
    }

    /// True if the stream can be read; false if nothing came for a while.
    fn wait(&mut self) -> Result<bool, DecodeError> {
        let timeout = PollTimeout::try_from(INTERVAL).unwrap_or(PollTimeout::MAX);
        let mut descriptors = vec![PollFd::new(self.stream.as_fd(), PollFlags::POLLIN)];
        let log = self.log.pipe.as_ref();
        descriptors.extend(log.map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
        match poll(&mut descriptors, timeout) {
            Ok(0) => return Ok(false),
            Err(Errno::EINTR) => return Ok(false),
            Err(errno) => return Err(DecodeError::Start(errno.into())),
            Ok(_) => {}
        }
        let is_readable = descriptors[0].any() != Some(false);
        let has_log = descriptors
            .get(1)
            .is_some_and(|pipe| pipe.any() != Some(false));
        if has_log {
            self.log.read();
        }
        Ok(is_readable)
    }

    /// A child without messages is alive as long as it computes, within limits.
    /// One that waits for the disk is not known to be.
    fn look_after(&mut self, pulse: &Pulse<'_>) -> Result<(), DecodeError> {
        let cpu = ClockId::pid_cpu_clock_id(self.pid)
            .and_then(clock_gettime)
            .map_or(self.cpu, Duration::from);
        if cpu > self.cpu {
            self.cpu = cpu;
            pulse.keep_going();
        }
        match self.cpu.saturating_sub(self.cpu_at_message) > self.idle_cpu_limit {
            true => Err(DecodeError::Hung(self.idle_cpu_limit.as_secs())),
            false => Ok(()),
        }
    }

    /// Why its end of the stream was closed too early.
    fn death(&mut self) -> DecodeError {
        let status = self.reap();
        self.log.read_to_end();
        let how = status.map_or_else(|| "it had to be killed".to_owned(), describe);
        if !self.is_ready {
            let words = self.log.last.trim();
            return DecodeError::Start(io::Error::other(match words {
                "" => how,
                words => format!("{how} ({words})"),
            }));
        }
        match self.log.is_exhausted {
            true => DecodeError::Memory,
            false => DecodeError::Crashed(how),
        }
    }

    /// How it ended; `None` if it did not by itself.
    fn reap(&mut self) -> Option<ExitStatus> {
        let since = Instant::now();
        while since.elapsed() < EXIT_LIMIT {
            match self.child.try_wait() {
                Ok(None) => thread::sleep(EXIT_INTERVAL),
                Ok(status) => return status,
                Err(_) => break,
            }
        }
        None
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for one that was reaped. Its ffmpeg dies with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The child's program: this one.
fn command() -> Command {
    let mut command = Command::new(PROGRAM);
    #[cfg(not(test))]
    command.arg0("scribed-transcriber").arg("--decode");
    // The program is a test harness then.
    #[cfg(test)]
    {
        use super::child::tests::{CHILD, DECODES};
        command.env(CHILD, DECODES);
        command.args(["--exact", "--nocapture"]);
        command.arg("decode::child::tests::as_a_program");
    }
    command
}

/// Its standard error, passed on line by line.
struct Log {
    /// `None` after its end.
    pipe: Option<ChildStderr>,
    /// The line that has not ended, or the last one.
    last: String,
    lines: usize,
    /// It said that its memory was exhausted.
    is_exhausted: bool,
}

impl Log {
    fn new(pipe: Option<ChildStderr>) -> Self {
        Self {
            pipe,
            last: String::new(),
            lines: 0,
            is_exhausted: false,
        }
    }

    /// Reads what has come; waits if nothing has.
    fn read(&mut self) {
        let mut chunk = [0; LOG_LINE_MAX_BYTES];
        let Some(pipe) = &mut self.pipe else {
            return;
        };
        match pipe.read(&mut chunk) {
            Ok(0) | Err(_) => self.pipe = None,
            Ok(count) => self.take(&chunk[..count]),
        }
    }

    /// To the end of a child that has exited. What it started may hold the other
    /// end open for a moment.
    fn read_to_end(&mut self) {
        while let Some(pipe) = &self.pipe {
            let mut descriptors = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
            match poll(&mut descriptors, PollTimeout::from(100_u8)) {
                Ok(1..) => self.read(),
                _ => return,
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        for character in String::from_utf8_lossy(bytes).chars() {
            if self.last.ends_with('\n') {
                self.last.clear();
            }
            match character {
                '\n' => {
                    self.is_exhausted |= self.last.starts_with(memory::EXHAUSTED);
                    self.last.push('\n');
                    self.lines += 1;
                    if self.lines <= LOG_LINES_MAX {
                        // A log that cannot be written is no reason to stop.
                        let _ = io::stderr().write_all(self.last.as_bytes());
                    }
                }
                character if character.is_control() => {}
                character if self.last.len() < LOG_LINE_MAX_BYTES => self.last.push(character),
                _ => {}
            }
        }
    }
}

/// How a process ended: "SIGSEGV".
fn describe(status: ExitStatus) -> String {
    match status.signal() {
        Some(signal) => match Signal::try_from(signal) {
            Ok(signal) => signal.as_str().to_owned(),
            Err(_) => format!("signal {signal}"),
        },
        None => format!("status {}", status.code().unwrap_or(-1)),
    }
}

#[cfg(test)]
mod tests;
