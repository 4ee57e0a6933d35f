//! `stream=true`: the text as it is found, as server-sent events (HTML
//! standard, section 9.2).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::unfold;
use http_body_util::StreamBody;
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::hold::{Hold, failure, restarting};
use super::refusal;
use super::told::{Differs, Told};
use crate::blocking;
use crate::http::app::App;
use crate::http::error::api::ApiError;
use crate::http::reply::Reply;
use crate::http::reply::event_stream::event_stream;
use crate::render::usage;
use crate::task::{Listener, Status, TaskProgress, TaskRecord, TranscriptPosition, transcript};

/// Proxies close connections over which nothing comes for a minute, some
/// after less.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The answer, which begins at once and ends with the task.
pub fn stream(app: Arc<App>, hold: Hold) -> Reply {
    let stopping = app.stopping.clone();
    let telling = Telling::begin(app, hold);
    let events = unfold((telling, stopping), async |(mut telling, mut stopping)| {
        let event = tokio::select! {
            biased;
            event = telling.next() => event,
            _ = stopping.wait_for(|stopping| *stopping) => telling.restarting(),
        };
        Some((Ok(Frame::data(event?.into())), (telling, stopping)))
    });
    event_stream(StreamBody::new(events))
}

/// What one client is told.
struct Telling {
    app: Arc<App>,
    /// Until all is told.
    hold: Option<Hold>,
    listener: Listener,
    is_begun: bool,
    /// How it stands, as far as that was not told yet.
    due: Option<TaskProgress>,
    /// How far the transcript was read.
    read: TranscriptPosition,
    told: Told,
    ready: VecDeque<String>,
    beats: Interval,
}

impl Telling {
    fn begin(app: Arc<App>, hold: Hold) -> Telling {
        let mut beats = interval(HEARTBEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Telling {
            listener: app.tasks.listen(hold.id()),
            app,
            hold: Some(hold),
            is_begun: false,
            due: None,
            read: TranscriptPosition::default(),
            told: Told::default(),
            ready: VecDeque::new(),
            beats,
        }
    }

    /// The next event; waits for one. `None` at the end.
    async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            self.hold.as_ref()?;
            if !std::mem::replace(&mut self.is_begun, true) {
                // It may have ended before anybody listened.
                let found = self.record().await;
                let standing = found.map(|record| self.app.tasks.progress(&record));
                self.due = self.listener.newest().or(standing);
                if self.due.is_none() {
                    self.fail(&ApiError::TaskNotFound);
                }
                continue;
            }
            match self.due.take() {
                Some(standing) => self.take(standing).await,
                None => self.wait().await,
            }
        }
    }

    /// Until there is something to do.
    async fn wait(&mut self) {
        let Some(hold) = &mut self.hold else { return };
        tokio::select! {
            forsaken = hold.forsaken() => {
                self.ready.push_back(event(&refusal::document(&forsaken)));
                // Its task goes with it.
                self.hold = None;
            }
            changed = self.listener.changed() => match changed {
                Ok(()) => self.due = self.listener.newest(),
                Err(_) => self.fail(&ApiError::TaskNotFound),
            },
            _ = self.beats.tick() => self.ready.push_back(": wait\n\n".into()),
        }
    }
}

impl Telling {
    /// Tells a piece of what was found meanwhile, or else the end.
    async fn take(&mut self, standing: TaskProgress) {
        let found = match &standing {
            TaskProgress::Complete { position: None } => match self.whole().await {
                Some(found) => Some(found),
                None => return self.fail(&ApiError::TaskNotFound),
            },
            TaskProgress::Failed { reason } => return self.fail(&self.failure(reason).await),
            other => other.position(),
        };
        let found = found.unwrap_or(self.read);
        if found.attempt != self.read.attempt {
            let attempt = found.attempt;
            self.read = TranscriptPosition { attempt, bytes: 0 };
            self.told.again();
        }
        let is_complete = matches!(standing, TaskProgress::Complete { .. });
        if self.read.bytes < found.bytes {
            self.due = Some(standing);
            let Some(hold) = &self.hold else { return };
            let (dir, from) = (self.app.tasks.dir(hold.id()), self.read.bytes);
            let read = blocking::run(move || transcript::read_along(&dir, from, found.bytes)).await;
            match read {
                // Of one that is begun anew at this moment it is told next.
                Ok((segments, next)) if !segments.is_empty() || !is_complete => {
                    self.read.bytes = next;
                    for segment in segments {
                        self.tell(&segment.text);
                    }
                }
                Ok(_) => self.fail(&ApiError::TaskNotFound),
                Err(error) => self.fail(&ApiError::Internal(error.to_string())),
            }
        } else if is_complete {
            self.finish().await;
        }
    }

    /// Tells the whole, once more, and what it cost.
    async fn finish(&mut self) {
        let Some(record) = self.record().await else {
            return self.fail(&ApiError::TaskNotFound);
        };
        match self.told.end() {
            Ok(text) => {
                let kind = "transcript.text.done";
                let done = json!({ "type": kind, "text": text, "usage": usage(record.audio_duration.unwrap_or_default()) });
                self.ready.push_back(event(&done));
                self.end();
            }
            Err(Differs) => self.differ(),
        }
    }

    /// One more segment.
    fn tell(&mut self, segment: &str) {
        match self.told.hear(segment) {
            _ if self.hold.is_none() => {}
            Ok(None) => {}
            Ok(Some(delta)) => {
                let delta = json!({ "type": "transcript.text.delta", "delta": delta });
                self.ready.push_back(event(&delta));
            }
            Err(Differs) => self.differ(),
        }
    }

    /// It was lost, begun anew, and is not what was told before.
    fn differ(&mut self) {
        let Some(hold) = &self.hold else { return };
        let why = format!(
            "the engine was lost and began anew, and now hears other words than those you got; \
             the transcript will be at /task/{}/transcript",
            hold.id()
        );
        self.fail(&ApiError::TaskFailed(why));
    }

    /// All of the transcript of a task that ended before anybody listened.
    async fn whole(&self) -> Option<TranscriptPosition> {
        let dir = self.app.tasks.dir(self.hold.as_ref()?.id());
        let bytes = blocking::run(move || transcript::bytes(&dir)).await.ok()?;
        let attempt = u64::MAX;
        Some(TranscriptPosition { attempt, bytes })
    }

    /// The task as it is known now.
    async fn record(&self) -> Option<Arc<TaskRecord>> {
        let id = self.hold.as_ref()?.id();
        let tasks = Arc::clone(&self.app.tasks);
        blocking::run(move || tasks.find(id)).await
    }

    async fn failure(&self, reason: &str) -> ApiError {
        match self.record().await {
            Some(record) if record.status == Status::Failed => failure(&record),
            _ => ApiError::TaskFailed(reason.to_owned()),
        }
    }

    /// The end of it, as the daemon stops.
    fn restarting(&mut self) -> Option<String> {
        let id = self.hold.as_ref()?.id();
        self.fail(&restarting(id));
        self.ready.pop_back()
    }

    /// The client learns why nothing more comes. What was read goes before.
    fn fail(&mut self, error: &ApiError) {
        self.ready.push_back(event(&refusal::document(error)));
        self.end();
    }

    fn end(&mut self) {
        self.due = None;
        if let Some(hold) = self.hold.take() {
            hold.over();
        }
    }
}

fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}
