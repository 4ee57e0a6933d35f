//! Keeps an engine running.

use std::time::Duration;

use tokio::net::UnixStream;
use tokio::process::Child;
use tokio::sync::mpsc::Sender;
use tokio::time::Instant;
use tracing::warn;

use super::child;
use super::engine::{EngineSource, EngineState, JobEvent, JobReceiver};
use super::session::{self, SessionEnd};

/// Pause before an engine that had worked is started again.
const PAUSE_LEAST: Duration = Duration::from_millis(500);
/// Longest pause between engines that do not even start.
const PAUSE_MOST: Duration = Duration::from_secs(30);

/// An engine that is lost sooner is suspicious ...
const SHORT_LIFE: Duration = Duration::from_secs(10);
/// ... and more of them in a row are as if none had worked.
const SHORT_LIVES_MAX: u32 = 4;

/// The events of the jobs that an engine had at its end.
type LostJobs = Vec<Sender<JobEvent>>;

/// Starts engines, one after the other, until dropped; that ends a child.
pub async fn supervise(source: EngineSource, mut receiver: JobReceiver) {
    let mut pause = PAUSE_LEAST;
    let mut short_lives: u32 = 0;
    loop {
        let begun = Instant::now();
        let End {
            reason,
            is_breach,
            mut lost,
        } = live(&source, &mut receiver).await;
        short_lives = match begun.elapsed() < SHORT_LIFE {
            true => short_lives.saturating_add(1),
            false => 0,
        };
        let is_ready = matches!(*receiver.state.borrow(), EngineState::Ready(_));
        let worked = is_ready && !is_breach && short_lives <= SHORT_LIVES_MAX;
        pause = match worked {
            true => PAUSE_LEAST,
            false => pause.saturating_mul(2).min(PAUSE_MOST),
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

/// The end of an engine.
struct End {
    /// For people.
    reason: String,
    /// It broke the protocol.
    is_breach: bool,
    lost: LostJobs,
}

impl End {
    /// Of one that was not even reached.
    fn before_work(reason: String) -> End {
        End {
            reason,
            is_breach: false,
            lost: Vec::new(),
        }
    }
}

/// One engine's life.
async fn live(source: &EngineSource, receiver: &mut JobReceiver) -> End {
    match source {
        EngineSource::Child(command) => match child::start(command) {
            Ok((child, stream)) => live_as_child(child, stream, receiver).await,
            Err(error) => {
                let program = command.program.display();
                End::before_work(format!("{program} cannot be started: {error}"))
            }
        },
        EngineSource::Service(path) => match UnixStream::connect(path).await {
            Ok(stream) => {
                let (end, lost) = session::run(stream, receiver).await;
                End {
                    reason: end.to_string(),
                    is_breach: end.is_breach(),
                    lost,
                }
            }
            Err(error) => {
                let path = path.display();
                End::before_work(format!("its service cannot be reached at {path}: {error}"))
            }
        },
    }
}

async fn live_as_child(child: Child, stream: UnixStream, receiver: &mut JobReceiver) -> End {
    let (end, lost) = session::run(stream, receiver).await;
    let is_breach = end.is_breach();
    let reason = match end {
        SessionEnd::Closed => {
            let loading = match &*receiver.state.borrow() {
                EngineState::Loading { model } => format!(" while it loaded model {model}"),
                _ => String::new(),
            };
            format!("{}{loading}", child::end(child).await)
        }
        other => {
            child::kill(child).await;
            other.to_string()
        }
    };
    End {
        reason,
        is_breach,
        lost,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tokio::net::UnixListener;
    use tokio::sync::mpsc;

    use super::super::engine::engine;
    use super::super::testing::{FakeEngine, submit};
    use super::*;
    use crate::protocol::{FailureKind, Outcome, Report, Request};

    async fn text(events: &mut mpsc::Receiver<JobEvent>) -> String {
        match events.recv().await {
            Some(JobEvent::Segment(segment)) => segment.text,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn two_jobs_share_a_stream() {
        let dir = tempfile::tempdir().unwrap();
        let path: PathBuf = dir.path().join("engine");
        let listener = UnixListener::bind(&path).unwrap();
        let (engine, receiver) = engine();
        let supervised = tokio::spawn(supervise(EngineSource::Service(path), receiver));
        let mut fake = FakeEngine::accept(&listener).await;

        let mut first = submit(&engine, 10).await;
        let mut second = submit(&engine, 20).await;
        let third = tokio::spawn({
            let engine = engine.clone();
            async move { submit(&engine, 30).await }
        });
        let (a, b) = (fake.job().await, fake.job().await);
        assert_eq!((a.1, b.1), (10, 20));
        assert_eq!(*engine.slots().borrow(), 2);

        // Reports reach the job that they name, in order.
        for job in [a.0, b.0] {
            fake.started(job).await;
        }
        for events in [&mut first, &mut second] {
            let event = events.recv().await;
            assert!(matches!(event, Some(JobEvent::Started(_))), "{event:?}");
        }
        for (job, said) in [(a.0, "a1"), (b.0, "b1"), (b.0, "b2"), (a.0, "a2")] {
            fake.segment(job, said).await;
        }
        for (events, said) in [(&mut first, ["a1", "a2"]), (&mut second, ["b1", "b2"])] {
            assert_eq!([text(events).await, text(events).await], said);
        }

        // One is cancelled; the other goes on, and its slot stays taken until
        // the engine has stopped the job.
        drop(first);
        assert_eq!(fake.request().await, Request::Cancel { job: a.0 });
        fake.segment(a.0, "too late").await;
        fake.segment(b.0, "b3").await;
        assert_eq!(text(&mut second).await, "b3");
        let (kind, reason) = (FailureKind::Cancelled, "cancelled".to_owned());
        let job = a.0;
        fake.report(&Report::Failed { job, kind, reason }).await;
        fake.segment(a.0, "it has ended").await;
        let c = fake.job().await;
        assert_eq!(c.1, 30);
        let mut third = third.await.unwrap();
        fake.started(c.0).await;
        third.recv().await;
        fake.segment(c.0, "c1").await;
        assert_eq!(text(&mut third).await, "c1");

        // Both of the jobs get the end of the engine.
        drop(fake);
        for events in [&mut second, &mut third] {
            let end = events.recv().await;
            assert!(matches!(end, Some(JobEvent::EngineLost(_))), "{end:?}");
            assert_eq!(events.recv().await, None);
        }

        // The next engine takes jobs again.
        let mut fake = FakeEngine::accept(&listener).await;
        let mut fourth = submit(&engine, 40).await;
        let (job, size_bytes) = fake.job().await;
        assert_eq!(size_bytes, 40);
        let outcome = Outcome {
            language: "en".into(),
            audio_duration_s: 1.0,
            warning: None,
        };
        let done = Report::Done {
            job,
            outcome: outcome.clone(),
        };
        fake.started(job).await;
        fourth.recv().await;
        fake.report(&done).await;
        assert_eq!(fourth.recv().await, Some(JobEvent::Done(outcome)));
        supervised.abort();
    }
}
