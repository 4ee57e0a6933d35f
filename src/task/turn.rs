//! The tasks whose turn it is: which one is next, how far each is, what ends one early.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::io;
use std::sync::Arc;

use tracing::{error, info};
use uuid::Uuid;

use super::job_progress::JobProgress;
use super::record::{TaskRecord, now};
use super::state::State;
use super::tasks::Tasks;
use crate::store::moment::Moment;

/// Why a running task ends early.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Interruption {
    Deleted,
    Cancelled(String),
}

impl Tasks {
    /// Ends a waiting or running task as failed for this reason; its recording
    /// stays. False if it neither waits nor runs. Blocks on the disk.
    pub fn cancel(&self, id: Uuid, reason: &str) -> io::Result<bool> {
        let waited = {
            let mut state = self.state();
            if let Some(running) = state.slots.progress_mut(id) {
                running.cancelled.get_or_insert_with(|| reason.to_owned());
                drop(state);
                self.interruption.send_replace(());
                return Ok(true);
            }
            let waited = match state.queue.remove(id) {
                true => state.index.held(id),
                false => None,
            };
            self.send_places(&state);
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

    /// [`Tasks::update`] with the end of a task. The callback is durable before
    /// the end is, so that it is delivered at least once. Blocks on the disk.
    pub(super) fn end(&self, record: TaskRecord) -> io::Result<bool> {
        let (id, url) = (record.id, record.callback_url.clone());
        if let Some(url) = &url
            && let Err(error) = self.outbox().put(id, url)
        {
            error!(task_id = %id, "the callback cannot be stored: {error}");
        }
        let ended = self.update(record);
        if url.is_some() {
            self.outbox().announce(id);
        }
        ended
    }

    /// How many tasks run at a time from here on.
    pub(super) fn set_slots(&self, count: usize) {
        self.state().slots.set_count(count);
        self.wanted.notify_one();
    }

    /// The next task to transcribe; waits for one and for a free slot. It runs
    /// until [`Tasks::rest`] or [`Tasks::put_back`].
    pub(super) async fn next(&self) -> Arc<TaskRecord> {
        loop {
            if let Some(record) = self.begin_next() {
                return record;
            }
            self.wanted.notified().await;
        }
    }

    fn begin_next(&self) -> Option<Arc<TaskRecord>> {
        let mut state = self.state();
        while state.slots.has_free() {
            let task = state.queue.pop()?;
            let record = state.index.held(task.id);
            if record.is_some() {
                state.slots.begin(task);
                self.send_places(&state);
                return record;
            }
        }
        None
    }

    /// Resolves once a running task is deleted or cancelled.
    pub(super) async fn interrupted(&self, id: Uuid) -> Interruption {
        let mut interruption = self.interruption.subscribe();
        loop {
            {
                let state = self.state();
                if !state.index.contains(id) {
                    return Interruption::Deleted;
                }
                let running = state.slots.progress(id);
                if let Some(reason) = running.and_then(|running| running.cancelled.clone()) {
                    return Interruption::Cancelled(reason);
                }
            }
            if interruption.changed().await.is_err() {
                std::future::pending().await
            }
        }
    }

    /// Whether a running task must make room for one of a higher priority.
    pub(super) fn must_yield(&self, id: Uuid) -> bool {
        let state = self.state();
        state.slots.must_yield(id, &state.queue)
    }

    /// The engine begins a running task, after so many bytes of transcript of
    /// an earlier attempt.
    pub(super) fn attempt(&self, id: Uuid, bytes: u64) {
        let mut state = self.state();
        state.attempts = state.attempts.saturating_add(1);
        let attempt = state.attempts;
        self.change(&mut state, id, |running| running.attempt(attempt, bytes));
    }

    /// So much of a running task is done, 0..=1.
    pub(super) fn advance(&self, id: Uuid, fraction: f64) {
        self.change(&mut self.state(), id, |running| running.advance(fraction));
    }

    /// So many bytes of a running task's transcript are written.
    pub(super) fn found(&self, id: Uuid, bytes: u64) {
        self.change(&mut self.state(), id, |running| {
            running.position.bytes = bytes;
        });
    }

    fn change(&self, state: &mut State, id: Uuid, change: impl FnOnce(&mut JobProgress)) {
        let Some(running) = state.slots.progress_mut(id) else {
            return;
        };
        change(running);
        let progress = running.of_task();
        // A task that was just deleted may still run, and its id be reused.
        if state.index.contains(id) {
            self.events.send(id, progress);
        }
    }

    /// A running task waits again, ahead of all others of its priority.
    pub(super) fn put_back(&self, record: TaskRecord) {
        let mut state = self.state();
        let Some(task) = state.slots.remove(record.id) else {
            return;
        };
        self.wanted.notify_one();
        if !state.index.contains(record.id) {
            return;
        }
        state.queue.put_back(task);
        state.index.put(record, true);
        self.send_places(&state);
    }

    /// A task runs no more. `is_done`: it was transcribed.
    pub(super) fn rest(&self, id: Uuid, is_done: bool) {
        let mut state = self.state();
        let Some(task) = state.slots.remove(id) else {
            return;
        };
        self.wanted.notify_one();
        if let Some(took) = task.progress.took().filter(|_| is_done) {
            state.pace.observe(&task.workload, took);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::outbox::Outbox;
    use super::super::progress::TaskProgress;
    use super::super::record::Status;
    use super::super::tasks::tests::finished_upload;
    use super::*;
    use crate::store::Layout;

    fn urgent_upload(layout: &Layout, name: &str, second: i64) -> Uuid {
        let id = finished_upload(layout, name, second);
        let path = layout.upload(id).join("upload.json");
        let facts = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, facts.replace("\"bulk\"", "\"interactive\"")).unwrap();
        id
    }

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
        tasks.rest(running, true);
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
        tasks.attempt(long, 0);
        tasks.found(long, 100);
        tasks.advance(long, 0.25);
        let told = tasks.progress(&record);
        let TaskProgress::Transcribing {
            percentage,
            position,
        } = told
        else {
            panic!("{told:?}");
        };
        assert_eq!((percentage, position.bytes), (25.0, 100));
        assert!(!tasks.must_yield(long), "only another such");
        let urgent = urgent_upload(&layout, "b.wav", 3);
        tasks.adopt(urgent);
        assert!(tasks.must_yield(long));
        record.status = Status::Queued;
        tasks.put_back(record.clone());
        assert_eq!(tasks.next().await.id, urgent);
        let waits = tasks.progress(&record);
        assert!(
            matches!(waits, TaskProgress::Queued { ahead: 0, .. }),
            "{waits:?}"
        );
        tasks.rest(urgent, false);
        assert_eq!(tasks.next().await.id, long, "before the others");
        record.status = Status::Processing;
        tasks.update(record.clone()).unwrap();
        tasks.attempt(long, 100);
        assert_eq!(tasks.progress(&record), told, "nothing was lost");
        tasks.attempt(long, 60);
        let TaskProgress::Transcribing { position: anew, .. } = tasks.progress(&record) else {
            panic!();
        };
        assert!(anew.attempt > position.attempt && anew.bytes == 60);
    }

    #[tokio::test]
    async fn the_callback_is_durable_before_the_end_of_its_task() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::prepare(dir.path()).unwrap();
        let tasks = Tasks::new(layout.clone());
        let id = Uuid::new_v4();
        let folder = layout.upload(id);
        std::fs::create_dir(&folder).unwrap();
        let facts = format!(
            r#"{{"id":"{id}","created_at":"2026-01-01T00:00:00Z","callback_url":"http://nas/"}}"#
        );
        std::fs::write(folder.join("upload.json"), facts).unwrap();
        tasks.adopt(id);
        let mut record = (*tasks.next().await).clone();
        record.status = Status::Completed;
        // No record can be put in its place: as if the daemon had ended before.
        std::fs::create_dir_all(folder.join("task.json/x")).unwrap();
        assert!(tasks.end(record).is_err());
        assert!(Outbox::holds(&layout, id));
        assert_eq!(tasks.outbox().next().await, [id]);
    }
    /// Whether another task begins now.
    async fn begins(tasks: &Tasks) -> Option<Uuid> {
        let next = tokio::time::timeout(Duration::from_millis(1), tasks.next());
        Some(next.await.ok()?.id)
    }

    #[tokio::test]
    async fn two_slots_run_two_tasks_at_the_same_time() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::prepare(dir.path()).unwrap();
        let tasks = Tasks::new(layout.clone());
        tasks.set_slots(2);
        let [a, b, c] = [1, 2, 3].map(|second| finished_upload(&layout, "a.wav", second));
        for id in [a, b, c] {
            tasks.adopt(id);
        }
        let mut records = [tasks.next().await, tasks.next().await].map(|record| (*record).clone());
        assert_eq!([records[0].id, records[1].id], [a, b]);
        assert_eq!(begins(&tasks).await, None, "both slots are taken");
        for record in &mut records {
            record.status = Status::Processing;
            tasks.update(record.clone()).unwrap();
        }

        // Progress goes to its own task.
        let mut listeners = [a, b].map(|id| tasks.listen(id));
        for (id, bytes) in [(a, 0), (b, 50)] {
            tasks.attempt(id, bytes);
        }
        tasks.found(b, 70);
        tasks.advance(b, 0.5);
        tasks.found(a, 10);
        tasks.advance(a, 0.25);
        for (index, expected) in [(25.0, 10), (50.0, 70)].into_iter().enumerate() {
            let progress = tasks.progress(&records[index]);
            let TaskProgress::Transcribing {
                percentage,
                position,
            } = progress
            else {
                panic!("{progress:?}");
            };
            assert_eq!((percentage, position.bytes), expected);
            assert_eq!(listeners[index].newest(), Some(progress));
        }

        // Cancelling one leaves the other.
        assert!(tasks.cancel(a, "hung up").unwrap());
        let cancelled = Interruption::Cancelled("hung up".into());
        assert_eq!(tasks.interrupted(a).await, cancelled);
        let other = tokio::time::timeout(Duration::from_millis(1), tasks.interrupted(b));
        assert!(other.await.is_err(), "only the one was cancelled");
        let [cancelled, mut kept] = records;
        tasks.end(cancelled.failed("hung up".into())).unwrap();
        tasks.rest(a, false);
        assert_eq!(begins(&tasks).await, Some(c));

        // For one urgent task one makes room: the one that began last.
        let urgent = urgent_upload(&layout, "b.wav", 4);
        tasks.adopt(urgent);
        assert_eq!((tasks.must_yield(b), tasks.must_yield(c)), (false, true));
        let again = urgent_upload(&layout, "b.wav", 5);
        tasks.adopt(again);
        assert_eq!((tasks.must_yield(b), tasks.must_yield(c)), (true, true));
        kept.status = Status::Queued;
        tasks.put_back(kept.clone());
        assert_eq!(begins(&tasks).await, Some(urgent));
        assert!(!tasks.must_yield(urgent), "no other is more urgent");
        assert!(tasks.must_yield(c), "one more waits");
        tasks.rest(urgent, false);
        assert!(!tasks.must_yield(c), "there is a free slot for it");
        assert_eq!(begins(&tasks).await, Some(again));
        tasks.rest(c, true);
        assert_eq!(begins(&tasks).await, Some(b), "goes on");
        tasks.attempt(b, 70);
        kept.status = Status::Processing;
        let progress = tasks.progress(&kept);
        let position = progress.position().unwrap();
        assert_eq!((progress.percentage(), position.bytes), (50.0, 70));
    }
}
