//! Keeps an engine there.

use std::time::Duration;

use tokio::net::UnixStream;
use tokio::process::Child;
use tokio::sync::mpsc::Sender;
use tracing::warn;

use super::session::{self, SessionEnd};
use super::{Desk, EngineSource, EngineState, JobEvent, child};

/// Pause before an engine that had worked is started again.
const PAUSE_LEAST: Duration = Duration::from_millis(500);
/// Longest pause between engines that do not even start.
const PAUSE_MOST: Duration = Duration::from_secs(30);

/// Gets engines, one after the other, until dropped; that ends a child.
pub async fn supervise(source: EngineSource, mut desk: Desk) {
    let mut pause = PAUSE_LEAST;
    loop {
        let (reason, job) = live(&source, &mut desk).await;
        let worked = matches!(*desk.state.borrow(), EngineState::Ready(_));
        pause = if worked {
            PAUSE_LEAST
        } else {
            (pause * 2).min(PAUSE_MOST)
        };
        warn!(
            "engine lost: {reason}; the next one starts in {} ms",
            pause.as_millis()
        );
        desk.state.send_replace(EngineState::Unusable {
            reason: format!("the engine was lost: {reason}; a new one is on its way"),
        });
        // Without a running job, one that waited for this engine is told: the
        // engine dies before it can take any.
        let job = job.or_else(|| waiting(&mut desk));
        if let Some(events) = job {
            // Nobody listens: it was cancelled.
            let _ = events.send(JobEvent::EngineLost(reason)).await;
        }
        tokio::time::sleep(pause).await;
    }
}

/// Who waits for an engine and still wants it.
fn waiting(desk: &mut Desk) -> Option<Sender<JobEvent>> {
    std::iter::from_fn(|| desk.orders.try_recv().ok())
        .map(|waiting| waiting.events)
        .find(|events| !events.is_closed())
}

/// One engine's life: why it ended, and who had a job with it.
async fn live(source: &EngineSource, desk: &mut Desk) -> (String, Option<Sender<JobEvent>>) {
    match source {
        EngineSource::Child(command) => match child::start(command) {
            Ok((child, stream)) => live_as_child(child, stream, desk).await,
            Err(error) => {
                let reason = format!("{} cannot be started: {error}", command.program.display());
                (reason, None)
            }
        },
        EngineSource::Service(path) => match UnixStream::connect(path).await {
            Ok(stream) => {
                let (end, job) = session::run(stream, desk).await;
                (end.to_string(), job)
            }
            Err(error) => {
                let reason = format!(
                    "its service cannot be reached at {}: {error}",
                    path.display()
                );
                (reason, None)
            }
        },
    }
}

async fn live_as_child(
    child: Child,
    stream: UnixStream,
    desk: &mut Desk,
) -> (String, Option<Sender<JobEvent>>) {
    let (end, job) = session::run(stream, desk).await;
    let reason = match end {
        SessionEnd::Closed => {
            let loading = match &*desk.state.borrow() {
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
    (reason, job)
}
