//! The messages to one listener.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use uuid::Uuid;

use super::{HEARTBEAT, message};
use crate::access::{Caller, Grant};
use crate::http::app::App;
use crate::http::error::api::ApiError;
use crate::http::owned::OwnedProgress;
use crate::shares::Share;
use crate::task::{Follower, TaskEvent, TaskProgress};

/// Shortest time between two lookups of an id that is not the caller's.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_secs(1);

/// What is limited.
const LISTENING: &str = "connections that follow a task";
const WAITING: &str = "connections that wait for uploads that are not there yet";

/// The messages about one id to one caller, made as they are read: only a few are
/// held.
#[derive(Debug)]
pub struct Feed {
    app: Arc<App>,
    caller: Caller,
    id: Uuid,
    follower: Follower,
    state: State,
    /// Time of the next lookup, if one is due.
    look_at: Option<Instant>,
    /// Earliest time of the next lookup while waiting.
    next_look: Instant,
    ready: VecDeque<String>,
    beats: Interval,
    /// Of the caller.
    grant: Grant,
    _share: Share,
}

#[derive(Debug)]
enum State {
    /// Before the first lookup.
    None,
    /// The caller has nothing of this id; events about it may be another owner's.
    Waiting(#[allow(dead_code, reason = "held")] Share),
    /// It is the caller's.
    Owned {
        /// Still an upload, which can expire without a notice.
        is_upload: bool,
    },
    /// It was deleted, or the caller's token was.
    Over,
}

impl Feed {
    /// Begins with the progress now, or with waiting for the upload.
    pub async fn begin(app: Arc<App>, caller: Caller, id: Uuid) -> Result<Feed, ApiError> {
        let share = app.listeners.take(caller.owner());
        let share = share.map_err(|exceeded| ApiError::Exceeded(LISTENING, exceeded))?;
        let mut beats = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut feed = Feed {
            follower: Follower::new(&app.tasks, id),
            grant: app.access.grant(&caller),
            app,
            caller,
            id,
            state: State::None,
            look_at: None,
            next_look: Instant::now(),
            ready: VecDeque::new(),
            beats,
            _share: share,
        };
        feed.look_up().await?;
        Ok(feed)
    }

    /// The next message; waits for one. `None` after the last. Cancel safe.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Some(message);
            }
            if let State::Over = self.state {
                return None;
            }
            if self.grant.is_revoked() {
                self.end_with(message::token_removed(self.id));
                continue;
            }
            if self.look_at.is_some_and(|at| at <= Instant::now()) {
                // Only the first lookup can fail.
                let _ = self.look_up().await;
                continue;
            }
            self.wait().await;
        }
    }

    async fn look_up(&mut self) -> Result<(), ApiError> {
        let found = OwnedProgress::check(&self.app, &self.caller, Some(self.id)).await;
        let found = found.ok().map(|found| found.progress);
        self.look_at = None;
        match (&self.state, found) {
            (State::Owned { .. }, Some(_)) => {}
            (State::Owned { .. }, None) => self.end(),
            (_, Some(found)) => {
                self.state = State::Owned { is_upload: false };
                // A complete transcript is read from its own resource.
                self.follower.begin_at_end(found);
            }
            (State::None, None) => {
                let place = self.app.waiting.take(self.caller.owner());
                let place = place.map_err(|exceeded| ApiError::Exceeded(WAITING, exceeded))?;
                self.state = State::Waiting(place);
                self.ready.push_back(message::waiting(self.id));
            }
            (State::Waiting(_) | State::Over, None) => {}
        }
        Ok(())
    }

    fn take(&mut self, event: TaskEvent) {
        match event {
            TaskEvent::Progress(progress) | TaskEvent::Ended(progress) => {
                let is_upload = matches!(progress, TaskProgress::Uploading { .. });
                self.state = State::Owned { is_upload };
                self.ready.push_back(message::progress(self.id, &progress));
            }
            TaskEvent::Segments(segments) => {
                self.ready.extend(segments.iter().map(message::segment));
            }
            TaskEvent::Restarted | TaskEvent::Unreadable(_) => {}
            TaskEvent::Changed => {
                let now = Instant::now();
                // At once the first time: it was just created.
                self.look_at = Some(self.next_look.max(now));
                self.next_look = now + LOOK_AGAIN;
            }
            TaskEvent::Gone => match self.state {
                State::Owned { .. } => self.end(),
                // Another owner's: nothing that the caller may notice.
                _ => self.follower = Follower::new(&self.app.tasks, self.id),
            },
        }
    }

    /// Waits until there is something to do.
    async fn wait(&mut self) {
        let look_at = self.look_at;
        let look = async {
            match look_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = self.follower.next() => self.take(event),
            _ = self.beats.tick() => {
                self.ready.push_back(message::heartbeat());
                if let State::Owned { is_upload: true } = self.state {
                    self.look_at = Some(Instant::now());
                }
            }
            () = self.grant.revoked() => {}
            () = look => {}
        }
    }

    fn end(&mut self) {
        self.end_with(message::deleted(self.id));
    }

    fn end_with(&mut self, message: String) {
        self.ready.push_back(message);
        self.state = State::Over;
    }
}
