//! Reads the requests of one connection.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::Sender;

use scribed::protocol::wire::{self, WireError};
use scribed::protocol::{Job, Request, descriptor};

use crate::connection::Connection;

const RECEIVE_BYTES: usize = 64 * 1024;

/// Why a connection was given up. Its end by the other side is no error.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("the stream to scribed failed: {0}")]
    Stream(#[from] io::Error),
    #[error("scribed sent what is no request: {0}")]
    Wire(#[from] WireError),
    #[error("scribed sent job {0} though every slot was taken")]
    Busy(u64),
    #[error("scribed sent job {0} without its recording")]
    NoRecording(u64),
}

/// What a connection does next.
pub enum Command {
    /// Runs this job.
    Job(AcceptedJob),
    /// Ends once no job runs.
    Exit,
    /// Ends with this error.
    GiveUp(ServeError),
}

/// A job that has a slot.
pub struct AcceptedJob {
    /// As it was sent.
    pub job: Box<Job>,
    /// Came along.
    pub recording: File,
    /// Set when the job must stop.
    pub stop: Arc<AtomicBool>,
}

/// Reads while jobs run: a cancellation must be seen in the middle of one.
pub struct Reader {
    /// What it reads.
    pub stream: UnixStream,
    /// Whose jobs it stops.
    pub connection: Arc<Connection>,
    /// Where its commands go.
    pub sender: Sender<Command>,
}

impl Reader {
    /// Reads to the end of the stream, then stops all jobs and calls `hung_up`.
    pub fn run(self, hung_up: impl FnOnce()) {
        let result = self.read();
        self.connection.stop(None);
        if let Err(error) = result {
            let _ = self.sender.send(Command::GiveUp(error));
        }
        drop(self.sender);
        hung_up();
    }

    fn read(&self) -> Result<(), ServeError> {
        let mut decoder = wire::Decoder::default();
        let mut buffer = vec![0; RECEIVE_BYTES];
        // Comes with the first byte of its frame, which may not be whole yet.
        let mut recording: Option<OwnedFd> = None;
        loop {
            let (count, received) = match descriptor::receive(self.stream.as_fd(), &mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
                result => result?,
            };
            if count == 0 {
                return Ok(());
            }
            recording = received.or(recording);
            decoder.push(&buffer[..count]);
            while let Some(request) = decoder.message()? {
                let command = match request {
                    Request::Transcribe(job) => {
                        let recording = recording.take().ok_or(ServeError::NoRecording(job.id))?;
                        self.accept(job, recording)?
                    }
                    Request::Cancel { job } => {
                        self.connection.stop(Some(job));
                        continue;
                    }
                    Request::Exit => Command::Exit,
                };
                if self.sender.send(command).is_err() {
                    return Ok(());
                }
            }
        }
    }

    fn accept(&self, job: Box<Job>, recording: OwnedFd) -> Result<Command, ServeError> {
        let stop = self.connection.begin(job.id);
        Ok(Command::Job(AcceptedJob {
            stop: stop.ok_or(ServeError::Busy(job.id))?,
            job,
            recording: recording.into(),
        }))
    }
}
