//! A task with its transcript, as programs read it: in the answer to
//! `GET /task/{id}`, and in the callback at its end.

use std::io;
use std::path::Path;

use serde_json::{Value, json};

use super::record::{Status, TaskRecord};
use super::tasks::Tasks;
use super::transcript;
use crate::models;
use crate::options::Task;
use crate::protocol::AudioInfo;
use crate::render::{self, Document, Transcript};

impl TaskRecord {
    /// Opens its transcript in this folder, for [`render::render`]. Blocks on the
    /// disk.
    pub fn transcript(&self, dir: &Path) -> io::Result<Transcript> {
        Ok(Transcript {
            language: self.language.clone(),
            task: self.options.task.unwrap_or(Task::Transcribe),
            duration_s: self.audio_duration.unwrap_or_default(),
            temperature: self.options.temperatures.unwrap_or_default(),
            read: transcript::open(dir)?,
        })
    }
}

/// What every task of ours does.
pub const TASK_TYPE: &str = "full_process";

/// All that is known of a task at one moment.
pub struct TaskDocument {
    before_result: String,
    transcript: Option<Transcript>,
    after_result: String,
}

impl TaskDocument {
    /// Blocks on the disk.
    pub fn of(tasks: &Tasks, record: &TaskRecord) -> io::Result<TaskDocument> {
        let transcript = match record.status {
            Status::Completed => match record.transcript(&tasks.dir(record.id)) {
                // Past its retention period.
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                transcript => Some(transcript?),
            },
            _ => None,
        };
        let (error, status) = (json!(record.error), json!(record.status));
        let metadata = metadata(tasks, record);
        Ok(TaskDocument {
            before_result: format!(r#"{{"error":{error},"metadata":{metadata},"result":"#),
            transcript,
            after_result: format!(r#","status":{status}}}"#),
        })
    }

    /// Its JSON: the same bytes each time, whatever becomes of the task.
    pub fn json(&self) -> Document {
        let result = match &self.transcript {
            Some(transcript) => render::result(transcript),
            None => Document::of("null"),
        };
        result.between(&*self.before_result, &*self.after_result)
    }
}

fn metadata(tasks: &Tasks, record: &TaskRecord) -> Value {
    let callback = match &record.callback_url {
        // Without it the rest of the document is as good.
        Some(_) => tasks.outbox().callback(record.id).ok().flatten(),
        None => None,
    };
    json!({
        "task_type": TASK_TYPE,
        "task_params": params(record),
        "language": record.language.as_ref().or(record.wanted_language.as_ref()),
        "file_name": record.file_name,
        "url": record.url,
        "callback_url": record.callback_url,
        "callback": callback.map(|callback| json!({
            "status": callback.status,
            "attempts": callback.attempts,
            "error": callback.error,
        })),
        "duration": record.processing_s(),
        "audio_duration": record.audio_duration,
        "start_time": record.start_time,
        "end_time": record.end_time,
        "model": record.model.as_deref().map(|model| match model {
            models::DEMO => format!("{model}: {}", models::DEMO_NOTICE),
            _ => model.to_owned(),
        }),
        "format": record.audio.as_ref().map(AudioInfo::format),
        "audio": record.audio,
        "warning": record.warning,
    })
}

/// The options of the request; those that were not given are left out.
fn params(record: &TaskRecord) -> Value {
    let mut params = serde_json::to_value(&record.options).unwrap_or_default();
    params["language"] = json!(record.wanted_language);
    params["model"] = json!(record.wanted_model);
    params
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::tasks::tests::finished_upload;
    use super::*;
    use crate::piecewise::Piecewise;
    use crate::protocol::Segment;
    use crate::store::Layout;

    fn whole(document: Document) -> String {
        let (piece, rest) = document.split().unwrap();
        assert!(rest.is_none());
        String::from_utf8(piece.to_vec()).unwrap()
    }

    #[test]
    fn a_document_is_of_one_moment_and_can_be_made_again() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::prepare(dir.path()).unwrap();
        let tasks = Tasks::new(layout.clone());
        let id = finished_upload(&layout, "a \"b\".wav", 1);
        tasks.adopt(id);
        let mut record = (*tasks.find(id).unwrap()).clone();
        let json = |record: &TaskRecord| {
            let document = TaskDocument::of(&tasks, record).unwrap();
            let text = whole(document.json());
            let value: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(value.to_string(), text, "no other order or spaces");
            value
        };
        let queued = json(&record);
        let members: Vec<&String> = queued.as_object().unwrap().keys().collect();
        assert_eq!(members, ["error", "metadata", "result", "status"]);
        assert_eq!(queued["status"], "queued");
        assert_eq!(queued["metadata"]["file_name"], "a \"b\".wav");
        assert!(queued["result"].is_null() && queued["error"].is_null());

        record.status = Status::Completed;
        record.language = Some("en".into());
        assert!(json(&record)["result"].is_null(), "past its retention");
        let folder = layout.upload(id);
        let (mut part, _) = transcript::Part::begin(&folder, "base").unwrap();
        let text = "hello".to_owned();
        part.push(&Segment {
            text,
            ..Segment::default()
        })
        .unwrap();
        part.finish().unwrap();
        let completed = json(&record);
        let segment = json!({ "start": 0.0, "end": 0.0, "text": "hello", "words": [] });
        let result = json!({ "language": "en", "segments": [segment] });
        assert_eq!(completed["result"], result);
        let document = TaskDocument::of(&tasks, &record).unwrap();
        let first = whole(document.json());
        transcript::remove(&folder).unwrap();
        assert_eq!(whole(document.json()), first);
    }
}
