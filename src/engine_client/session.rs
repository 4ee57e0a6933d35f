//! One connection to an engine, from its hello to its end.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::{Desk, EngineState, JobEvent, Submission};
use crate::models;
use crate::protocol::wire::{Decoder, WireError, encode};
use crate::protocol::{Job, Report, Request, VERSION, descriptor};

/// A started engine says hello within this time.
const HELLO_LIMIT: Duration = Duration::from_secs(20);
/// Reading gigabytes of model from a slow disk gives no sign of life.
const LOADING_LIMIT: Duration = Duration::from_secs(600);
/// A working engine gives a sign of life about every second; one that gives
/// none for this long hangs. Slow ones say how much longer theirs may take.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionEnd {
    /// End of stream: its process can tell why.
    #[error("the engine ended")]
    Closed,
    /// It is there, but it does not move.
    #[error("it gave no sign of life for {} seconds", .0.as_secs())]
    Silent(Duration),
    /// Not our engine.
    #[error("it sent nonsense: {0}")]
    Nonsense(#[from] WireError),
    /// An engine of another release.
    #[error("it speaks version {0} of the protocol, this daemon version {VERSION}")]
    Version(u32),
    /// The stream failed.
    #[error("the connection to it failed: {0}")]
    Io(#[from] io::Error),
}

struct Running {
    id: u64,
    events: mpsc::Sender<JobEvent>,
    cancelled: bool,
}

/// One connection, and what may be expected of it next.
struct Session<'a> {
    stream: UnixStream,
    decoder: Decoder,
    desk: &'a mut Desk,
    /// How long a job may give no sign of life.
    patience: Duration,
    /// Jobs can be taken.
    usable: bool,
    running: Option<Running>,
    jobs: u64,
    deadline: Option<(Instant, Duration)>,
}

/// Serves one connection to its end. Whoever had a job is told by the caller:
/// its events come back with the reason.
pub(super) async fn run(
    stream: UnixStream,
    desk: &mut Desk,
) -> (SessionEnd, Option<mpsc::Sender<JobEvent>>) {
    let mut session = Session {
        stream,
        decoder: Decoder::default(),
        desk,
        patience: SILENCE_LIMIT,
        usable: false,
        running: None,
        jobs: 0,
        deadline: Some((Instant::now() + HELLO_LIMIT, HELLO_LIMIT)),
    };
    let end = match session.serve().await {
        Ok(never) => match never {},
        Err(end) => end,
    };
    (end, session.running.map(|running| running.events))
}

