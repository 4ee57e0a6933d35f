//! All tasks: adopting, finding, listing, changing and deleting them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, watch};
use tracing::{error, info, warn};
use uuid::Uuid;

use super::events::{Events, Listener};
use super::index::Known;
use super::job_progress::JobProgress;
use super::outbox::Outbox;
use super::pace::{CostClass, Workload};
use super::progress::TaskProgress;
use super::queue::ScheduledTask;
use super::record::{Status, TaskRecord};
use super::state::State;
use crate::engine_client::extension_of;
use crate::shares::Owner;
use crate::store::Layout;
use crate::store::folder::{OpenError, Parked, peek_record, read_facts};
use crate::upload::Observer;

/// All tasks. The files are the truth; this is what was read from or written
/// to them.
#[derive(Debug)]
pub struct Tasks {
    pub(super) layout: Layout,
    pub(super) state: Mutex<State>,
    /// A task was queued, or a slot became free.
    pub(super) wanted: Notify,
    /// Sent while the state is locked, so that the last event is the newest.
    pub(super) events: Arc<Events>,
    outbox: Outbox,
    /// Changes whenever a task was deleted or cancelled.
    pub(super) interruption: watch::Sender<()>,
}

/// Why a task could not be deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// There is none of this id.
    #[error("there is no task of this id")]
    NotFound,
    /// It is being read or written.
    #[error("the task is in use; try again")]
    Busy,
    /// The disk failed.
    #[error("storage failed: {0}")]
    Storage(#[from] io::Error),
}

impl Tasks {
    /// None yet; [`Tasks::adopt`] adds them.
    pub fn new(layout: Layout) -> Tasks {
        Tasks {
            outbox: Outbox::new(layout.clone()),
            layout,
            state: Mutex::default(),
            wanted: Notify::new(),
            events: Arc::default(),
            interruption: watch::Sender::new(()),
        }
    }

    /// Makes a finished upload a task: reads its record, and queues it unless
    /// it is completed or failed. Nothing happens the second time. Blocks on
    /// the disk.
    pub fn adopt(&self, id: Uuid) {
        let dir = self.dir(id);
        if self.state().index.contains(id) {
            return;
        }
        let record = TaskRecord::load(&dir).and_then(|record| match record {
            Some(record) => Ok(record),
            None => Ok(TaskRecord::queued(read_facts(&dir)?)),
        });
        let mut record = match record {
            Ok(record) => record,
            Err(_) if !dir.exists() => return,
            Err(error) => {
                error!(task_id = %id, "its record cannot be read, it starts anew: {error}");
                match read_facts(&dir) {
                    Ok(facts) => TaskRecord::queued(facts),
                    Err(error) => return error!(task_id = %id, "nor can its upload: {error}"),
                }
            }
        };
        if record.status == Status::Processing {
            // The daemon ended in the middle of it.
            record.status = Status::Queued;
        }
        let workload = self.workload(&record);
        let mut state = self.state();
        if state.index.contains(id) {
            return;
        }
        self.put(&mut state, record, workload);
    }

    /// What is known of a transcription before it begins. Blocks on the disk.
    fn workload(&self, record: &TaskRecord) -> Workload {
        let size = peek_record(&self.dir(record.id)).map(|upload| upload.offset);
        let file_name = record.file_name.as_deref().map(Path::new);
        Workload {
            size_bytes: size.unwrap_or(0),
            kind: file_name.and_then(extension_of),
            audio_s: record.audio_duration,
            model: None,
            class: CostClass::of(&record.options),
        }
    }

    /// Makes known what is on disk of a task, and queues it if it waits.
    fn put(&self, state: &mut State, record: TaskRecord, workload: Workload) {
        let id = record.id;
        if record.status == Status::Queued {
            let task = ScheduledTask {
                id,
                owner: record.share_owner(),
                priority: record.priority,
                wanted_model: record.wanted_model.as_deref().map(Arc::from),
                workload,
                progress: JobProgress::default(),
                arrival: 0,
            };
            state.scheduler.push(task, Instant::now());
            self.wanted.notify_one();
        }
        self.events.send(id, || state.progress(&record));
        state.index.put(record, true);
    }

