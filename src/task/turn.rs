//! The task whose turn it is: who takes it, how far it is, who ends it early.

use std::io;
use std::sync::Arc;

use tracing::info;
use uuid::Uuid;

use super::queue::Waiting;
use super::record::{TaskRecord, now};
use super::running::Running;
use super::tasks::{State, Tasks};
use crate::store::facts::Priority;
use crate::store::moment::Moment;

/// Why the running task is not wanted any more.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Interruption {
    Deleted,
    Cancelled(String),
}

impl Tasks {
    /// Ends a task that waits or runs as failed for this reason; its recording
    /// stays. False if it does neither. Blocks on the disk.
    pub fn cancel(&self, id: Uuid, reason: &str) -> io::Result<bool> {
        let waited = {
            let mut state = self.state();
            if let Some(running) = state.running.as_mut().filter(|one| one.task.id == id) {
                running.cancelled.get_or_insert_with(|| reason.to_owned());
                drop(state);
                self.interruption.send_replace(());
                return Ok(true);
            }
            let waited = match state.queue.remove(id) {
                true => state.index.held(id),
                false => None,
            };
            self.tell_queue(&state);
            waited
        };
        let Some(record) = waited else {
            return Ok(false);
        };
        info!(task_id = %id, "task cancelled: {reason}");
        let record = TaskRecord {
            end_time: Some(now()),
            ended: Some(Moment::now()),
            ..(*record).clone()
        };
        self.end(record.failed(reason.to_owned()))
    }

    /// The next task to transcribe; waits for one. It runs from here on.
    pub(super) async fn next(&self) -> Arc<TaskRecord> {
        loop {
            let next = {
                let mut state = self.state();
                let task = state.queue.pop();
                let next = task.as_ref().and_then(|task| state.index.held(task.id));
                state.running = task.map(|task| state.begin(task));
                self.tell_queue(&state);
                next
            };
            match next {
                Some(record) => return record,
                None if self.state().queue.len() == 0 => self.wanted.notified().await,
                None => {}
            }
        }
    }

    /// Resolves once the running task is not wanted any more.
    pub(super) async fn interrupted(&self, id: Uuid) -> Interruption {
        let mut interruption = self.interruption.subscribe();
        loop {
            {
                let state = self.state();
                if !state.index.contains(id) {
                    return Interruption::Deleted;
                }
                let running = state.running.as_ref().filter(|one| one.task.id == id);
                if let Some(reason) = running.and_then(|one| one.cancelled.clone()) {
                    return Interruption::Cancelled(reason);
                }
            }
            if interruption.changed().await.is_err() {
                std::future::pending().await
            }
        }
    }

    /// Whether the running task is to make room for one of a higher priority.
    pub(super) fn has_before(&self, priority: Priority) -> bool {
        self.state().queue.has_before(priority)
    }

    /// An engine begins the running task, after so many bytes of transcript
    /// that an earlier attempt had come to.
    pub(super) fn attempt(&self, bytes: u64) {
        let mut state = self.state();
        state.attempts += 1;
        let attempt = state.attempts;
        self.change(&mut state, |running| running.attempt(attempt, bytes));
    }

    /// So much of the running task is done, 0..=1.
    pub(super) fn advance(&self, fraction: f64) {
        self.change(&mut self.state(), |running| running.advance(fraction));
    }

    /// So many bytes of the running task's transcript are written.
    pub(super) fn found(&self, bytes: u64) {
        self.change(&mut self.state(), |running| running.found.bytes = bytes);
    }

    fn change(&self, state: &mut State, change: impl FnOnce(&mut Running)) {
        let Some(running) = &mut state.running else {
            return;
        };
        change(running);
        let (id, standing) = (running.task.id, running.standing());
        // One that was just deleted may still run, and its id be another's.
        if state.index.contains(id) {
            self.events.tell(id, standing);
        }
    }

    /// The running task waits again, before all others of its priority.
    pub(super) fn put_back(&self, record: TaskRecord) {
        let mut state = self.state();
        let Some(running) = state.running.take() else {
            return;
        };
        if !state.index.contains(record.id) {
            return;
        }
        state.queue.put_back(running.task.clone());
        state.paused = Some(running);
        state.index.put(record, true);
        self.tell_queue(&state);
    }

