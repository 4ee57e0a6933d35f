//! Keeps an engine running.

use std::time::Duration;

use tokio::net::UnixStream;
use tokio::process::Child;
use tokio::sync::mpsc::Sender;
use tracing::warn;

use super::child;
use super::engine::{EngineSource, EngineState, JobEvent, JobReceiver};
use super::session::{self, SessionEnd};

/// Pause before an engine that had worked is started again.
const PAUSE_LEAST: Duration = Duration::from_millis(500);
/// Longest pause between engines that do not even start.
const PAUSE_MOST: Duration = Duration::from_secs(30);

/// The events of the jobs that an engine had at its end.
type LostJobs = Vec<Sender<JobEvent>>;

/// Starts engines, one after the other, until dropped; that ends a child.
pub async fn supervise(source: EngineSource, mut receiver: JobReceiver) {
    let mut pause = PAUSE_LEAST;
    loop {
        let (reason, mut lost) = live(&source, &mut receiver).await;
        let worked = matches!(*receiver.state.borrow(), EngineState::Ready(_));
        pause = if worked {
            PAUSE_LEAST
        } else {
            (pause * 2).min(PAUSE_MOST)
        };
        warn!(
            "engine lost: {reason}; the next one starts in {} ms",
            pause.as_millis()
        );
        receiver.state.send_replace(EngineState::Unusable {
            reason: format!("the engine was lost: {reason}; a new one is on its way"),
        });
        // Where none ran, a job that waited for this engine fails: the engine
        // dies before it can take any.
        if lost.is_empty() {
            lost.extend(waiting(&mut receiver));
        }
        for events in lost {
            // An error means that it was cancelled.
            let _ = events.send(JobEvent::EngineLost(reason.clone())).await;
        }
        tokio::time::sleep(pause).await;
    }
}

/// The first waiting job that was not cancelled.
fn waiting(receiver: &mut JobReceiver) -> Option<Sender<JobEvent>> {
    std::iter::from_fn(|| receiver.requests.try_recv().ok())
        .map(|waiting| waiting.events)
        .find(|events| !events.is_closed())
}

/// One engine's life: why it ended, and the jobs that it had.
async fn live(source: &EngineSource, receiver: &mut JobReceiver) -> (String, LostJobs) {
    match source {
        EngineSource::Child(command) => match child::start(command) {
            Ok((child, stream)) => live_as_child(child, stream, receiver).await,
            Err(error) => {
                let reason = format!("{} cannot be started: {error}", command.program.display());
                (reason, Vec::new())
            }
        },
        EngineSource::Service(path) => match UnixStream::connect(path).await {
            Ok(stream) => {
                let (end, lost) = session::run(stream, receiver).await;
                (end.to_string(), lost)
            }
            Err(error) => {
                let reason = format!(
                    "its service cannot be reached at {}: {error}",
                    path.display()
                );
                (reason, Vec::new())
            }
        },
    }
}

async fn live_as_child(
    child: Child,
    stream: UnixStream,
    receiver: &mut JobReceiver,
) -> (String, LostJobs) {
    let (end, lost) = session::run(stream, receiver).await;
    let reason = match end {
        SessionEnd::Closed => {
            let loading = match &*receiver.state.borrow() {
                EngineState::Loading { model } => format!(" while it loaded model {model}"),
                _ => String::new(),
            };
            child::end(child).await + &loading
        }
        other => {
            child::kill(child).await;
            other.to_string()
        }
    };
    (reason, lost)
}