    /// Says that every upload of before the start has been adopted, and puts
    /// those that wait in the order of their creation.
    pub fn adopted_all(&self) {
        let mut state = self.state();
        let State {
            scheduler, index, ..
        } = &mut *state;
        scheduler.queue.sort_by_creation(|id| index.created_at(id));
        state.complete = true;
        self.send_places(&state);
        if state.index.len() > 0 {
            info!(
                "{} tasks found, {} of them waiting",
                state.index.len(),
                state.scheduler.queue.len()
            );
        }
    }

    /// Whether [`Tasks::adopted_all`] was said: before, a task may exist that
    /// is not known here.
    pub fn is_complete(&self) -> bool {
        self.state().complete
    }

    /// A task, looked for on disk if it is not known yet, and forgotten if a
    /// sweep took it away (I5). Blocks on the disk.
    pub fn find(&self, id: Uuid) -> Option<Arc<TaskRecord>> {
        let known = self.look_up(id);
        if known.is_none() && peek_record(&self.dir(id)).is_ok_and(|record| record.is_recording()) {
            self.adopt(id);
            return self.look_up(id);
        }
        known
    }

    fn look_up(&self, id: Uuid) -> Option<Arc<TaskRecord>> {
        let dir = self.dir(id);
        let known = self.state().index.get(id)?;
        match known {
            _ if !dir.exists() => {
                self.forget(id);
                None
            }
            Known::Held(record) => Some(record),
            Known::OnDisk => match TaskRecord::load(&dir) {
                Ok(Some(record)) => Some(Arc::new(record)),
                // Damaged since: as at a start.
                Ok(None) | Err(_) => {
                    self.forget(id);
                    None
                }
            },
        }
    }

    /// The folder of a task.
    pub fn dir(&self, id: Uuid) -> PathBuf {
        self.layout.upload(id)
    }

    /// Where all of them are.
    pub(super) fn state_dir(&self) -> PathBuf {
        self.layout.uploads()
    }