impl Session<'_> {
    async fn serve(&mut self) -> Result<std::convert::Infallible, SessionEnd> {
        let mut buffer = vec![0; 16 << 10];
        loop {
            while let Some(report) = self.decoder.message::<Report>()? {
                self.take(report).await?;
            }
            let events = self
                .running
                .as_ref()
                .filter(|running| !running.cancelled)
                .map(|running| running.events.clone());
            tokio::select! {
                count = self.stream.read(&mut buffer) => match count? {
                    0 => return Err(SessionEnd::Closed),
                    count => self.decoder.push(&buffer[..count]),
                },
                Some(submission) = self.desk.orders.recv(), if self.usable && self.running.is_none() => {
                    self.submit(submission).await?;
                }
                () = closed(events) => self.cancel().await?,
                limit = expired(self.deadline) => return Err(SessionEnd::Silent(limit)),
            }
        }
    }

    async fn take(&mut self, report: Report) -> Result<(), SessionEnd> {
        match report {
            Report::Hello { protocol, version } => {
                if protocol != VERSION {
                    let exit = encode(&Request::Exit)?;
                    self.stream.write_all(&exit).await?;
                    return Err(SessionEnd::Version(protocol));
                }
                info!("engine {version} connected");
                self.allow(LOADING_LIMIT);
            }
            Report::Loading { model } => {
                info!("the engine loads model {model}");
                self.allow(LOADING_LIMIT);
                self.desk.state.send_replace(EngineState::Loading { model });
            }
            Report::Ready { model } => {
                info!(
                    "the engine is ready with model {} on {}",
                    model.name, model.device
                );
                if model.name == models::DEMO {
                    warn!(
                        "no model is installed, the demo model is used: {}",
                        models::DEMO_NOTICE
                    );
                }
                self.patience = SILENCE_LIMIT.max(Duration::from_secs(model.patience_s));
                self.settle(EngineState::Ready(model));
            }
            Report::ModelFailed { model, reason } => {
                warn!("model {model} cannot be used: {reason}");
                self.settle(EngineState::Unusable {
                    reason: format!("model {model}: {reason}"),
                });
            }
            Report::Alive { .. } => self.alive(),
            Report::Started { job, media } => self.tell(job, JobEvent::Started(media)).await,
            Report::Progress {
                job,
                reached,
                fraction,
            } => {
                self.tell(job, JobEvent::Progress { reached, fraction })
                    .await;
            }
            Report::Segment { job, segment } => self.tell(job, JobEvent::Segment(segment)).await,
            Report::Done { job, outcome } => {
                self.tell(job, JobEvent::Done(outcome)).await;
                self.end_job(job);
            }
            Report::Failed { job, kind, reason } => {
                self.tell(job, JobEvent::Failed { kind, reason }).await;
                self.end_job(job);
            }
        }
        Ok(())
    }

    /// The engine knows now whether it can work.
    fn settle(&mut self, state: EngineState) {
        self.usable = true;
        self.desk.state.send_replace(state);
        match self.running {
            Some(_) => self.allow(self.patience),
            None => self.deadline = None,
        }
    }

    fn alive(&mut self) {
        if self.running.is_some() {
            self.allow(self.patience);
        }
    }

    fn allow(&mut self, limit: Duration) {
        self.deadline = Some((Instant::now() + limit, limit));
    }

    async fn tell(&mut self, job: u64, event: JobEvent) {
        self.alive();
        if let Some(running) = self.running.as_ref().filter(|running| running.id == job) {
            // Whoever does not listen any more has cancelled.
            let _ = running.events.send(event).await;
        }
    }

    fn end_job(&mut self, job: u64) {
        if self
            .running
            .as_ref()
            .is_some_and(|running| running.id == job)
        {
            self.running = None;
            self.deadline = None;
        }
    }

    async fn submit(&mut self, submission: Submission) -> Result<(), SessionEnd> {
        let Submission { order, events } = submission;
        if events.is_closed() {
            return Ok(());
        }
        self.jobs += 1;
        let frame = encode(&Request::Transcribe(Box::new(Job {
            id: self.jobs,
            size_bytes: order.size_bytes,
            extension: order.extension,
            model: order.model,
            language: order.language,
            options: order.options,
            max_duration_s: order.max_duration.as_secs(),
            reached: order.reached,
        })))?;
        // From here on the one who ordered is told how it ends.
        self.running = Some(Running {
            id: self.jobs,
            events,
            cancelled: false,
        });
        self.allow(self.patience);
        let stream = &self.stream;
        let sent = stream
            .async_io(Interest::WRITABLE, || {
                descriptor::send(stream.as_fd(), &frame, order.recording.as_fd())
            })
            .await?;
        self.stream.write_all(&frame[sent..]).await?;
        Ok(())
    }

    async fn cancel(&mut self) -> Result<(), SessionEnd> {
        if let Some(running) = &mut self.running {
            running.cancelled = true;
            let frame = encode(&Request::Cancel { job: running.id })?;
            self.stream.write_all(&frame).await?;
        }
        Ok(())
    }
}

/// Resolves when the one who ordered stopped listening; never without a job.
async fn closed(events: Option<mpsc::Sender<JobEvent>>) {
    match events {
        Some(events) => events.closed().await,
        None => std::future::pending().await,
    }
}

async fn expired(deadline: Option<(Instant, Duration)>) -> Duration {
    match deadline {
        Some((at, limit)) => {
            sleep_until(at).await;
            limit
        }
        None => std::future::pending().await,
    }
}
