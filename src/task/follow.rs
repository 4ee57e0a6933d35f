//! Follows a task and its transcript while that is written.

use std::io;
use std::sync::Arc;

use uuid::Uuid;

use super::events::{Gone, Listener};
use super::progress::{TaskProgress, TranscriptPosition};
use super::tasks::Tasks;
use super::transcript;
use crate::blocking;
use crate::protocol::Segment;

/// What happens to a followed task.
#[derive(Debug)]
pub enum TaskEvent {
    /// There is news of this id; only before [`Follower::begin`].
    Changed,
    /// It is this far. Its new segments come next.
    Progress(TaskProgress),
    /// More segments of the transcript.
    Segments(Vec<Segment>),
    /// The transcript was lost: its segments come again from the first one.
    Restarted,
    /// Some segments cannot be read; they are left out.
    Unreadable(io::Error),
    /// It is complete, and all segments came before; or it has failed. A task
    /// that is transcribed again goes on from here.
    Ended(TaskProgress),
    /// It was deleted. The last event.
    Gone,
}

/// Follows one id. Holds no more than a piece of the transcript: a slow reader
/// misses progress in between and no segment.
#[derive(Debug)]
pub struct Follower {
    tasks: Arc<Tasks>,
    id: Uuid,
    listener: Listener,
    is_begun: bool,
    /// The newest progress, until all events of it were returned.
    due: Option<TaskProgress>,
    /// Whether that progress was returned itself.
    is_shown: bool,
    /// How far the transcript was read.
    read: TranscriptPosition,
}

impl Follower {
    /// Listens to an id, which need not exist yet.
    pub fn new(tasks: &Arc<Tasks>, id: Uuid) -> Follower {
        Follower {
            tasks: Arc::clone(tasks),
            id,
            listener: tasks.listen(id),
            is_begun: false,
            due: None,
            is_shown: false,
            read: TranscriptPosition::default(),
        }
    }

    /// Begins with the whole transcript and the progress that was `found`,
    /// unless this heard of a newer one.
    pub fn begin(&mut self, found: Option<TaskProgress>) -> Result<(), Gone> {
        let progress = self.listener.newest().or(found).ok_or(Gone)?;
        self.is_begun = true;
        self.take(progress);
        Ok(())
    }

    /// The same without the transcript of a complete task.
    pub fn begin_at_end(&mut self, found: TaskProgress) {
        let mut progress = self.listener.newest().unwrap_or(found);
        if let TaskProgress::Complete { position } = &mut progress {
            self.read = *position.get_or_insert_default();
        }
        self.is_begun = true;
        self.take(progress);
    }

    fn take(&mut self, progress: TaskProgress) {
        self.due = Some(progress);
        self.is_shown = false;
    }

    /// The next event; waits for one. Cancel safe.
    pub async fn next(&mut self) -> TaskEvent {
        loop {
            let Some(progress) = self.due.clone() else {
                if self.listener.changed().await.is_err() {
                    return TaskEvent::Gone;
                }
                match self.listener.newest() {
                    _ if !self.is_begun => return TaskEvent::Changed,
                    Some(progress) => self.take(progress),
                    None => {}
                }
                continue;
            };
            if let Some(event) = self.event(progress).await {
                return event;
            }
        }
    }

    /// The next event of this progress.
    async fn event(&mut self, progress: TaskProgress) -> Option<TaskEvent> {
        let position = match progress {
            TaskProgress::Failed { .. } => {
                self.due = None;
                return Some(TaskEvent::Ended(progress));
            }
            TaskProgress::Complete { position: None } => return self.find_end().await,
            _ => progress.position().unwrap_or(self.read),
        };
        let is_complete = matches!(progress, TaskProgress::Complete { .. });
        if !is_complete && !self.is_shown {
            self.is_shown = true;
            return Some(TaskEvent::Progress(progress));
        }
        if position.attempt != self.read.attempt {
            let (attempt, bytes) = (position.attempt, 0);
            let old = std::mem::replace(&mut self.read, TranscriptPosition { attempt, bytes });
            return (old.bytes > 0).then_some(TaskEvent::Restarted);
        }
        if self.read.bytes < position.bytes {
            return self.segments(position.bytes, is_complete).await;
        }
        self.due = None;
        is_complete.then_some(TaskEvent::Ended(progress))
    }

