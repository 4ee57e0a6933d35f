//! What clients asked for and what they were told, tied to what the disk had
//! completed at that moment.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::disk::Recording;

/// One thing that matters for what a crash may leave.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Its creation is about to be asked for.
    Creating,
    /// Bytes up to this one are about to be sent.
    Sending(u64),
    /// Somebody was told that so many bytes are durable.
    Told(u64),
    /// Somebody was told that its length is known.
    Measured,
    /// Somebody was told that the disk failed it.
    Condemned,
    /// It is about to be taken away: by a client, or by a sweep.
    Removing,
    /// Somebody was told that it is gone.
    Gone,
    /// Somebody was told that its task is completed, with this result.
    Completed(Value),
}

#[derive(Debug)]
struct Mark {
    position: usize,
    at: Instant,
    id: String,
    event: Event,
}

/// The marks of a whole run.
#[derive(Debug)]
pub struct Story {
    disk: Arc<Recording>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    contents: BTreeMap<String, Arc<[u8]>>,
    marks: Vec<Mark>,
    /// Uploads whose lock the daemon is known to hold.
    held: Vec<String>,
}

/// What must, and what may, be there of an upload after a crash.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expected {
    /// Highest offset that anybody was told.
    pub told: Option<u64>,
    /// Its length must be known.
    pub measured: bool,
    /// Bytes that may have arrived.
    pub sent: u64,
    /// The disk failed it: it may be set aside, but must not be wrong.
    pub condemned: bool,
    /// It may be gone.
    pub may_be_gone: bool,
    /// It must be gone.
    pub gone: bool,
    /// Its task must be completed, with this result.
    pub completed: Option<Value>,
}

impl Story {
    /// Nothing happened yet.
    pub fn new(disk: Arc<Recording>) -> Story {
        Story {
            disk,
            inner: Mutex::default(),
        }
    }

    /// A new upload of this content is about to be created.
    pub fn creating(&self, id: &str, content: &Arc<[u8]>) {
        self.inner()
            .contents
            .insert(id.to_owned(), Arc::clone(content));
        self.mark(id, Event::Creating);
    }

    /// Something happens, or was seen, now.
    pub fn mark(&self, id: &str, event: Event) {
        let mut inner = self.inner();
        // Read with the marks locked, so that they are in the order of positions.
        let position = self.disk.position();
        inner.marks.push(Mark {
            position,
            at: Instant::now(),
            id: id.to_owned(),
            event,
        });
    }

    /// The daemon is known to hold the lock of this upload, until [`Story::released`].
    pub fn held(&self, id: &str) {
        self.inner().held.push(id.to_owned());
    }

    /// See [`Story::held`].
    pub fn released(&self, id: &str) {
        self.inner().held.retain(|held| held != id);
    }

    /// Runs a sweep with that expiry, and notes what it was free to take away.
    pub fn sweeping(&self, idle_expiry: Duration, sweep: impl FnOnce()) {
        let (begin, held) = (self.disk.position(), self.inner().held.clone());
        sweep();
        let end = Instant::now();
        let mut inner = self.inner();
        let held_throughout = |id: &String| held.contains(id) && inner.held.contains(id);
        let idle: Vec<String> = inner
            .contents
            .keys()
            .filter(|id| !held_throughout(id))
            .filter(|id| {
                let asked = inner.marks.iter().rev().find(|mark| {
                    mark.id == **id && matches!(mark.event, Event::Creating | Event::Sending(_))
                });
                asked.is_some_and(|mark| mark.at + idle_expiry < end)
            })
            .filter(|id| !inner.is_finished(id))
            .cloned()
            .collect();
        let at = inner.marks.partition_point(|mark| mark.position <= begin);
        for id in idle {
            inner.marks.insert(
                at,
                Mark {
                    position: begin,
                    at: end,
                    id,
                    event: Event::Removing,
                },
            );
        }
    }

    /// Whether it may be gone by now.
    pub fn may_be_gone(&self, id: &str) -> bool {
        self.expected(usize::MAX)
            .get(id)
            .is_some_and(|expected| expected.may_be_gone)
    }

    /// What was sent, or would have been, of every upload.
    pub fn contents(&self) -> BTreeMap<String, Arc<[u8]>> {
        self.inner().contents.clone()
    }

    /// Every upload that a crash at this position may leave, and how.
    pub fn expected(&self, position: usize) -> BTreeMap<String, Expected> {
        let inner = self.inner();
        let mut uploads: BTreeMap<String, Expected> = BTreeMap::new();
        for mark in &inner.marks {
            if mark.position > position {
                break;
            }
            let upload = uploads.entry(mark.id.clone()).or_default();
            match &mark.event {
                Event::Creating => {}
                Event::Sending(end) => upload.sent = upload.sent.max(*end),
                Event::Told(offset) => upload.told = upload.told.max(Some(*offset)),
                Event::Measured => upload.measured = true,
                Event::Condemned => upload.condemned = true,
                Event::Removing => upload.may_be_gone = true,
                Event::Gone => upload.gone = true,
                Event::Completed(result) => upload.completed = Some(result.clone()),
            }
        }
        uploads
    }

    /// Positions at which somebody was told something.
    pub fn told_positions(&self) -> Vec<usize> {
        let inner = self.inner();
        let told = inner.marks.iter().filter(|mark| {
            matches!(
                mark.event,
                Event::Told(_) | Event::Measured | Event::Gone | Event::Completed(_)
            )
        });
        told.map(|mark| mark.position).collect()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn is_finished(&self, id: &str) -> bool {
        let length = self.contents.get(id).map(|content| content.len() as u64);
        let was = |is: fn(&Event, Option<u64>) -> bool| {
            let mut marks = self.marks.iter();
            marks.any(|mark| mark.id == id && is(&mark.event, length))
        };
        was(|event, _| *event == Event::Measured)
            && was(|event, length| matches!(event, Event::Told(offset) if Some(*offset) == length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_may_take_what_is_idle_and_not_held() {
        let story = Story::new(Arc::default());
        let content: Arc<[u8]> = [1, 2, 3].into();
        for id in ["idle", "held", "finished"] {
            story.creating(id, &content);
        }
        story.mark("finished", Event::Measured);
        story.mark("finished", Event::Sending(3));
        story.mark("finished", Event::Told(3));
        story.held("held");
        story.sweeping(Duration::ZERO, || {});
        story.released("held");
        let gone: Vec<bool> = ["idle", "held", "finished"]
            .map(|id| story.may_be_gone(id))
            .into();
        assert_eq!(gone, [true, false, false]);
        let finished = &story.expected(0)["finished"];
        assert_eq!((finished.told, finished.sent), (Some(3), 3));
    }
}
