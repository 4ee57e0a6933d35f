//! One connection to an engine, from its hello to its end.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::checked::Checks;
use super::engine::{EngineState, JobEvent, JobReceiver, Submission};
use super::texts::Violation;
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
    /// End of stream; the status of its process says why.
    #[error("the engine ended")]
    Closed,
    /// It hangs.
    #[error("it gave no sign of life for {} seconds", .0.as_secs())]
    Silent(Duration),
    /// Not our engine.
    #[error("it sent nonsense: {0}")]
    Nonsense(#[from] WireError),
    /// No working engine of ours says this.
    #[error("it reported {0}")]
    Violation(#[from] Violation),
    /// An engine of another release.
    #[error("it speaks version {0} of the protocol, this daemon version {VERSION}")]
    Version(u32),
    /// The stream failed.
    #[error("the connection to it failed: {0}")]
    Io(#[from] io::Error),
}

impl SessionEnd {
    /// Whether the engine broke the protocol: another one likely does so again.
    pub(super) fn is_breach(&self) -> bool {
        matches!(self, SessionEnd::Nonsense(_) | SessionEnd::Violation(_))
    }
}

/// When a sign of life is overdue, and after how long a silence.
type Deadline = (Instant, Duration);

/// A job that the engine has.
struct SubmittedJob {
    id: u64,
    events: mpsc::Sender<JobEvent>,
    is_cancelled: bool,
    deadline: Deadline,
}

/// One connection, and what may be expected of it next.
struct Session<'a> {
    stream: UnixStream,
    decoder: Decoder,
    checks: Checks,
    receiver: &'a mut JobReceiver,
    /// How long a job may give no sign of life.
    patience: Duration,
    /// Jobs can be taken.
    usable: bool,
    /// At most as many as the engine has slots.
    jobs: Vec<SubmittedJob>,
    last_id: u64,
    /// For its hello and for the model that it loads; the jobs' own deadlines
    /// wait meanwhile.
    deadline: Option<Deadline>,
}

/// Serves one connection to its end. Returns the events of the jobs that it had
/// then: the caller sends them the reason.
pub(super) async fn run(
    stream: UnixStream,
    receiver: &mut JobReceiver,
) -> (SessionEnd, Vec<mpsc::Sender<JobEvent>>) {
    let mut session = Session {
        stream,
        decoder: Decoder::default(),
        checks: Checks::new(Instant::now()),
        receiver,
        patience: SILENCE_LIMIT,
        usable: false,
        jobs: Vec::new(),
        last_id: 0,
        deadline: Some(within(HELLO_LIMIT)),
    };
    let end = match session.serve().await {
        Ok(never) => match never {},
        Err(end) => end,
    };
    let events = session.jobs.into_iter().map(|job| job.events);
    (end, events.collect())
}

impl Session<'_> {
    async fn serve(&mut self) -> Result<std::convert::Infallible, SessionEnd> {
        let mut buffer = vec![0; 16 << 10];
        loop {
            while let Some(report) = self.decoder.message::<Report>()? {
                if let Some(checked) = self.checks.check(report, Instant::now())? {
                    self.take(checked).await?;
                }
            }
            let has_free_slot = self.usable && self.jobs.len() < *self.receiver.slots.borrow();
            let deadline = self.next_deadline();
            tokio::select! {
                count = self.stream.read(&mut buffer) => match count? {
                    0 => return Err(SessionEnd::Closed),
                    count => self.decoder.push(buffer.get(..count).unwrap_or_default()),
                },
                Some(submission) = self.receiver.requests.recv(), if has_free_slot => {
                    self.submit(submission).await?;
                }
                job = abandoned(&self.jobs) => self.cancel(job).await?,
                limit = expired(deadline) => return Err(SessionEnd::Silent(limit)),
            }
        }
    }

    fn next_deadline(&self) -> Option<Deadline> {
        let jobs = self.jobs.iter().map(|job| job.deadline);
        self.deadline.or_else(|| jobs.min_by_key(|(at, _)| *at))
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
                self.deadline = Some(within(LOADING_LIMIT));
            }
            Report::Loading { model } => {
                info!("the engine loads model {model}");
                self.deadline = Some(within(LOADING_LIMIT));
                self.receiver
                    .state
                    .send_replace(EngineState::Loading { model });
            }
            Report::Ready { model, slots } => {
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
                self.receiver
                    .slots
                    .send_if_modified(|known| std::mem::replace(known, slots) != slots);
                self.patience = SILENCE_LIMIT.max(Duration::from_secs(model.patience_s));
                self.settle(EngineState::Ready(model));
            }
            Report::ModelFailed { model, reason } => {
                warn!("model {model} cannot be used: {reason}");
                self.settle(EngineState::Unusable {
                    reason: format!("model {model}: {reason}"),
                });
            }
            Report::Alive { job } => self.alive(job),
            Report::Started { job, media } => self.forward(job, JobEvent::Started(media)).await,
            Report::Progress {
                job,
                reached,
                fraction,
            } => {
                self.forward(job, JobEvent::Progress { reached, fraction })
                    .await;
            }
            Report::Segment { job, segment } => self.forward(job, JobEvent::Segment(segment)).await,
            Report::Done { job, outcome } => {
                self.forward(job, JobEvent::Done(outcome)).await;
                self.end_job(job);
            }
            Report::Failed { job, kind, reason } => {
                self.forward(job, JobEvent::Failed { kind, reason }).await;
                self.end_job(job);
            }
        }
        Ok(())
    }

    /// The engine knows now whether it can work.
    fn settle(&mut self, state: EngineState) {
        self.usable = true;
        self.receiver.state.send_replace(state);
        self.deadline = None;
        for job in &mut self.jobs {
            job.deadline = within(self.patience);
        }
    }

    fn alive(&mut self, id: u64) {
        let patience = self.patience;
        if let Some(job) = self.jobs.iter_mut().find(|job| job.id == id) {
            job.deadline = within(patience);
        }
    }

    /// Waits while too many events of this job are unread, and reads nothing
    /// from the engine meanwhile: that time is no silence of any job's.
    async fn forward(&mut self, id: u64, event: JobEvent) {
        self.alive(id);
        let Some(job) = self.jobs.iter().find(|job| job.id == id) else {
            return;
        };
        let begun = Instant::now();
        // An error means that it was cancelled.
        let _ = job.events.send(event).await;
        for job in &mut self.jobs {
            let (at, _) = &mut job.deadline;
            *at = at.checked_add(begun.elapsed()).unwrap_or(*at);
        }
    }

    fn end_job(&mut self, id: u64) {
        self.jobs.retain(|job| job.id != id);
    }

    async fn submit(&mut self, submission: Submission) -> Result<(), SessionEnd> {
        let Submission { request, events } = submission;
        if events.is_closed() {
            return Ok(());
        }
        self.last_id = self.last_id.saturating_add(1);
        let job = Job {
            id: self.last_id,
            ..request.job
        };
        self.checks.begin(&job);
        let frame = encode(&Request::Transcribe(Box::new(job)))?;
        // From here on its events get the end of the connection, too.
        self.jobs.push(SubmittedJob {
            id: self.last_id,
            events,
            is_cancelled: false,
            deadline: within(self.patience),
        });
        let stream = &self.stream;
        let sent = stream
            .async_io(Interest::WRITABLE, || {
                descriptor::send(stream.as_fd(), &frame, request.recording.as_fd())
            })
            .await?;
        let rest = frame.get(sent..).unwrap_or_default();
        self.stream.write_all(rest).await?;
        Ok(())
    }

    async fn cancel(&mut self, id: u64) -> Result<(), SessionEnd> {
        if let Some(job) = self.jobs.iter_mut().find(|job| job.id == id) {
            job.is_cancelled = true;
            let frame = encode(&Request::Cancel { job: id })?;
            self.stream.write_all(&frame).await?;
        }
        Ok(())
    }
}

