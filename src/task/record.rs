//! The durable record of a task, `task.json` in its upload's folder.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::options::Options;
use crate::protocol::AudioInfo;
use crate::shares::Owner;
use crate::store::facts::{Facts, Priority, share_owner};
use crate::store::moment::Moment;
use crate::store::regular_file;
use crate::store::replace_durably;

const FILE: &str = "task.json";

/// The time in whole milliseconds.
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Waits for the engine.
    Queued,
    /// The engine has it, or had it when the daemon ended.
    Processing,
    /// Its transcript is on stable storage (I3).
    Completed,
    /// It failed; `error` says why.
    Failed,
}

impl std::str::FromStr for Status {
    type Err = ();

    fn from_str(text: &str) -> Result<Status, ()> {
        serde_json::from_value(text.into()).map_err(|_| ())
    }
}

/// Everything about a task but its transcript. Unknown fields are ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// Of the upload too.
    pub id: Uuid,
    /// When its upload was created.
    pub created_at: Timestamp,
    /// See [`Facts::owner`].
    #[serde(default)]
    pub owner: Option<String>,
    /// See [`Facts::network`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<IpAddr>,
    /// Name of the file at the client.
    pub file_name: Option<String>,
    /// Language asked for; `None`: detect.
    pub wanted_language: Option<String>,
    /// Model asked for; `None`: whichever is resident.
    pub wanted_model: Option<String>,
    /// Further options.
    #[serde(default)]
    pub options: Options,
    /// See [`Facts::url`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// See [`Facts::callback_url`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback_url: Option<String>,
    /// When it is transcribed.
    #[serde(default)]
    pub priority: Priority,
    /// How far it is.
    pub status: Status,
    /// Language of the transcript.
    pub language: Option<String>,
    /// Model that made the transcript.
    pub model: Option<String>,
    /// The sound of the recording, once it was transcribed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio: Option<AudioInfo>,
    /// Length of the recording in seconds.
    pub audio_duration: Option<f64>,
    /// When the engine got it, the last time.
    pub start_time: Option<Timestamp>,
    /// When it was completed or failed.
    pub end_time: Option<Timestamp>,
    /// The same, as it counts for its retention.
    #[serde(default)]
    pub ended: Option<Moment>,
    /// Why it failed.
    pub error: Option<String>,
    /// It failed because its recording cannot be read; another attempt cannot help.
    #[serde(default)]
    pub is_rejected: bool,
    /// What is wrong with the recording of a completed task.
    #[serde(default)]
    pub warning: Option<String>,
    /// What it came to before, while it is transcribed again: its transcript
    /// stays where it is until there is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Box<TaskRecord>>,
}

impl TaskRecord {
    /// The record of an upload that has just been finished.
    pub fn queued(facts: Facts) -> TaskRecord {
        TaskRecord {
            id: facts.id,
            created_at: facts.created_at,
            owner: facts.owner,
            network: facts.network,
            file_name: facts.filename,
            wanted_language: facts.language,
            wanted_model: facts.model,
            options: facts.options,
            url: facts.url,
            callback_url: facts.callback_url,
            priority: facts.priority,
            status: Status::Queued,
            language: None,
            model: None,
            audio: None,
            audio_duration: None,
            start_time: None,
            end_time: None,
            ended: None,
            error: None,
            is_rejected: false,
            warning: None,
            before: None,
        }
    }

    /// Reads it; `None` if none was written yet. Blocks on the disk.
    pub fn load(dir: &Path) -> io::Result<Option<TaskRecord>> {
        match regular_file::read(&dir.join(FILE)) {
            Ok(json) => Ok(Some(serde_json::from_slice(&json)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes it, durably when this returns. Blocks on the disk.
    pub fn save(&self, dir: &Path) -> io::Result<()> {
        replace_durably(dir, FILE, &serde_json::to_vec_pretty(self)?)
    }

    /// Whose share it uses of what is limited.
    pub fn share_owner(&self) -> Owner {
        share_owner(self.owner.as_deref(), self.network)
    }

    /// It will not change by itself any more.
    pub fn has_ended(&self) -> bool {
        matches!(self.status, Status::Completed | Status::Failed)
    }

    /// Seconds that the transcription took.
    pub fn processing_s(&self) -> Option<f64> {
        Some(
            self.end_time?
                .duration_since(self.start_time?)
                .as_secs_f64(),
        )
    }
}
