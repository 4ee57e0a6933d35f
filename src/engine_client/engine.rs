//! The handle that jobs are submitted through, and the other end of it.

use std::fs::File;
use std::path::{Path, PathBuf};

use tokio::sync::{mpsc, watch};

use crate::protocol::{FailureKind, Job, MediaInfo, ModelInfo, Outcome, Reached, Segment};

/// Where an engine comes from.
#[derive(Debug, Clone)]
pub enum EngineSource {
    /// Started as our child.
    Child(EngineCommand),
    /// A service of its own, reached over this Unix socket. Its service manager
    /// ends one that hangs.
    Service(PathBuf),
}

/// How to start an engine.
#[derive(Debug, Clone)]
pub struct EngineCommand {
    /// The program.
    pub program: PathBuf,
    /// Where it finds models.
    pub models_dir: PathBuf,
    /// The model it keeps resident, or `auto`.
    pub model: String,
    /// CPU threads; 0: all but one core.
    pub threads: usize,
}

/// Whether the engine can transcribe.
#[derive(Debug, Clone, PartialEq)]
pub enum EngineState {
    /// The engine has not reported anything yet.
    Starting,
    /// It reads and warms a model.
    Loading {
        /// The model's name.
        model: String,
    },
    /// It can transcribe.
    Ready(ModelInfo),
    /// It cannot transcribe.
    Unusable {
        /// The reason, for people.
        reason: String,
    },
}

/// A recording to transcribe.
#[derive(Debug)]
pub struct JobRequest {
    /// Opened for reading only; the engine gets this descriptor.
    pub recording: File,
    /// What is to be done with it; its id is set when the engine gets it.
    pub job: Job,
}

/// What happens to a job, the last three at its end.
#[derive(Debug, Clone, PartialEq)]
pub enum JobEvent {
    /// The recording is understood.
    Started(MediaInfo),
    /// So much is transcribed.
    Progress {
        /// Of the audio.
        reached: Reached,
        /// Of the whole, 0..=1.
        fraction: f64,
    },
    /// One more segment.
    Segment(Segment),
    /// It is finished; all segments were reported.
    Done(Outcome),
    /// The engine cannot do it.
    Failed {
        /// What is at fault.
        kind: FailureKind,
        /// The reason, for people.
        reason: String,
    },
    /// The engine ended, or could not be started; the reason, for people.
    EngineLost(String),
}

/// A job on its way to the engine.
#[derive(Debug)]
pub(super) struct Submission {
    pub request: JobRequest,
    pub events: mpsc::Sender<JobEvent>,
}

/// Segments and progress that may wait for their reader.
const EVENTS_IN_FLIGHT: usize = 64;

/// Requests that may wait for the engine beyond its slots; callers that have
/// more wait in [`Engine::submit`].
const REQUESTS_WAITING: usize = 1;

/// Until the engine reports how many jobs it takes at a time.
const SLOTS_AT_START: usize = 1;

/// Submits jobs to the engine.
#[derive(Debug, Clone)]
pub struct Engine {
    requests: mpsc::Sender<Submission>,
    state: watch::Receiver<EngineState>,
    slots: watch::Receiver<usize>,
}

/// Receives the jobs; what [`supervise`](super::supervise) needs.
#[derive(Debug)]
pub struct JobReceiver {
    pub(super) requests: mpsc::Receiver<Submission>,
    pub(super) state: watch::Sender<EngineState>,
    pub(super) slots: watch::Sender<usize>,
}

/// Both ends.
pub fn engine() -> (Engine, JobReceiver) {
    let (requests, requests_end) = mpsc::channel(REQUESTS_WAITING);
    let (state_end, state) = watch::channel(EngineState::Starting);
    let (slots_end, slots) = watch::channel(SLOTS_AT_START);
    let receiver = JobReceiver {
        requests: requests_end,
        state: state_end,
        slots: slots_end,
    };
    let engine = Engine {
        requests,
        state,
        slots,
    };
    (engine, receiver)
}

impl Engine {
    /// Submits a job; events come until its end. Dropping the receiver cancels
    /// it. Waits while all slots are taken, also by jobs whose cancellation the
    /// engine has not confirmed yet.
    pub async fn submit(&self, request: JobRequest) -> mpsc::Receiver<JobEvent> {
        let (events, events_end) = mpsc::channel(EVENTS_IN_FLIGHT);
        // Without a receiver of jobs the events end at once.
        let _ = self.requests.send(Submission { request, events }).await;
        events_end
    }

    /// Whether it can transcribe.
    pub fn state(&self) -> EngineState {
        self.state.borrow().clone()
    }

    /// Every change of its state.
    pub fn states(&self) -> watch::Receiver<EngineState> {
        self.state.clone()
    }

    /// How many jobs it takes at a time.
    pub fn slots(&self) -> watch::Receiver<usize> {
        self.slots.clone()
    }
}

/// The hint that a [`JobRequest`] gives of its recording's type.
pub fn extension_of(name: &Path) -> Option<String> {
    Some(name.extension()?.to_str()?.to_lowercase())
}
