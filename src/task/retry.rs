//! Transcribing again what was transcribed, or could not be.

use std::io;

use tracing::info;
use uuid::Uuid;

use super::record::{Status, TaskRecord};
use super::tasks::Tasks;
use super::transcript;
use crate::store::facts::Priority;
use crate::store::folder::{OpenError, Parked};

/// Why a task could not be queued again.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    /// There is no task of this id.
    #[error("there is no task of this id")]
    NotFound,
    /// It has not ended yet.
    #[error("the task is {0}; it can be transcribed again once that has ended")]
    NotEnded(&'static str),
    /// There is nothing to transcribe any more.
    #[error("the recording was deleted after its retention period: send it again")]
    NoRecording,
    /// It is being read or written.
    #[error("the task is in use; try again")]
    Busy,
    /// The disk failed.
    #[error("storage failed: {0}")]
    Storage(#[from] io::Error),
}

impl Tasks {
    /// Queues a task that has ended, once that is durable; with another `model`
    /// where one is given. Blocks on the disk.
    pub fn retry(&self, id: Uuid, model: Option<String>) -> Result<(), RetryError> {
        // Held to the end: no sweep takes the recording away meanwhile, and no
        // other request queues it, too.
        let _parked = match Parked::lock(&self.layout, id) {
            Ok(parked) => parked,
            Err(OpenError::Missing) => return Err(RetryError::NotFound),
            Err(OpenError::Locked) => return Err(RetryError::Busy),
            Err(OpenError::Damaged) => {
                return Err(io::Error::from(io::ErrorKind::InvalidData).into());
            }
            Err(OpenError::Io(error)) => return Err(error.into()),
        };
        let record = self.find(id).ok_or(RetryError::NotFound)?;
        match record.status {
            Status::Queued => return Err(RetryError::NotEnded("queued")),
            Status::Processing => return Err(RetryError::NotEnded("being transcribed")),
            Status::Completed | Status::Failed => {}
        }
        let dir = self.dir(id);
        if !Parked::has_recording(&dir) {
            return Err(RetryError::NoRecording);
        }
        let again = (*record).clone().again(model, transcript::exists(&dir));
        match self.queue_again(again)? {
            true => info!(task_id = %id, "task queued again"),
            false => return Err(RetryError::NotFound),
        }
        Ok(())
    }
}

impl TaskRecord {
    /// The same, waiting again.
    fn again(self, model: Option<String>, has_transcript: bool) -> TaskRecord {
        let before = (self.status == Status::Completed && has_transcript).then(|| {
            let before = self.clone();
            Box::new(before)
        });
        TaskRecord {
            wanted_model: model.or(self.wanted_model),
            // The client that waited for it has had an answer.
            priority: Priority::Bulk,
            status: Status::Queued,
            language: None,
            model: None,
            start_time: None,
            end_time: None,
            ended: None,
            error: None,
            is_rejected: false,
            warning: None,
            before,
            ..self
        }
    }

    /// The same, failed; or as it was before, where that was better.
    pub(super) fn failed(mut self, reason: String) -> TaskRecord {
        match self.before.take() {
            Some(before) => TaskRecord {
                warning: Some(format!(
                    "this is the transcript from before: transcribing it again failed: {reason}"
                )),
                ..*before
            },
            None => TaskRecord {
                status: Status::Failed,
                error: Some(reason),
                ..self
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Segment;
    use crate::store::Layout;
    use crate::store::facts::Facts;
    use crate::store::moment::Moment;
    use crate::store::record::Record;

    fn finished(layout: &Layout) -> Uuid {
        let id = Uuid::new_v4();
        let dir = layout.upload(id);
        std::fs::create_dir(&dir).unwrap();
        let facts =
            format!(r#"{{"id":"{id}","created_at":"2026-01-01T00:00:00Z","model":"base"}}"#);
        assert!(serde_json::from_str::<Facts>(&facts).is_ok());
        std::fs::write(dir.join("upload.json"), facts).unwrap();
        let record = Record::new(Some(4), Moment::now()).advanced(4, Moment::now());
        std::fs::write(dir.join("offset"), record.encode_file()).unwrap();
        std::fs::write(dir.join("data"), "data").unwrap();
        id
    }

    #[tokio::test]
    async fn a_task_waits_again_once_it_has_ended_also_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::prepare(dir.path()).unwrap();
        let tasks = Tasks::new(layout.clone());
        let id = finished(&layout);
        assert!(matches!(
            tasks.retry(Uuid::new_v4(), None),
            Err(RetryError::NotFound)
        ));
        tasks.adopt(id);
        assert!(matches!(
            tasks.retry(id, None),
            Err(RetryError::NotEnded("queued"))
        ));
        let mut record = (*tasks.next().await).clone();
        record.status = Status::Completed;
        record.model = Some("base".into());
        tasks.update(record).unwrap();
        let (mut part, _) = transcript::Part::begin(&layout.upload(id), "base").unwrap();
        let (start, end, text) = (0.0, 1.0, "stop".into());
        part.push(&Segment {
            start,
            end,
            text,
            ..Segment::default()
        })
        .unwrap();
        part.finish().unwrap();

        tasks.retry(id, Some("large".into())).unwrap();
        assert!(matches!(
            tasks.retry(id, None),
            Err(RetryError::NotEnded(_))
        ));
        let restarted = Tasks::new(layout.clone());
        restarted.adopt(id);
        assert_eq!(restarted.find(id).unwrap().status, Status::Queued);
        let again = restarted.next().await;
        assert_eq!(again.wanted_model.as_deref(), Some("large"));
        assert_eq!(
            (again.model.as_deref(), again.status),
            (None, Status::Queued)
        );

        let failed = (*again).clone().failed("no memory".into());
        assert_eq!(
            failed.status,
            Status::Completed,
            "the old transcript is there"
        );
        assert_eq!(failed.model.as_deref(), Some("base"));
        assert!(failed.warning.as_ref().unwrap().contains("no memory"));
        restarted.update(failed).unwrap();
        std::fs::remove_file(layout.upload(id).join("data")).unwrap();
        assert!(matches!(
            restarted.retry(id, None),
            Err(RetryError::NoRecording)
        ));
    }

    #[tokio::test]
    async fn a_failure_stays_one_when_there_was_nothing_before() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::prepare(dir.path()).unwrap();
        let tasks = Tasks::new(layout.clone());
        let id = finished(&layout);
        tasks.adopt(id);
        let record = (*tasks.next().await).clone().failed("noise".into());
        tasks.update(record).unwrap();
        tasks.rest(id, None);
        tasks.retry(id, None).unwrap();
        let again = tasks.next().await;
        assert_eq!((again.error.as_deref(), &again.before), (None, &None));
        assert_eq!(again.wanted_model.as_deref(), Some("base"));
    }
}