fn within(limit: Duration) -> Deadline {
    let now = Instant::now();
    // No limit is longer than hours.
    (now.checked_add(limit).unwrap_or(now), limit)
}

/// Resolves with a job whose events are read no more and that is not cancelled yet.
async fn abandoned(jobs: &[SubmittedJob]) -> u64 {
    let open = jobs.iter().filter(|job| !job.is_cancelled);
    let mut closed: FuturesUnordered<_> = open
        .map(async |job| {
            job.events.closed().await;
            job.id
        })
        .collect();
    match closed.next().await {
        Some(id) => id,
        None => std::future::pending().await,
    }
}

async fn expired(deadline: Option<Deadline>) -> Duration {
    match deadline {
        Some((at, limit)) => {
            sleep_until(at).await;
            limit
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::super::engine::engine;
    use super::*;

    #[tokio::test]
    async fn a_job_hangs_though_another_one_is_alive() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (_engine, mut receiver) = engine();
        let patience = Duration::from_millis(200);
        let mut checks = Checks::new(Instant::now());
        let hello = Report::Hello {
            protocol: VERSION,
            version: "test".into(),
        };
        checks.check(hello, Instant::now()).unwrap();
        let recording: Job =
            serde_json::from_str(r#"{"id":0,"size_bytes":1,"options":{},"max_duration_s":1}"#)
                .unwrap();
        for id in [1, 2] {
            checks.begin(&Job {
                id,
                ..recording.clone()
            });
        }
        let mut session = Session {
            stream: ours,
            decoder: Decoder::default(),
            checks,
            receiver: &mut receiver,
            patience,
            usable: true,
            jobs: Vec::new(),
            last_id: 2,
            deadline: None,
        };
        for id in [1, 2] {
            session.jobs.push(SubmittedJob {
                id,
                events: mpsc::channel(1).0,
                is_cancelled: true,
                deadline: (Instant::now() + patience, patience),
            });
        }
        let alive = encode(&Report::Alive { job: 1 }).unwrap();
        let beats = async {
            for _ in 0..1000 {
                theirs.write_all(&alive).await.unwrap();
                tokio::time::sleep(patience / 20).await;
            }
        };
        tokio::select! {
            end = session.serve() => {
                assert!(matches!(end, Err(SessionEnd::Silent(limit)) if limit == patience));
            }
            () = beats => panic!("nobody noticed"),
        }
    }
}