    /// A piece of the transcript.
    async fn segments(&mut self, end: u64, is_complete: bool) -> Option<TaskEvent> {
        let (dir, from) = (self.tasks.dir(self.id), self.read.bytes);
        let read = blocking::run(move || transcript::read_along(&dir, from, end)).await;
        let (segments, next) = match read {
            // Of a transcript that restarts at this moment the next event says so.
            Ok((segments, next)) if !segments.is_empty() || !is_complete => (segments, next),
            read => {
                self.read.bytes = end;
                let gone = io::ErrorKind::NotFound.into();
                return Some(TaskEvent::Unreadable(read.err().unwrap_or(gone)));
            }
        };
        self.read.bytes = next;
        (!segments.is_empty()).then_some(TaskEvent::Segments(segments))
    }

    /// Where the transcript ends of a task that was complete before.
    async fn find_end(&mut self) -> Option<TaskEvent> {
        let dir = self.tasks.dir(self.id);
        let found = blocking::run(move || transcript::bytes(&dir)).await;
        let attempt = u64::MAX;
        let (position, error) = match found {
            Ok(bytes) => (TranscriptPosition { attempt, bytes }, None),
            Err(error) => (self.read, Some(error)),
        };
        let position = Some(position);
        self.due = Some(TaskProgress::Complete { position });
        error.map(TaskEvent::Unreadable)
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Status;
    use super::super::tasks::tests::finished_upload;
    use super::*;
    use crate::store::Layout;

    fn segment(text: &str) -> Segment {
        let text = text.to_owned();
        Segment {
            text,
            ..Segment::default()
        }
    }

    /// The next event in a word, with the texts of segments.
    async fn next(follower: &mut Follower) -> String {
        match follower.next().await {
            TaskEvent::Segments(segments) => {
                let texts: Vec<_> = segments.iter().map(|one| &*one.text).collect();
                texts.join(" ")
            }
            TaskEvent::Progress(progress) => progress.stage().to_owned(),
            TaskEvent::Ended(progress) => format!("ended: {}", progress.message()),
            other => format!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_task_is_followed_to_its_end_over_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::prepare(dir.path()).unwrap();
        let tasks = Arc::new(Tasks::new(layout.clone()));
        let id = finished_upload(&layout, "a.wav", 1);
        let mut follower = Follower::new(&tasks, id);
        assert_eq!(follower.begin(None), Err(Gone), "nothing is there yet");
        tasks.adopt(id);
        assert_eq!(next(&mut follower).await, "Changed");
        let mut record = (*tasks.next().await).clone();
        record.status = Status::Processing;
        tasks.update(record.clone()).unwrap();
        follower.begin(Some(tasks.progress(&record))).unwrap();
        assert_eq!(next(&mut follower).await, "transcribing");

        let folder = layout.upload(id);
        let (mut part, _) = transcript::Part::begin(&folder, "base").unwrap();
        tasks.attempt(id, 0, 0.0);
        for text in ["a", "b"] {
            tasks.found(id, part.push(&segment(text)).unwrap());
        }
        assert_eq!(next(&mut follower).await, "transcribing");
        assert_eq!(next(&mut follower).await, "a b");
        // The engine is lost before anything was durable.
        drop(part);
        let (mut part, _) = transcript::Part::begin(&folder, "base").unwrap();
        tasks.attempt(id, 0, 0.0);
        tasks.found(id, part.push(&segment("again")).unwrap());
        assert_eq!(next(&mut follower).await, "transcribing");
        assert_eq!(next(&mut follower).await, "Restarted");
        assert_eq!(next(&mut follower).await, "again");

        part.finish().unwrap();
        record.status = Status::Completed;
        tasks.end(record.clone()).unwrap();
        assert_eq!(next(&mut follower).await, "ended: done");
        tasks.rest(id, Some(1.0));

        // Those that come later get all of it, or the end alone.
        let mut late = Follower::new(&tasks, id);
        late.begin(Some(tasks.progress(&record))).unwrap();
        assert_eq!(next(&mut late).await, "again");
        assert_eq!(next(&mut late).await, "ended: done");
        let mut late = Follower::new(&tasks, id);
        late.begin_at_end(tasks.progress(&record));
        assert_eq!(next(&mut late).await, "ended: done");
        std::fs::remove_file(folder.join("transcript.jsonl")).unwrap();
        let mut late = Follower::new(&tasks, id);
        late.begin(Some(tasks.progress(&record))).unwrap();
        assert!(next(&mut late).await.starts_with("Unreadable"));
        assert_eq!(next(&mut late).await, "ended: done");

        tasks.delete(id).unwrap();
        assert_eq!(next(&mut follower).await, "Gone");
    }
}