    /// No task runs any more. `is_done`: the last one was transcribed.
    pub(super) fn rest(&self, is_done: bool) {
        let mut state = self.state();
        let running = state.running.take();
        let took = running.as_ref().and_then(Running::took);
        if let Some((work, took)) = took.filter(|_| is_done) {
            state.pace.observe(work, took);
        }
    }
}

impl State {
    /// The engine gets this task.
    fn begin(&mut self, task: Waiting) -> Running {
        let paused = self.paused.take_if(|paused| paused.task.id == task.id);
        paused.unwrap_or_else(|| Running::begin(task))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::record::Status;
    use super::super::standing::Standing;
    use super::super::tasks::tests::finished_upload;
    use super::*;
    use crate::store::Layout;

    #[tokio::test]
    async fn cancelled_tasks_have_failed_and_keep_their_recording() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::prepare(dir.path()).unwrap();
        let tasks = Tasks::new(layout.clone());
        let [running, waiting] = [1, 2].map(|second| finished_upload(&layout, "a.wav", second));
        tasks.adopt(running);
        tasks.adopt(waiting);
        let mut record = (*tasks.next().await).clone();
        assert_eq!(record.id, running);
        assert!(tasks.cancel(waiting, "nobody waits").unwrap());
        assert!(!tasks.cancel(waiting, "once more").unwrap());
        let restarted = Tasks::new(layout.clone());
        restarted.adopt(waiting);
        let cancelled = restarted.find(waiting).unwrap();
        assert_eq!(cancelled.status, Status::Failed);
        assert_eq!(cancelled.error.as_deref(), Some("nobody waits"));
        let interrupted = tasks.interrupted(running);
        tokio::pin!(interrupted);
        let soon = tokio::time::timeout(Duration::from_millis(1), interrupted.as_mut()).await;
        assert!(soon.is_err(), "nobody wants that yet");
        assert!(tasks.cancel(running, "hung up").unwrap());
        assert_eq!(interrupted.await, Interruption::Cancelled("hung up".into()));
        record.status = Status::Completed;
        tasks.update(record).unwrap();
        tasks.rest(true);
        assert!(!tasks.cancel(running, "too late").unwrap());
        assert_eq!(tasks.find(running).unwrap().status, Status::Completed);
    }

    #[tokio::test]
    async fn one_that_makes_room_goes_on_where_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::prepare(dir.path()).unwrap();
        let tasks = Tasks::new(layout.clone());
        let [long, other] = [1, 2].map(|second| finished_upload(&layout, "a.wav", second));
        tasks.adopt(long);
        tasks.adopt(other);
        let mut record = (*tasks.next().await).clone();
        record.status = Status::Processing;
        tasks.update(record.clone()).unwrap();
        tasks.attempt(0);
        tasks.found(100);
        tasks.advance(0.25);
        let told = tasks.standing(&record);
        let Standing::Transcribing { percentage, found } = told else {
            panic!("{told:?}");
        };
        assert_eq!((percentage, found.bytes), (25.0, 100));
        assert!(!tasks.has_before(record.priority), "only another such");
        let urgent = finished_upload(&layout, "b.wav", 3);
        let path = layout.upload(urgent).join("upload.json");
        let facts = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, facts.replace("\"bulk\"", "\"interactive\"")).unwrap();
        tasks.adopt(urgent);
        assert!(tasks.has_before(record.priority));
        record.status = Status::Queued;
        tasks.put_back(record.clone());
        assert_eq!(tasks.next().await.id, urgent);
        let waits = tasks.standing(&record);
        assert!(
            matches!(waits, Standing::Queued { before: 0, .. }),
            "{waits:?}"
        );
        assert_eq!(tasks.next().await.id, long, "before the others");
        record.status = Status::Processing;
        tasks.update(record.clone()).unwrap();
        tasks.attempt(100);
        assert_eq!(tasks.standing(&record), told, "nothing was lost");
        tasks.attempt(60);
        let Standing::Transcribing { found: anew, .. } = tasks.standing(&record) else {
            panic!();
        };
        assert!(anew.attempt > found.attempt && anew.bytes == 60);
    }
}
