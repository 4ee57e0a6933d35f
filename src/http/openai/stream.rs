//! `stream=true`: the text as server-sent events while it is transcribed (HTML
//! standard, section 9.2).

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
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
use crate::piecewise;
use crate::render::{Document, text_done};
use crate::task::{Follower, Status, TaskEvent, TaskProgress, TaskRecord};

/// Many proxies close a connection that is idle for a minute.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// A response that begins at once and ends with the task.
pub fn stream(app: Arc<App>, guard: CancelOnDisconnect) -> Reply {
    let stopping = app.stopping.clone();
    let events = Events::begin(app, guard);
    let events = unfold((events, stopping), async |(mut events, mut stopping)| {
        let next = match events.rest.take() {
            // It is sent to its end.
            Some(rest) => Some(Event::Document(rest)),
            None => tokio::select! {
                biased;
                event = events.next() => event,
                _ = stopping.wait_for(|stopping| *stopping) => events.restarting(),
            },
        };
        let bytes = match next? {
            Event::Text(text) => Ok(text.into()),
            Event::Document(document) => events.piece(document).await,
        };
        Some((bytes.map(Frame::data), (events, stopping)))
    });
    event_stream(StreamBody::new(events))
}

/// One event, or a comment.
enum Event {
    Text(String),
    /// A long one, which is not held.
    Document(Document),
}

/// The events of one response.
struct Events {
    app: Arc<App>,
    /// Until the last event.
    guard: Option<CancelOnDisconnect>,
    follower: Follower,
    is_begun: bool,
    sent: StreamedText,
    ready: VecDeque<Event>,
    /// What is to be sent of a long event.
    rest: Option<Document>,
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
            rest: None,
            beats,
        }
    }

    /// A piece of a long event. An error ends the connection in its middle.
    async fn piece(&mut self, document: Document) -> io::Result<Bytes> {
        let (piece, rest) = piecewise::split(document).await?;
        self.rest = rest;
        Ok(piece)
    }

    /// The next event; waits for one. `None` at the end.
    async fn next(&mut self) -> Option<Event> {
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
                _ = self.beats.tick() => self.ready.push_back(Event::Text(": wait\n\n".into())),
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
        if let Err(Diverged) = self.sent.end() {
            return self.diverged();
        }
        let Some(record) = self.record().await else {
            return self.fail(&ApiError::TaskNotFound);
        };
        let dir = self.app.tasks.dir(record.id);
        match blocking::run(move || record.transcript(&dir)).await {
            Ok(transcript) => {
                let done = text_done(&transcript).between("data: ", "\n\n");
                self.ready.push_back(Event::Document(done));
                self.end();
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.fail(&ApiError::TaskNotFound);
            }
            Err(error) => self.fail(&ApiError::Internal(error.to_string())),
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
    fn restarting(&mut self) -> Option<Event> {
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

fn event(data: &Value) -> Event {
    Event::Text(format!("data: {data}\n\n"))
}
