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

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd;
    use std::path::PathBuf;

    use tokio::io::{AsyncWriteExt, Interest};
    use tokio::net::UnixListener;
    use tokio::sync::mpsc;

    use super::super::engine::{Engine, JobRequest, engine};
    use super::*;
    use crate::options::Options;
    use crate::protocol::Job;
    use crate::protocol::wire::{Decoder, encode};
    use crate::protocol::{
        FailureKind, ModelInfo, Outcome, Report, Request, Segment, VERSION, descriptor,
    };

    /// An engine with two slots that does what the test says.
    struct FakeEngine {
        stream: UnixStream,
        decoder: Decoder,
    }

    impl FakeEngine {
        async fn accept(listener: &UnixListener) -> FakeEngine {
            let (stream, _) = listener.accept().await.unwrap();
            let mut engine = FakeEngine {
                stream,
                decoder: Decoder::default(),
            };
            let (protocol, version) = (VERSION, "test".to_owned());
            engine.report(&Report::Hello { protocol, version }).await;
            let model = ModelInfo {
                name: "base".into(),
                multilingual: true,
                device: "cpu".into(),
                patience_s: 1,
            };
            engine.report(&Report::Ready { model, slots: 2 }).await;
            engine
        }

        async fn report(&mut self, report: &Report) {
            self.stream
                .write_all(&encode(report).unwrap())
                .await
                .unwrap();
        }

        async fn segment(&mut self, job: u64, text: &str) {
            let text = text.to_owned();
            let segment = Segment {
                text,
                ..Segment::default()
            };
            self.report(&Report::Segment { job, segment }).await;
        }

        /// The next request.
        async fn request(&mut self) -> Request {
            let mut buffer = vec![0; 1024];
            loop {
                if let Some(request) = self.decoder.message().unwrap() {
                    return request;
                }
                let stream = &self.stream;
                let received = stream.async_io(Interest::READABLE, || {
                    descriptor::receive(stream.as_fd(), &mut buffer)
                });
                let (count, _) = received.await.unwrap();
                assert!(count > 0, "the daemon hung up");
                self.decoder.push(&buffer[..count]);
            }
        }

        /// The id and the length of the next job.
        async fn job(&mut self) -> (u64, u64) {
            match self.request().await {
                Request::Transcribe(job) => (job.id, job.size_bytes),
                other => panic!("{other:?}"),
            }
        }
    }

    /// The length identifies the job.
    async fn submit(engine: &Engine, size_bytes: u64) -> mpsc::Receiver<JobEvent> {
        let recording = File::open("/dev/null").unwrap();
        let job = Job {
            id: 0,
            size_bytes,
            extension: None,
            model: None,
            language: None,
            options: Options::default(),
            max_duration_s: 60,
            reached: None,
        };
        engine.submit(JobRequest { recording, job }).await
    }

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
        for (job, said) in [(a.0, "a1"), (b.0, "b1"), (b.0, "b2"), (a.0, "a2")] {
            fake.segment(job, said).await;
        }
        fake.segment(99, "no such job").await;
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
        let c = fake.job().await;
        assert_eq!(c.1, 30);
        let mut third = third.await.unwrap();
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
        fake.report(&done).await;
        assert_eq!(fourth.recv().await, Some(JobEvent::Done(outcome)));
        supervised.abort();
    }
}
