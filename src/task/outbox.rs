//! Callbacks that wait to be delivered after the end of a task.
//!
//! One small file per callback, in a folder of its own, so that a start finds
//! those that wait without reading every task. It is durable before the task's
//! record says that the task has ended: a crash in between costs nothing, for
//! the sender reads the record first. The outcome of a callback is kept with
//! its task.

use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::store::moment::Moment;
use crate::store::regular_file;
use crate::store::{Layout, remove_durably, replace_durably};

/// The outcome, in the folder of its task.
const OUTCOME: &str = "callback.json";

/// How far a callback is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallbackStatus {
    /// It is in the outbox.
    Pending,
    /// The receiver answered with success.
    Delivered,
    /// It is not tried any more.
    Failed,
}

/// A POST that reports the end of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callback {
    /// Of this end of the task: the same over all attempts, another one once
    /// the task was transcribed again.
    pub message_id: Uuid,
    /// The receiver.
    pub url: String,
    /// When the task ended.
    pub since: Moment,
    /// How far it is.
    pub status: CallbackStatus,
    /// How often it was tried.
    pub attempts: u32,
    /// Why the last attempt failed.
    #[serde(default)]
    pub error: Option<String>,
}

/// All callbacks that wait.
#[derive(Debug)]
pub struct Outbox {
    layout: Layout,
    /// Locked while files change, so that an old callback never ends a newer
    /// one. Held over waits for the disk, so never locked on an async thread.
    files: Mutex<()>,
    /// Announced and not returned by [`Outbox::next`] yet.
    fresh: Mutex<Vec<Uuid>>,
    has_come: Notify,
}

impl Outbox {
    pub(super) fn new(layout: Layout) -> Outbox {
        Outbox {
            layout,
            files: Mutex::default(),
            fresh: Mutex::default(),
            has_come: Notify::new(),
        }
    }

    /// Whether a callback for this task waits. Blocks on the disk.
    pub(super) fn holds(layout: &Layout, id: Uuid) -> bool {
        layout.callbacks().join(id.to_string()).exists()
    }

    /// Those that wait from before the start. Blocks on the disk.
    pub fn waiting(&self) -> io::Result<Vec<Uuid>> {
        let mut waiting = Vec::new();
        for entry in std::fs::read_dir(self.layout.callbacks())? {
            // Others are halves that a crash left, replaced in time.
            waiting.extend(Layout::id_of(&entry?.file_name()));
        }
        Ok(waiting)
    }

    /// Those that were announced since the last call; waits for one.
    pub async fn next(&self) -> Vec<Uuid> {
        loop {
            let fresh = std::mem::take(&mut *self.fresh());
            if !fresh.is_empty() {
                return fresh;
            }
            self.has_come.notified().await;
        }
    }

    /// The waiting callback of this task. Blocks on the disk.
    pub fn pending(&self, id: Uuid) -> io::Result<Option<Callback>> {
        read(&self.layout.callbacks().join(id.to_string()))
    }

    /// The callback of this task, waiting or over. Blocks on the disk.
    pub fn callback(&self, id: Uuid) -> io::Result<Option<Callback>> {
        match self.pending(id)? {
            Some(pending) => Ok(Some(pending)),
            None => read(&self.layout.upload(id).join(OUTCOME)),
        }
    }

    /// Stores the outcome of an attempt, unless there is a newer callback or the
    /// task was deleted. Blocks on the disk.
    pub fn settle(&self, id: Uuid, callback: &Callback) -> io::Result<()> {
        let _files = self.files();
        let is_this = |known: Callback| known.message_id == callback.message_id;
        if !self.pending(id)?.is_some_and(is_this) {
            return Ok(());
        }
        let json = serde_json::to_vec(callback)?;
        if callback.status == CallbackStatus::Pending {
            return replace_durably(&self.layout.callbacks(), &id.to_string(), &json);
        }
        match replace_durably(&self.layout.upload(id), OUTCOME, &json) {
            // Deleted meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            written => written?,
        }
        self.remove(id)
    }

    /// Removes the callback of a task that was deleted. Blocks on the disk.
    pub fn forget(&self, id: Uuid) -> io::Result<()> {
        let _files = self.files();
        self.remove(id)
    }

    fn remove(&self, id: Uuid) -> io::Result<()> {
        match remove_durably(&self.layout.callbacks(), &id.to_string()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map(drop),
        }
    }

    /// Stores a new callback, durably when this returns. Blocks on the disk.
    pub(super) fn put(&self, id: Uuid, url: &str) -> io::Result<()> {
        let callback = Callback {
            message_id: Uuid::new_v4(),
            url: url.to_owned(),
            since: Moment::now(),
            status: CallbackStatus::Pending,
            attempts: 0,
            error: None,
        };
        let _files = self.files();
        let json = serde_json::to_vec(&callback)?;
        replace_durably(&self.layout.callbacks(), &id.to_string(), &json)
    }

    /// Hands the stored callback of this task to [`Outbox::next`].
    pub(super) fn announce(&self, id: Uuid) {
        self.fresh().push(id);
        self.has_come.notify_one();
    }

    fn files(&self) -> MutexGuard<'_, ()> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fresh(&self) -> MutexGuard<'_, Vec<Uuid>> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &Path) -> io::Result<Option<Callback>> {
    match regular_file::read(path) {
        Ok(json) => Ok(Some(serde_json::from_slice(&json)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_callback_waits_until_it_is_settled_and_no_older_one_ends_it() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::prepare(dir.path()).unwrap();
        let outbox = Outbox::new(layout.clone());
        let id = Uuid::new_v4();
        std::fs::create_dir(layout.upload(id)).unwrap();
        assert_eq!(outbox.callback(id).unwrap(), None);

        outbox.put(id, "http://nas/").unwrap();
        outbox.announce(id);
        assert_eq!(outbox.next().await, [id]);
        // As after a crash, which also leaves halves.
        std::fs::write(layout.callbacks().join(format!("{id}.new")), "{").unwrap();
        let outbox = Outbox::new(layout.clone());
        assert_eq!(outbox.waiting().unwrap(), [id]);
        assert!(Outbox::holds(&layout, id));
        let first = outbox.pending(id).unwrap().unwrap();
        let tried = Callback {
            attempts: 1,
            error: Some("no".into()),
            ..first.clone()
        };
        outbox.settle(id, &tried).unwrap();
        assert_eq!(outbox.callback(id).unwrap(), Some(tried));

        outbox.put(id, "http://nas/").unwrap();
        let second = outbox.pending(id).unwrap().unwrap();
        assert_ne!(first.message_id, second.message_id);
        let delivered = |callback: &Callback| Callback {
            status: CallbackStatus::Delivered,
            ..callback.clone()
        };
        outbox.settle(id, &delivered(&first)).unwrap();
        assert_eq!(outbox.callback(id).unwrap().as_ref(), Some(&second));
        outbox.settle(id, &delivered(&second)).unwrap();
        assert_eq!(outbox.callback(id).unwrap(), Some(delivered(&second)));
        assert!(!Outbox::holds(&layout, id));

        outbox.put(id, "http://nas/").unwrap();
        std::fs::remove_dir_all(layout.upload(id)).unwrap();
        let third = outbox.pending(id).unwrap().unwrap();
        outbox.settle(id, &delivered(&third)).unwrap();
        assert_eq!(outbox.callback(id).unwrap(), None);
        outbox.forget(id).unwrap();
    }
}
