//! `stream=true`: the text as server-sent events while it is transcribed (HTML
//! standard, section 9.2).

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::unfold;
use http_body_util::StreamBody;
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::cancel_on_disconnect::{CancelOnDisconnect, failure, restarting};
use super::refusal;
use super::streamed_text::{Diverged, StreamedText};
use crate::blocking;
use crate::http::app::App;
use crate::http::error::api::ApiError;
use crate::http::reply::Reply;
use crate::http::reply::event_stream::event_stream;
use crate::render::usage;
use crate::task::{Follower, Status, TaskEvent, TaskProgress, TaskRecord};

/// Many proxies close a connection that is idle for a minute.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// A response that begins at once and ends with the task.
pub fn stream(app: Arc<App>, guard: CancelOnDisconnect) -> Reply {
    let stopping = app.stopping.clone();
    let events = Events::begin(app, guard);
    let events = unfold((events, stopping), async |(mut events, mut stopping)| {
        let event = tokio::select! {
            biased;
            event = events.next() => event,
            _ = stopping.wait_for(|stopping| *stopping) => events.restarting(),
        };
        Some((Ok(Frame::data(event?.into())), (events, stopping)))
    });
    event_stream(StreamBody::new(events))
}

/// The events of one response.
struct Events {
    app: Arc<App>,
    /// Until the last event.
    guard: Option<CancelOnDisconnect>,
    follower: Follower,
    is_begun: bool,
    sent: StreamedText,
    ready: VecDeque<String>,
    beats: Interval,
}

impl Events {
    fn begin(app: Arc<App>, guard: CancelOnDisconnect) -> Events {
        let mut beats = interval(HEARTBEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Events {
            follower: Follower::new(&app.tasks, guard.id()),
            app,
            guard: Some(guard),
            is_begun: false,
            sent: StreamedText::default(),
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
            if !std::mem::replace(&mut self.is_begun, true) {
                // It may have ended before.
                let found = self.record().await;
                let found = found.map(|record| self.app.tasks.progress(&record));
                if self.follower.begin(found).is_err() {
                    self.fail(&ApiError::TaskNotFound);
                }
                continue;
            }
            let guard = self.guard.as_mut()?;
            tokio::select! {
                disconnected = guard.disconnected() => {
                    self.ready.push_back(event(&refusal::document(&disconnected)));
                    // Dropping it cancels the task.
                    self.guard = None;
                }
                event = self.follower.next() => self.take(event).await,
                _ = self.beats.tick() => self.ready.push_back(": wait\n\n".into()),
            }
        }
    }

    async fn take(&mut self, event: TaskEvent) {
        match event {
            TaskEvent::Changed | TaskEvent::Progress(_) => {}
            TaskEvent::Restarted => self.sent.restart(),
            TaskEvent::Segments(segments) => {
                for segment in segments {
                    self.send(&segment.text);
                }
            }
            TaskEvent::Ended(TaskProgress::Failed { reason }) => {
                self.fail(&self.failure(&reason).await);
            }
            TaskEvent::Ended(_) => self.finish().await,
            TaskEvent::Unreadable(error) if error.kind() != io::ErrorKind::NotFound => {
                self.fail(&ApiError::Internal(error.to_string()));
            }
            TaskEvent::Unreadable(_) | TaskEvent::Gone => self.fail(&ApiError::TaskNotFound),
        }
    }

    /// Sends the whole text, once more, and its usage.
    async fn finish(&mut self) {
        let Some(record) = self.record().await else {
            return self.fail(&ApiError::TaskNotFound);
        };
        match self.sent.end() {
            Ok(text) => {
                let kind = "transcript.text.done";
                let done = json!({ "type": kind, "text": text, "usage": usage(record.audio_duration.unwrap_or_default()) });
                self.ready.push_back(event(&done));
                self.end();
            }
            Err(Diverged) => self.diverged(),
        }
    }

    /// Sends what a segment adds to the text.
    fn send(&mut self, segment: &str) {
        match self.sent.push(segment) {
            _ if self.guard.is_none() => {}
            Ok(None) => {}
            Ok(Some(delta)) => {
                let delta = json!({ "type": "transcript.text.delta", "delta": delta });
                self.ready.push_back(event(&delta));
            }
            Err(Diverged) => self.diverged(),
        }
    }

    /// A new attempt gave another text than the one that was sent.
    fn diverged(&mut self) {
        let Some(guard) = &self.guard else { return };
        let why = format!(
            "the engine was restarted and its new text differs from the text sent so far; \
             the transcript will be at /task/{}/transcript",
            guard.id()
        );
        self.fail(&ApiError::TaskFailed(why));
    }

    /// The record of the task now.
    async fn record(&self) -> Option<Arc<TaskRecord>> {
        let id = self.guard.as_ref()?.id();
        let tasks = Arc::clone(&self.app.tasks);
        blocking::run(move || tasks.find(id)).await
    }

    async fn failure(&self, reason: &str) -> ApiError {
        match self.record().await {
            Some(record) if record.status == Status::Failed => failure(&record),
            _ => ApiError::TaskFailed(reason.to_owned()),
        }
    }

    /// The last event when the daemon stops.
    fn restarting(&mut self) -> Option<String> {
        let id = self.guard.as_ref()?.id();
        self.fail(&restarting(id));
        self.ready.pop_back()
    }

    /// Sends an error as the last event.
    fn fail(&mut self, error: &ApiError) {
        self.ready.push_back(event(&refusal::document(error)));
        self.end();
    }

    fn end(&mut self) {
        if let Some(guard) = self.guard.take() {
            guard.disarm();
        }
    }
}

fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}
