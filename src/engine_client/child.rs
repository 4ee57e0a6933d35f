//! An engine as our child process, for machines without its systemd unit.

use std::io;
use std::os::unix::net::UnixStream as StdStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use super::engine::EngineCommand;
use crate::systemd;

/// How long a process may take to be reaped after its stream ended.
const REAP_LIMIT: Duration = Duration::from_secs(2);

/// Starts an engine; the stream is its standard input. Dropping the child
/// kills it.
pub(super) fn start(command: &EngineCommand) -> io::Result<(Child, UnixStream)> {
    let (ours, theirs) = StdStream::pair()?;
    ours.set_nonblocking(true)?;
    let mut program = Command::new(&command.program);
    for name in systemd::ENVIRONMENT {
        program.env_remove(name);
    }
    let child = program
        .arg("--models-dir")
        .arg(&command.models_dir)
        .args(["--model", &command.model])
        .args(["--threads", &command.threads.to_string()])
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    Ok((child, UnixStream::from_std(ours)?))
}

/// Ends a child that is of no more use; returns how it ended, for people.
pub(super) async fn end(mut child: Child) -> String {
    // One that died by itself has a status; one that hangs must be killed.
    let status = match tokio::time::timeout(REAP_LIMIT, child.wait()).await {
        Ok(status) => status,
        Err(_) => {
            return match child.kill().await {
                Ok(()) => "it had to be killed".into(),
                Err(error) => format!("it could not be killed: {error}"),
            };
        }
    };
    status.map_or_else(|error| error.to_string(), describe)
}

/// Ends a child that hangs.
pub(super) async fn kill(mut child: Child) {
    // It is gone already, or dropping it tries once more.
    let _ = child.kill().await;
}

fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => match Signal::try_from(signal) {
            Ok(name) => format!("it died of signal {signal} ({name})"),
            Err(_) => format!("it died of signal {signal}"),
        },
        (_, Some(code)) => format!("it exited with status {code}"),
        _ => "it ended".into(),
    }
}
