//! The daemon's end of the engine: gets one, keeps one, gives it jobs.
//!
//! Whatever the engine does (dies, hangs, talks garbage), the supervisor
//! replaces it, with growing pauses while it does not even start, and tells
//! the one job it may have had (I10).

mod child;
mod session;
mod supervisor;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

pub use supervisor::supervise;

use crate::options::Options;
use crate::protocol::{FailureKind, MediaInfo, ModelInfo, Outcome, Reached, Segment};

/// Where an engine comes from.
#[derive(Debug, Clone)]
pub enum EngineSource {
    /// Started as our child.
    Child(EngineCommand),
    /// A service of its own, reached over this Unix socket. Who ends one that
    /// hangs is its service manager.
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

/// How the engine fares.
#[derive(Debug, Clone, PartialEq)]
pub enum EngineState {
    /// None is there yet.
    Starting,
    /// It reads and warms a model.
    Loading {
        /// The model's name.
        model: String,
    },
    /// It can transcribe.
    Ready(ModelInfo),
    /// It cannot, and why.
    Unusable {
        /// For people.
        reason: String,
    },
}

/// A recording to transcribe.
#[derive(Debug)]
pub struct Order {
    /// Opened for reading only; the engine gets this descriptor.
    pub recording: File,
    /// Its length.
    pub size_bytes: u64,
    /// Of its file name, in lower case without the dot.
    pub extension: Option<String>,
    /// Model asked for; `None`: the resident one.
    pub model: Option<String>,
    /// Whisper code; `None`: detect.
    pub language: Option<String>,
    /// Further wishes.
    pub options: Options,
    /// Longest recording that is transcribed.
    pub max_duration: Duration,
    /// What an earlier attempt had come to.
    pub reached: Option<Reached>,
}

/// What happens to an order, the last three at its end.
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
    /// All segments were told.
    Done(Outcome),
    /// The engine says that it cannot be done.
    Failed {
        /// What is at fault.
        kind: FailureKind,
        /// For people.
        reason: String,
    },
    /// There is no engine any more, or none could be had; for people.
    EngineLost(String),
}

/// An order on its way to the engine.
#[derive(Debug)]
struct Submission {
    order: Order,
    events: mpsc::Sender<JobEvent>,
}

/// Segments and progress that may wait for their reader.
const EVENTS_IN_FLIGHT: usize = 64;

/// Orders that may wait for the engine; who has more keeps them in a queue of
/// their own.
const ORDERS_WAITING: usize = 1;

/// The way to the engine, for those with jobs.
#[derive(Debug, Clone)]
pub struct Engine {
    orders: mpsc::Sender<Submission>,
    state: watch::Receiver<EngineState>,
}

/// What [`supervise`] needs of it.
#[derive(Debug)]
pub struct Desk {
    orders: mpsc::Receiver<Submission>,
    state: watch::Sender<EngineState>,
}

/// Both ends.
pub fn engine() -> (Engine, Desk) {
    let (orders, orders_end) = mpsc::channel(ORDERS_WAITING);
    let (state_end, state) = watch::channel(EngineState::Starting);
    let desk = Desk {
        orders: orders_end,
        state: state_end,
    };
    (Engine { orders, state }, desk)
}

impl Engine {
    /// Gives an order; events come until its end. Dropping the receiver
    /// cancels it. Waits while the engine has not even come to the end of what
    /// was cancelled before.
    pub async fn submit(&self, order: Order) -> mpsc::Receiver<JobEvent> {
        let (events, events_end) = mpsc::channel(EVENTS_IN_FLIGHT);
        // Nobody takes orders any more: the events end at once.
        let _ = self.orders.send(Submission { order, events }).await;
        events_end
    }

    /// How it fares.
    pub fn state(&self) -> EngineState {
        self.state.borrow().clone()
    }

    /// Every change of how it fares.
    pub fn states(&self) -> watch::Receiver<EngineState> {
        self.state.clone()
    }
}

/// The hint that an [`Order`] gives of its recording's type.
pub fn extension_of(name: &Path) -> Option<String> {
    Some(name.extension()?.to_str()?.to_lowercase())
}
