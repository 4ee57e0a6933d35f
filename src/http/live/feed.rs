//! What one listener is told, message after message.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use uuid::Uuid;

use super::{HEARTBEAT, message};
use crate::access::Caller;
use crate::blocking;
use crate::http::app::App;
use crate::http::owned::OwnedProgress;
use crate::task::{Listener, TaskProgress, TranscriptPosition, transcript};

/// How long after a look in vain the next one comes at the earliest.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_secs(1);

/// The messages about one id to one caller. It holds no more than a few at a
/// time: the next ones are made when they are asked for.
#[derive(Debug)]
pub struct Feed {
    app: Arc<App>,
    caller: Caller,
    id: Uuid,
    listener: Listener,
    knowledge: Knowledge,
    /// When to look what there is; `None` while there is no reason to.
    look_at: Option<Instant>,
    /// Whoever waits looks no earlier than this once more.
    next_look: Instant,
    /// What is to be told next.
    due: Option<TaskProgress>,
    /// How far its transcript was told.
    told: TranscriptPosition,
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
            listener: app.tasks.listen(id),
            reloads: app.access.reloads(),
            app,
            caller,
            id,
            knowledge: Knowledge::None,
            look_at: None,
            next_look: Instant::now(),
            due: None,
            told: TranscriptPosition::default(),
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
            match self.due.take() {
                Some(standing) => self.tell(standing).await,
                None => self.wait().await,
            }
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
                // What was told since is newer than what was found.
                let standing = self.listener.newest().unwrap_or(found);
                if let TaskProgress::Complete { .. } = standing {
                    // Its transcript is at a better place.
                    self.told = standing.position().unwrap_or_default();
                }
                self.due(standing);
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

    /// This is theirs, and news.
    fn due(&mut self, standing: TaskProgress) {
        let is_upload = matches!(standing, TaskProgress::Uploading { .. });
        self.knowledge = Knowledge::Theirs { is_upload };
        // What has ended is told after all that was found, anything else at once.
        if !matches!(standing, TaskProgress::Complete { .. }) {
            self.ready.push_back(message::standing(self.id, &standing));
        }
        self.due = Some(standing);
    }

    /// Tells what was found of the transcript meanwhile, a piece at a time,
    /// and then the end.
    async fn tell(&mut self, standing: TaskProgress) {
        let found = standing.position().unwrap_or(self.told);
        if found.attempt != self.told.attempt {
            let attempt = found.attempt;
            self.told = TranscriptPosition { attempt, bytes: 0 };
        }
        if self.told.bytes < found.bytes {
            // Put back first: this may be dropped while it waits.
            self.due = Some(standing);
            let (dir, from) = (self.app.tasks.dir(self.id), self.told.bytes);
            let read = blocking::run(move || transcript::read_along(&dir, from, found.bytes)).await;
            // What cannot be read is not there to be told.
            let (segments, next) = read.unwrap_or((Vec::new(), found.bytes));
            self.told.bytes = next;
            self.ready.extend(segments.iter().map(message::segment));
        } else if let TaskProgress::Complete { .. } = standing {
            self.ready.push_back(message::standing(self.id, &standing));
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
            changed = self.listener.changed() => match (&self.knowledge, changed) {
                (Knowledge::Theirs { .. }, Ok(())) => {
                    if let Some(standing) = self.listener.newest() {
                        self.due(standing);
                    }
                }
                (Knowledge::Theirs { .. }, Err(_)) => self.end(),
                (_, Ok(())) => {
                    self.listener.newest();
                    let now = Instant::now();
                    // At once the first time: it has just been made.
                    self.look_at = Some(self.next_look.max(now));
                    self.next_look = now + LOOK_AGAIN;
                }
                // Somebody else's is gone: nothing they should notice.
                (_, Err(_)) => self.listener = self.app.tasks.listen(self.id),
            },
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
        self.due = None;
        self.ready.push_back(message);
        self.knowledge = Knowledge::Over;
    }
}
