//! What one listener is told, message after message.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use uuid::Uuid;

use super::{HEARTBEAT, message};
use crate::access::Caller;
use crate::http::app::App;
use crate::http::owned::OwnedProgress;
use crate::task::{Follower, TaskEvent, TaskProgress};

/// How long after a look in vain the next one comes at the earliest.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_secs(1);

/// The messages about one id to one caller. It holds no more than a few at a
/// time: the next ones are made when they are asked for.
#[derive(Debug)]
pub struct Feed {
    app: Arc<App>,
    caller: Caller,
    id: Uuid,
    follower: Follower,
    knowledge: Knowledge,
    /// When to look what there is; `None` while there is no reason to.
    look_at: Option<Instant>,
    /// Whoever waits looks no earlier than this once more.
    next_look: Instant,
    ready: VecDeque<String>,
    beats: Interval,
    /// Tells when the caller may be unwelcome by now.
    reloads: watch::Receiver<()>,
}

#[derive(Debug)]
enum Knowledge {
    /// Not looked yet.
    None,
    /// Nothing of the caller's is there. Whatever is told of this id may be
    /// somebody else's.
    Nothing(#[allow(dead_code, reason = "held")] OwnedSemaphorePermit),
    /// It is the caller's.
    Theirs {
        /// An upload, which can expire without anybody saying so.
        is_upload: bool,
    },
    /// It was the caller's and is gone.
    Over,
}

/// There is no place for another one that waits.
#[derive(Debug)]
pub struct Full;

impl Feed {
    /// Begins with how it stands now, or with waiting for it.
    pub async fn begin(app: Arc<App>, caller: Caller, id: Uuid) -> Result<Feed, Full> {
        let mut beats = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut feed = Feed {
            follower: Follower::new(&app.tasks, id),
            reloads: app.access.reloads(),
            app,
            caller,
            id,
            knowledge: Knowledge::None,
            look_at: None,
            next_look: Instant::now(),
            ready: VecDeque::new(),
            beats,
        };
        feed.look().await?;
        Ok(feed)
    }

    /// The next message; waits for one. `None` once nothing will follow. May be
    /// dropped and called again; nothing is lost.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Some(message);
            }
            if let Knowledge::Over = self.knowledge {
                return None;
            }
            if self.look_at.is_some_and(|at| at <= Instant::now()) {
                // Only the first look can find no place.
                let _ = self.look().await;
                continue;
            }
            self.wait().await;
        }
    }

    async fn look(&mut self) -> Result<(), Full> {
        let found = OwnedProgress::check(&self.app, &self.caller, Some(self.id)).await;
        let found = found.ok().map(|found| found.standing);
        self.look_at = None;
        match (&self.knowledge, found) {
            (Knowledge::Theirs { .. }, Some(_)) => {}
            (Knowledge::Theirs { .. }, None) => self.end(),
            (_, Some(found)) => {
                self.knowledge = Knowledge::Theirs { is_upload: false };
                // A complete transcript is at a better place.
                self.follower.begin_at_end(found);
            }
            (Knowledge::None, None) => {
                let place = Arc::clone(&self.app.waiting).try_acquire_owned();
                self.knowledge = Knowledge::Nothing(place.map_err(|_| Full)?);
                self.ready.push_back(message::waiting(self.id));
            }
            (Knowledge::Nothing(_) | Knowledge::Over, None) => {}
        }
        Ok(())
    }

    fn take(&mut self, event: TaskEvent) {
        match event {
            TaskEvent::Progress(progress) | TaskEvent::Ended(progress) => {
                let is_upload = matches!(progress, TaskProgress::Uploading { .. });
                self.knowledge = Knowledge::Theirs { is_upload };
                self.ready.push_back(message::standing(self.id, &progress));
            }
            TaskEvent::Segments(segments) => {
                self.ready.extend(segments.iter().map(message::segment));
            }
            TaskEvent::Restarted | TaskEvent::Unreadable(_) => {}
            TaskEvent::Changed => {
                let now = Instant::now();
                // At once the first time: it has just been made.
                self.look_at = Some(self.next_look.max(now));
                self.next_look = now + LOOK_AGAIN;
            }
            TaskEvent::Gone => match self.knowledge {
                Knowledge::Theirs { .. } => self.end(),
                // Another owner's: nothing that the caller may notice.
                _ => self.follower = Follower::new(&self.app.tasks, self.id),
            },
        }
    }

    /// Until there is something to do.
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
                if let Knowledge::Theirs { is_upload: true } = self.knowledge {
                    self.look_at = Some(Instant::now());
                }
            }
            Ok(()) = self.reloads.changed() => {
                if !self.app.access.still_admits(&self.caller) {
                    self.end_with(message::unwelcome(self.id));
                }
            }
            () = look => {}
        }
    }

    fn end(&mut self) {
        self.end_with(message::deleted(self.id));
    }

    fn end_with(&mut self, message: String) {
        self.ready.push_back(message);
        self.knowledge = Knowledge::Over;
    }
}