    /// The callbacks that wait to be delivered.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    fn forget(&self, id: Uuid) {
        let mut state = self.state();
        state.index.remove(id);
        state.scheduler.withdraw(id, Instant::now());
        self.events.gone(id);
        self.send_places(&state);
        drop(state);
        self.interruption.send_replace(());
    }

    /// How many wait for the engine.
    pub fn waiting(&self) -> usize {
        self.state().scheduler.queue.len()
    }

    /// How many of one owner wait for the engine.
    pub fn waiting_of(&self, owner: &Owner) -> usize {
        self.state().scheduler.queue.len_of(owner)
    }

    /// How far a task is.
    pub fn progress(&self, record: &TaskRecord) -> TaskProgress {
        self.state().progress(record)
    }

    /// Listens to an upload and what becomes of it. It need not be there yet.
    pub fn listen(&self, id: Uuid) -> Listener {
        self.events.listen(id)
    }

    /// Deletes a task with its recording and transcript; a running one is
    /// cancelled. Blocks on the disk.
    pub fn delete(&self, id: Uuid) -> Result<(), DeleteError> {
        if !self.state().index.contains(id) {
            return Err(DeleteError::NotFound);
        }
        let removed = match Parked::lock(&self.layout, id) {
            Ok(parked) => parked.remove(&self.layout).map(drop),
            // Gone already: the index is what is left of it.
            Err(OpenError::Missing) => Ok(()),
            Err(OpenError::Locked) => return Err(DeleteError::Busy),
            Err(OpenError::Damaged) => Err(io::ErrorKind::InvalidData.into()),
            Err(OpenError::Io(error)) => Err(error),
        };
        removed?;
        self.forget(id);
        if let Err(error) = self.outbox.forget(id) {
            warn!(task_id = %id, "its callback cannot be removed yet: {error}");
        }
        info!(task_id = %id, "task deleted");
        Ok(())
    }

    pub(super) fn send_places(&self, state: &State) {
        if !self.events.is_idle() {
            self.events.send_all(state.waiting());
        }
    }

    /// Makes a change of a task durable and then known; false if it was deleted
    /// meanwhile. What cannot be made durable is known as failed, so that no
    /// client sees a state that a restart does not find (I3). Blocks on the disk.
    pub(super) fn update(&self, mut record: TaskRecord) -> io::Result<bool> {
        let id = record.id;
        if !self.state().index.contains(id) {
            return Ok(false);
        }
        let saved = record.save(&self.dir(id));
        if let Err(error) = &saved {
            if self.is_deleted(id) {
                return Ok(false);
            }
            record.status = Status::Failed;
            record.error = Some(storage_failed(error));
        }
        let mut state = self.state();
        if !state.index.contains(id) {
            return Ok(false);
        }
        self.events.send(id, || state.progress(&record));
        state.index.put(record, saved.is_ok());
        saved.map(|()| true)
    }

    /// Makes durable that a task waits again, and queues it; false if it was
    /// deleted meanwhile. It is as it was where that cannot be stored. Blocks
    /// on the disk.
    pub(super) fn queue_again(&self, record: TaskRecord) -> io::Result<bool> {
        let id = record.id;
        record.save(&self.dir(id))?;
        let workload = self.workload(&record);
        let mut state = self.state();
        if !state.index.contains(id) {
            return Ok(false);
        }
        self.put(&mut state, record, workload);
        Ok(true)
    }

    /// Whether a task was deleted, or is about to be forgotten: its folder goes
    /// first. Blocks on the disk.
    pub(super) fn is_deleted(&self, id: Uuid) -> bool {
        !self.state().index.contains(id) || !self.dir(id).exists()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Uploads report their progress to those who listen to the later task.
impl Observer for Tasks {
    fn committed(&self, id: Uuid, offset: u64, length: Option<u64>) {
        // A complete one is queued, or joined with others, before it is news.
        if length != Some(offset) {
            self.received(id, offset, length);
        }
    }

    fn received(&self, id: Uuid, offset: u64, length: Option<u64>) {
        self.events
            .send(id, || TaskProgress::uploading(offset, length));
    }

    fn finished(&self, id: Uuid) {
        self.adopt(id);
    }

    fn expired(&self, id: Uuid) {
        self.events.gone(id);
    }

    fn terminated(&self, id: Uuid) {
        self.events.gone(id);
        // It may have become complete, and so a task, at this moment.
        if self.state().index.contains(id) {
            self.forget(id);
        }
    }
}

/// The error of a task that could not be stored.
pub(super) fn storage_failed(error: &io::Error) -> String {
    format!("storage failed: {error}; look at the disk of the state directory, then try again")
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::index::Query;
    use super::*;
    use crate::store::facts::Facts;
    use crate::store::moment::Moment;
    use crate::store::record::Record;

    pub fn finished_upload(layout: &Layout, name: &str, second: i64) -> Uuid {
        let id = Uuid::new_v4();
        let dir = layout.upload(id);
        std::fs::create_dir(&dir).unwrap();
        let facts = Facts {
            id,
            created_at: jiff::Timestamp::from_second(second).unwrap(),
            filename: Some(name.into()),
            ..Facts::default()
        };
        std::fs::write(dir.join("upload.json"), serde_json::to_vec(&facts).unwrap()).unwrap();
        let record = Record::new(Some(0), Moment::now());
        std::fs::write(dir.join("offset"), record.encode_file()).unwrap();
        id
    }

    #[tokio::test]
    async fn a_task_whose_folder_is_gone_is_deleted_and_no_failure() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::prepare(dir.path()).unwrap();
        let tasks = Tasks::new(layout.clone());
        let id = finished_upload(&layout, "a.wav", 1);
        tasks.adopt(id);
        let record = (*tasks.next().await).clone();
        assert!(tasks.update(record.clone()).unwrap());
        // As when it is being deleted, and not forgotten yet.
        std::fs::rename(layout.upload(id), layout.removing().join("x")).unwrap();
        assert!(tasks.state().index.contains(id));
        assert!(!tasks.update(record.clone()).unwrap());
        assert!(!tasks.end(record.clone()).unwrap());
        // A folder that cannot be written to is another matter.
        std::fs::write(layout.upload(id), "no folder").unwrap();
        tasks.update(record).unwrap_err();
        // Terminated as an upload, of which it was the last byte.
        let terminated = finished_upload(&layout, "b.wav", 2);
        tasks.adopt(terminated);
        tasks.terminated(terminated);
        assert!(!tasks.state().index.contains(terminated));
        assert_eq!(tasks.waiting(), 0);
    }

    #[tokio::test]
    async fn tasks_survive_a_restart_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::prepare(dir.path()).unwrap();
        let second = finished_upload(&layout, "Second.wav", 2);
        let first = finished_upload(&layout, "first.mp3", 1);
        let third = finished_upload(&layout, "third.wav", 3);
        let tasks = Tasks::new(layout.clone());
        for id in [second, third, first, first] {
            tasks.adopt(id);
        }
        tasks.adopted_all();
        let waits = tasks.find(third).unwrap();
        assert_eq!(tasks.waiting_of(&waits.share_owner()), 3);
        let wait_s = None;
        let ahead = 2;
        assert_eq!(
            tasks.progress(&waits),
            TaskProgress::Queued { ahead, wait_s }
        );
        let mut record = (*tasks.next().await).clone();
        assert_eq!(record.id, first);
        record.status = Status::Completed;
        assert!(tasks.update(record).unwrap());
        tasks.rest(first, None);
        let mut record = (*tasks.next().await).clone();
        assert_eq!(record.id, second);
        record.status = Status::Processing;
        assert!(tasks.update(record).unwrap());
        tasks.delete(third).unwrap();
        assert!(matches!(tasks.delete(third), Err(DeleteError::NotFound)));

        let tasks = Tasks::new(layout.clone());
        for id in [first, second, third] {
            tasks.adopt(id);
        }
        tasks.adopted_all();
        assert_eq!(tasks.next().await.id, second, "the interrupted one goes on");
        let all = Query {
            page: 1,
            page_size: 50,
            ..Query::default()
        };
        let search = |query: &Query| {
            let page = tasks.search(query);
            (page.ids, page.total)
        };
        assert_eq!(search(&all), (vec![second, first], 2));
        let named = Query {
            text: Some("SECOND".into()),
            ..all.clone()
        };
        assert_eq!(search(&named), (vec![second], 1));
        let on_page_2 = Query {
            page: 2,
            page_size: 1,
            ..all.clone()
        };
        assert_eq!(search(&on_page_2), (vec![first], 2));
        let failed = Query {
            status: Some(Status::Failed),
            ..all.clone()
        };
        assert_eq!(search(&failed), (vec![], 0));
        let others = Query {
            owner: Some("ben".into()),
            ..all.clone()
        };
        assert_eq!(search(&others), (vec![], 0));
        assert!(tasks.find_on_page(&others, first).is_none());
        assert!(tasks.find_on_page(&all, first).is_some());

        // Not known yet, and ended: read from disk all the same.
        let tasks = Tasks::new(layout.clone());
        assert_eq!(tasks.find(first).unwrap().status, Status::Completed);
        assert_eq!(
            tasks.find(first).unwrap().file_name.as_deref(),
            Some("first.mp3")
        );
        assert!(tasks.find(third).is_none(), "deleted");
        // Damaged since: it is done again.
        std::fs::write(layout.upload(first).join("task.json"), "{").unwrap();
        assert_eq!(tasks.find(first).unwrap().status, Status::Queued);
        // Taken away by a sweep.
        std::fs::remove_dir_all(layout.upload(first)).unwrap();
        assert!(tasks.find(first).is_none());
        assert_eq!(tasks.search(&all).total, 0);
    }
}
