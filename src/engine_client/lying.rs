//! Tests: the whole client against an engine in hostile hands.

use std::time::Duration;

use tokio::net::UnixListener;
use tokio::task::JoinHandle;

use super::engine::{Engine, EngineSource, EngineState, JobEvent, engine};
use super::supervisor::supervise;
use super::testing::{FakeEngine, model, started, submit};
use crate::protocol::wire::encode;
use crate::protocol::{ModelInfo, Report, Segment, VERSION};

/// More than any buffer between the two holds.
const FLOOD_BYTES: usize = 64 << 20;

struct Scene {
    _dir: tempfile::TempDir,
    listener: UnixListener,
    engine: Engine,
    supervised: JoinHandle<()>,
}

impl Scene {
    fn new() -> Scene {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("engine");
        let listener = UnixListener::bind(&path).unwrap();
        let (engine, receiver) = engine();
        let supervised = tokio::spawn(supervise(EngineSource::Service(path), receiver));
        Scene {
            _dir: dir,
            listener,
            engine,
            supervised,
        }
    }

    /// Why the engine counts as lost, in the words of its state.
    async fn lost(&self) -> String {
        let mut states = self.engine.states();
        let is_lost = |state: &EngineState| matches!(state, EngineState::Unusable { .. });
        let state = states.wait_for(is_lost).await.unwrap().clone();
        assert!(!self.supervised.is_finished(), "the supervisor ended");
        match state {
            EngineState::Unusable { reason } => reason,
            other => panic!("{other:?}"),
        }
    }
}

/// Sends this over and over until the daemon closes the connection.
async fn flood(fake: &mut FakeEngine, report: &Report) {
    let bytes = encode(report).unwrap().repeat(1000);
    let mut sent = 0;
    while fake.send(&bytes).await {
        sent += bytes.len();
        assert!(sent < FLOOD_BYTES, "all of {report:?} was read");
    }
}

#[tokio::test]
async fn an_endless_patience_is_cut_and_jobs_run() {
    let scene = Scene::new();
    let mut fake = FakeEngine::accept(&scene.listener).await;
    let mut running = Vec::new();
    for patience_s in [1 << 63, u64::MAX, 0] {
        let model = ModelInfo {
            patience_s,
            ..model()
        };
        let slots = usize::MAX;
        fake.report(&Report::Ready { model, slots }).await;
        let mut events = submit(&scene.engine, 1).await;
        let (job, _) = fake.job().await;
        fake.report(&Report::Alive { job }).await;
        fake.started(job).await;
        let event = events.recv().await;
        assert!(matches!(event, Some(JobEvent::Started(_))), "{event:?}");
        assert!(*scene.engine.slots().borrow() <= 16);
        running.push(events);
    }
}

#[tokio::test]
async fn floods_end_the_connection() {
    let floods = [
        Report::Hello {
            protocol: VERSION,
            version: "x".into(),
        },
        Report::Loading { model: "x".into() },
        Report::Ready {
            model: model(),
            slots: 1,
        },
        Report::ModelFailed {
            model: "x".into(),
            reason: "y".into(),
        },
        Report::Alive { job: 0 },
        Report::Alive { job: 1 },
        started(1),
        Report::Segment {
            job: 1,
            segment: Segment::default(),
        },
    ];
    for report in floods {
        let scene = Scene::new();
        let mut fake = FakeEngine::accept(&scene.listener).await;
        let mut events = submit(&scene.engine, 1).await;
        fake.job().await;
        fake.started(1).await;
        let reading = tokio::spawn(async move {
            let mut last = None;
            while let Some(event) = events.recv().await {
                last = Some(event);
            }
            last
        });
        flood(&mut fake, &report).await;
        let reason = scene.lost().await;
        assert!(reason.contains("it reported"), "{report:?}: {reason}");
        match reading.await.unwrap() {
            Some(JobEvent::EngineLost(why)) => assert!(why.contains("it reported"), "{why}"),
            other => panic!("{report:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn an_engine_that_lies_again_is_connected_to_ever_later() {
    let scene = Scene::new();
    let mut pauses = Vec::new();
    for _ in 0..3 {
        let begun = tokio::time::Instant::now();
        let mut fake = FakeEngine::accept(&scene.listener).await;
        pauses.push(begun.elapsed());
        // It works at first.
        fake.report(&Report::Alive { job: 7 }).await;
        scene.lost().await;
    }
    let least = [0, 1, 2].map(Duration::from_secs);
    assert!(
        pauses
            .iter()
            .zip(least)
            .all(|(pause, least)| *pause >= least),
        "{pauses:?}"
    );
}

#[tokio::test]
async fn numbers_that_are_none_end_the_connection() {
    let segment =
        |times: &str| format!(r#"{{"type":"segment","job":1,"segment":{{{times},"text":"x"}}}}"#);
    for (number, is_json) in [
        ("1e308", true),
        ("-1", true),
        ("1e999", false),
        ("null", false),
        ("NaN", false),
    ] {
        for json in [
            segment(&format!(r#""start":{number},"end":1"#)),
            segment(&format!(r#""start":0,"end":{number}"#)),
            format!(
                r#"{{"type":"progress","job":1,"reached":{{"done_s":{number},"last_end_s":0,"language":null}},"fraction":0}}"#
            ),
            format!(
                r#"{{"type":"done","job":1,"outcome":{{"language":"en","audio_duration_s":{number},"warning":null}}}}"#
            ),
        ] {
            let scene = Scene::new();
            let mut fake = FakeEngine::accept(&scene.listener).await;
            let mut events = submit(&scene.engine, 1).await;
            fake.job().await;
            fake.started(1).await;
            events.recv().await;
            let length = u32::try_from(json.len()).unwrap().to_le_bytes();
            fake.send(&[&length, json.as_bytes()].concat()).await;
            let event = events.recv().await;
            let Some(JobEvent::EngineLost(reason)) = event else {
                panic!("{json}: {event:?}");
            };
            let expected = match is_json {
                true => "it reported",
                false => "it sent nonsense",
            };
            assert!(reason.contains(expected), "{json}: {reason}");
        }
    }
}

#[tokio::test]
async fn a_frame_without_end_is_not_collected() {
    let scene = Scene::new();
    let mut fake = FakeEngine::connect(&scene.listener).await;
    fake.send(&u32::MAX.to_le_bytes()).await;
    let reason = scene.lost().await;
    assert!(reason.contains("longer than any message"), "{reason}");
}
