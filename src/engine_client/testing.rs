//! An engine that does what a test says.

use std::fs::File;
use std::os::fd::AsFd;

use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

use super::engine::{Engine, JobEvent, JobRequest};
use crate::options::Options;
use crate::protocol::wire::{Decoder, encode};
use crate::protocol::{
    AudioInfo, Job, MediaInfo, ModelInfo, Report, Request, Segment, VERSION, descriptor,
};

/// An engine with two slots that does what the test says.
pub(super) struct FakeEngine {
    stream: UnixStream,
    decoder: Decoder,
}

impl FakeEngine {
    pub(super) async fn accept(listener: &UnixListener) -> FakeEngine {
        let (stream, _) = listener.accept().await.unwrap();
        let mut engine = FakeEngine {
            stream,
            decoder: Decoder::default(),
        };
        let (protocol, version) = (VERSION, "test".to_owned());
        engine.report(&Report::Hello { protocol, version }).await;
        let model = model();
        engine.report(&Report::Ready { model, slots: 2 }).await;
        engine
    }

    /// One that has not said anything.
    pub(super) async fn connect(listener: &UnixListener) -> FakeEngine {
        let (stream, _) = listener.accept().await.unwrap();
        FakeEngine {
            stream,
            decoder: Decoder::default(),
        }
    }

    /// False once the daemon has closed the connection.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    pub(super) async fn report(&mut self, report: &Report) {
        self.stream
            .write_all(&encode(report).unwrap())
            .await
            .unwrap();
    }

    pub(super) async fn segment(&mut self, job: u64, text: &str) {
        let text = text.to_owned();
        let segment = Segment {
            text,
            ..Segment::default()
        };
        self.report(&Report::Segment { job, segment }).await;
    }

    /// A job begins.
    pub(super) async fn started(&mut self, job: u64) {
        self.report(&started(job)).await;
    }

    /// The next request.
    pub(super) async fn request(&mut self) -> Request {
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
    pub(super) async fn job(&mut self) -> (u64, u64) {
        match self.request().await {
            Request::Transcribe(job) => (job.id, job.size_bytes),
            other => panic!("{other:?}"),
        }
    }
}

/// The length identifies the job.
pub(super) async fn submit(engine: &Engine, size_bytes: u64) -> mpsc::Receiver<JobEvent> {
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

/// The model of a [`FakeEngine`].
pub(super) fn model() -> ModelInfo {
    ModelInfo {
        name: "base".into(),
        multilingual: true,
        device: "cpu".into(),
        patience_s: 1,
    }
}

/// The beginning of a job.
pub(super) fn started(job: u64) -> Report {
    let media = MediaInfo {
        audio: AudioInfo::default(),
        model: "base".into(),
    };
    Report::Started { job, media }
}
