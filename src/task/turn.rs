//! The tasks whose turn it is: which one is next, how far each is, what ends one early.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::io;
use std::sync::Arc;
use std::time::Instant;

use tracing::{error, info};
use uuid::Uuid;

use super::job_progress::JobProgress;
use super::record::{TaskRecord, now};
use super::state::State;
use super::tasks::Tasks;
use crate::protocol::MediaInfo;
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
            if let Some(running) = state.scheduler.slots.progress_mut(id) {
                running.cancelled.get_or_insert_with(|| reason.to_owned());
                drop(state);
                self.interruption.send_replace(());
                return Ok(true);
            }
            let waited = match state.scheduler.withdraw(id, Instant::now()) {
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
        self.state().scheduler.slots.set_count(count);
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
        while let Some(id) = state.scheduler.begin_next(Instant::now()) {
            let record = state.index.held(id);
            if record.is_some() {
                self.send_places(&state);
                return record;
            }
            state.scheduler.end(id, None, Instant::now());
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
                let running = state.scheduler.slots.progress(id);
                if let Some(reason) = running.and_then(|running| running.cancelled.clone()) {
                    return Interruption::Cancelled(reason);
                }
            }
            if interruption.changed().await.is_err() {
                std::future::pending().await
            }
        }
    }

    /// Whether a running task must make room for another one at the end of a
    /// window. If so, [`Tasks::put_back`] follows.
    pub(super) fn must_yield(&self, id: Uuid) -> bool {
        self.state().scheduler.must_yield(id, Instant::now())
    }

    /// The engine begins a running task, after so many bytes of transcript and
    /// seconds of audio of an earlier attempt.
    pub(super) fn attempt(&self, id: Uuid, bytes: u64, from_s: f64) {
        let mut state = self.state();
        state.attempts = state.attempts.saturating_add(1);
        let attempt = state.attempts;
        state.scheduler.attempt(id, from_s, Instant::now());
        self.change(&mut state, id, |running| running.attempt(attempt, bytes));
    }

    /// The engine has understood the recording of a running task.
    pub(super) fn started(&self, id: Uuid, media: &MediaInfo) {
        let (model, audio_s) = (&media.model, media.audio.duration);
        let mut state = self.state();
        state.scheduler.started(id, model, audio_s, Instant::now());
    }

    /// So much of a running task is done: seconds of audio, and a part 0..=1.
    pub(super) fn advance(&self, id: Uuid, done_s: f64, fraction: f64) {
        let mut state = self.state();
        state.scheduler.advance(id, done_s, Instant::now());
        self.change(&mut state, id, |running| running.advance(fraction));
    }

    /// So many bytes of a running task's transcript are written.
    pub(super) fn found(&self, id: Uuid, bytes: u64) {
        self.change(&mut self.state(), id, |running| {
            running.position.bytes = bytes;
        });
    }

    fn change(&self, state: &mut State, id: Uuid, change: impl FnOnce(&mut JobProgress)) {
        let Some(running) = state.scheduler.slots.progress_mut(id) else {
            return;
        };
        change(running);
        let progress = running.of_task();
        // A task that was just deleted may still run, and its id be reused.
        if state.index.contains(id) {
            self.events.send(id, || progress);
        }
    }

    /// A running task waits again, ahead of all others of its owner and priority.
    /// It goes on running where it was interrupted meanwhile.
    pub(super) fn put_back(&self, id: Uuid) -> Result<(), Interruption> {
        let mut state = self.state();
        let running = state.scheduler.slots.progress(id);
        if let Some(reason) = running.and_then(|running| running.cancelled.clone()) {
            return Err(Interruption::Cancelled(reason));
        }
        if !state.index.contains(id) {
            return Err(Interruption::Deleted);
        }
        state.scheduler.put_back(id, Instant::now());
        self.wanted.notify_one();
        self.send_places(&state);
        Ok(())
    }

    /// A task runs no more. If it was transcribed: it had `audio_s` seconds.
    pub(super) fn rest(&self, id: Uuid, audio_s: Option<f64>) {
        let mut state = self.state();
        state.scheduler.end(id, audio_s, Instant::now());
        self.wanted.notify_one();
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
        tasks.rest(running, Some(1.0));
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
        tasks.attempt(long, 0, 0.0);
        tasks.found(long, 100);
        tasks.advance(long, 10.0, 0.25);
        let reported = tasks.progress(&record);
        let TaskProgress::Transcribing {
            percentage,
            position,
        } = reported
        else {
            panic!("{reported:?}");
        };
        assert_eq!((percentage, position.bytes), (25.0, 100));
        assert!(!tasks.must_yield(long), "only another such");
        let urgent = urgent_upload(&layout, "b.wav", 3);
        tasks.adopt(urgent);
        assert!(tasks.must_yield(long));
        let mut listener = tasks.listen(long);
        tasks.put_back(long).unwrap();
        assert_eq!(tasks.next().await.id, urgent);
        let waits = tasks.progress(&record);
        let TaskProgress::Paused { ahead: 0, .. } = waits else {
            panic!("{waits:?}");
        };
        assert_eq!((waits.stage(), waits.percentage()), ("transcribing", 25.0));
        assert_eq!(waits.position(), Some(position), "it can be followed");
        assert_eq!(listener.newest(), Some(waits));
        tasks.rest(urgent, None);
        let resumed = tasks.next().await;
        assert_eq!(resumed.id, long, "before the others");
        assert_eq!(resumed.status, Status::Processing);
        tasks.attempt(long, 100, 10.0);
        assert_eq!(tasks.progress(&record), reported, "nothing was lost");
        tasks.attempt(long, 60, 5.0);
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
            tasks.attempt(id, bytes, 0.0);
        }
        tasks.found(b, 70);
        tasks.advance(b, 50.0, 0.5);
        tasks.found(a, 10);
        tasks.advance(a, 25.0, 0.25);
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
        let [cancelled, kept] = records;
        tasks.end(cancelled.failed("hung up".into())).unwrap();
        tasks.rest(a, None);
        assert_eq!(begins(&tasks).await, Some(c));

        // For one urgent task one makes room: the one that is asked first.
        let urgent = urgent_upload(&layout, "b.wav", 4);
        tasks.adopt(urgent);
        let again = urgent_upload(&layout, "b.wav", 5);
        tasks.adopt(again);
        assert_eq!((tasks.must_yield(b), tasks.must_yield(c)), (true, false));
        tasks.put_back(b).unwrap();
        assert!(!tasks.must_yield(c), "there is a free slot");
        assert_eq!(begins(&tasks).await, Some(urgent));
        assert!(!tasks.must_yield(urgent), "no other is more urgent");
        assert!(tasks.must_yield(c), "one more waits");
        // It is cancelled at this moment, and so does not wait again.
        assert!(tasks.cancel(c, "hung up").unwrap());
        let cancelled = Interruption::Cancelled("hung up".into());
        assert_eq!(tasks.put_back(c), Err(cancelled));
        tasks.rest(c, None);
        assert_eq!(begins(&tasks).await, Some(again));
        tasks.rest(urgent, None);
        assert_eq!(begins(&tasks).await, Some(b), "goes on");
        tasks.attempt(b, 70, 50.0);
        let progress = tasks.progress(&kept);
        let position = progress.position().unwrap();
        assert_eq!((progress.percentage(), position.bytes), (50.0, 70));
    }
}
