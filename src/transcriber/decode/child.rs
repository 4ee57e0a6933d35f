//! The program in the child: confines itself, then decodes the one recording that
//! it is asked for.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Write, stdin};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::sys::prctl::{set_name, set_pdeathsig};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use scribed::protocol::{FailureKind, descriptor, wire};

use super::memory;
use super::message::{Message, Request, SAMPLES_MAX, encode};
use crate::media::{self, Limits, MediaError, Recording, SAMPLE_RATE, Source};

/// Samples are sent in seconds, roughly: the model waits for the first ones.
const STRETCH_SAMPLES: usize = SAMPLE_RATE as usize;

/// Signs of life while there is nothing to send.
const ALIVE_INTERVAL: Duration = Duration::from_millis(200);

/// Its own, and those of the pipes of ffmpeg.
const FILES_MAX: u64 = 64;

const RECEIVE_BYTES: usize = 4096;

/// Serves the stream on standard input; errors mean that this process is of no
/// use, which the engine sees.
pub fn run() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("scribed-transcriber: the decoder failed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> io::Result<()> {
    // If the engine ended before this line, so did its end of the stream.
    set_pdeathsig(Signal::SIGKILL)?;
    set_name(c"scribed-decode")?;
    memory::limit()?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    setrlimit(Resource::RLIMIT_NOFILE, FILES_MAX, FILES_MAX)?;
    let programs: Vec<_> = media::ffmpeg_program().into_iter().collect();
    media::confine_self(&programs, "the decoder")?;
    let stream = UnixStream::from(stdin().as_fd().try_clone_to_owned()?);
    let output = Output {
        stream: RefCell::new(stream.try_clone()?),
        sent: RefCell::new(Instant::now()),
    };
    output.send(&Message::Ready, &[])?;
    let (request, recording) = receive(&stream)?;
    // A panic is the file's end; its message is in the log.
    let result = catch_unwind(AssertUnwindSafe(|| decode(recording, &request, &output)));
    match result.unwrap_or(Err(Failure::Media(MediaError::Panicked))) {
        Ok(()) => output.send(&Message::End, &[]),
        Err(Failure::Media(error)) => output.send(
            &Message::Failed {
                kind: kind(&error),
                reason: error.to_string(),
            },
            &[],
        ),
        Err(Failure::Output(error)) => Err(error),
    }
}

fn kind(error: &MediaError) -> FailureKind {
    match error {
        MediaError::Stopped => FailureKind::Cancelled,
        // Not the recording's fault.
        MediaError::FfmpegStart(_) => FailureKind::Model,
        _ => FailureKind::Rejected,
    }
}

/// The request, and the recording beside it.
fn receive(stream: &UnixStream) -> io::Result<(Request, File)> {
    let mut decoder = wire::Decoder::default();
    let mut buffer = [0; RECEIVE_BYTES];
    let mut recording: Option<OwnedFd> = None;
    loop {
        let (count, received) = descriptor::receive(stream.as_fd(), &mut buffer)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        recording = received.or(recording);
        decoder.push(&buffer[..count]);
        if let Some(request) = decoder.message().map_err(io::Error::other)? {
            let recording = recording.ok_or_else(|| io::Error::other("no recording came"))?;
            return Ok((request, recording.into()));
        }
    }
}

/// Where messages go.
struct Output {
    stream: RefCell<UnixStream>,
    /// The last time that something went.
    sent: RefCell<Instant>,
}

impl Output {
    fn send(&self, message: &Message, samples: &[f32]) -> io::Result<()> {
        let bytes = encode(message, samples)?;
        self.stream.borrow_mut().write_all(&bytes)?;
        self.sent.replace(Instant::now());
        Ok(())
    }

    /// A sign of life if it is time for one; false once the engine is gone.
    fn keep_going(&self) -> bool {
        let is_due = self.sent.borrow().elapsed() >= ALIVE_INTERVAL;
        !is_due || self.send(&Message::Alive, &[]).is_ok()
    }
}

enum Failure {
    Media(MediaError),
    /// The engine is gone.
    Output(io::Error),
}

impl From<MediaError> for Failure {
    fn from(error: MediaError) -> Self {
        Self::Media(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

fn decode(recording: File, request: &Request, output: &Output) -> Result<(), Failure> {
    let keep_going = || output.keep_going();
    let limits = Limits {
        max_duration_s: request.max_duration_s as f64,
        keep_going: &keep_going,
    };
    let source = Source::new(recording, request.size_bytes);
    let mut recording = Recording::open(source, request.extension.as_deref(), &limits)?;
    output.send(&Message::Opened(recording.audio()), &[])?;
    let mut samples = Vec::with_capacity(STRETCH_SAMPLES * 2);
    let mut more = true;
    while more {
        samples.clear();
        while more && samples.len() < STRETCH_SAMPLES {
            if !keep_going() {
                return Err(MediaError::Stopped.into());
            }
            more = recording.read(&mut samples)?;
        }
        let read_fraction = recording.read_fraction();
        for samples in samples.chunks(SAMPLES_MAX) {
            output.send(&Message::Samples { read_fraction }, samples)?;
        }
    }
    if let Some(lacking) = recording.warning() {
        tracing::warn!("{lacking}");
        output.send(&Message::Lacking(lacking), &[])?;
    }
    Ok(())
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Says what the test below does, where it is the program in the child.
    pub const CHILD: &str = "SCRIBED_TEST_CHILD";
    /// What a child does.
    pub const DECODES: &str = "decodes";
    /// It asks for as much memory as there may be, and then for more.
    pub const EXHAUSTS_ITS_MEMORY: &str = "exhausts its memory";

    /// The child of tests is the test program, which runs this test alone.
    #[test]
    fn as_a_program() {
        let Ok(wanted) = std::env::var(CHILD) else {
            return;
        };
        match &*wanted {
            DECODES => drop(run()),
            _ => exhaust_memory(),
        }
        // Nothing of the test harness is to be reported.
        std::process::exit(0);
    }

    fn exhaust_memory() {
        memory::limit().unwrap();
        let output = Output {
            stream: RefCell::new(stdin().as_fd().try_clone_to_owned().unwrap().into()),
            sent: RefCell::new(Instant::now()),
        };
        output.send(&Message::Ready, &[]).unwrap();
        let half = vec![1_u8; media::DECODER_BYTES as usize / 2];
        output.send(&Message::Lacking(String::new()), &[]).unwrap();
        let other = vec![1_u8; media::DECODER_BYTES as usize / 2];
        // Both are in use.
        let message = Message::Lacking(format!("{}", half[5] + other[5]));
        output.send(&message, &[]).unwrap();
    }
}
