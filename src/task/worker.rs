//! Takes one task after the other from the queue to its end.
//!
//! Runs on the daemon's control thread, where short waits for the disk harm
//! nobody.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::{info, warn};
use uuid::Uuid;

use super::inspect;
use super::record::{Status, TaskRecord, now};
use super::tasks::{Tasks, storage_failed};
use super::transcript::Part;
use super::turn::Interruption;
use crate::content::LOOK_BYTES;
use crate::engine_client::{Engine, JobEvent, Order, extension_of};
use crate::models;
use crate::protocol::{AudioInfo, FailureKind, MediaInfo, Outcome};
use crate::store::folder::open_recording;
use crate::store::moment::Moment;

/// How often a recording is given to an engine before it counts as the cause.
const ATTEMPTS: u32 = 2;

/// What one attempt came to.
enum Attempt {
    Completed(MediaInfo, Outcome),
    /// Trying again cannot help.
    Failed(String),
    /// Nor can anything else: the recording is none.
    Rejected(String),
    /// The engine was lost; the reason.
    EngineLost(String),
    Deleted,
    /// Somebody wants it to end; the reason.
    Cancelled(String),
    /// One of a higher priority waits.
    Yielded,
}

/// How tasks are transcribed, as configured.
#[derive(Debug, Clone)]
pub struct WorkSettings {
    /// Where models are.
    pub models_dir: PathBuf,
    /// For tasks that name none, or one that is not installed: a name or `auto`.
    pub default: String,
    /// Longest recording that is transcribed, by its sound.
    pub max_duration: Duration,
}

impl WorkSettings {
    /// Judged anew for every task, so that a model counts from the moment it
    /// is put into the directory.
    fn model(&self, wanted: Option<&str>) -> io::Result<String> {
        let installed = models::installed(&self.models_dir)?;
        Ok(
            match wanted.filter(|name| models::is_known(name, &installed)) {
                Some(name) => name.to_owned(),
                None => models::resolve(&self.default, &installed).to_owned(),
            },
        )
    }
}

/// Works until dropped.
pub async fn work(tasks: &Tasks, engine: &Engine, settings: &WorkSettings) {
    loop {
        let mut record = (*tasks.next().await).clone();
        record.status = Status::Processing;
        record.start_time = Some(now());
        record.end_time = None;
        let id = record.id;
        let outcome = match tasks.update(record.clone()) {
            Ok(false) => Attempt::Deleted,
            Ok(true) => process(tasks, engine, settings, &record).await,
            Err(error) => unreadable(tasks, id, &error),
        };
        record.end_time = Some(now());
        record.ended = Some(Moment::now());
        let is_done = matches!(outcome, Attempt::Completed(..));
        match outcome {
            Attempt::Deleted => {
                tasks.rest(is_done);
                continue;
            }
            Attempt::Yielded => {
                info!(task_id = %id, "task waits for one that is urgent");
                record.status = Status::Queued;
                record.end_time = None;
                record.ended = None;
                tasks.put_back(record);
                continue;
            }
            Attempt::Completed(media, outcome) => {
                record.before = None;
                record.status = Status::Completed;
                record.language = Some(outcome.language);
                record.warning = outcome.warning;
                record.audio_duration = Some(outcome.audio_duration_s);
                record.audio = Some(AudioInfo {
                    duration: Some(outcome.audio_duration_s),
                    ..media.audio
                });
                if media.model == models::DEMO {
                    warn!(task_id = %id, "task heard by the demo model only: {}", models::DEMO_NOTICE);
                }
                info!(task_id = %id, "task completed with model {}", media.model);
                record.model = Some(media.model);
            }
            Attempt::Rejected(reason) => {
                warn!(task_id = %id, "task failed: {reason}");
                record.is_rejected = true;
                record = record.failed(reason);
            }
            Attempt::Cancelled(reason) => {
                info!(task_id = %id, "task cancelled: {reason}");
                record = record.failed(reason);
            }
            Attempt::Failed(reason) | Attempt::EngineLost(reason) => {
                warn!(task_id = %id, "task failed: {reason}");
                record = record.failed(reason);
            }
        }
        if let Err(error) = tasks.end(record) {
            // A restart tries once more.
            warn!(task_id = %id, "{}", storage_failed(&error));
        }
        // Only now: who reads a transcript along must know its end.
        tasks.rest(is_done);
    }
}

async fn process(
    tasks: &Tasks,
    engine: &Engine,
    settings: &WorkSettings,
    record: &TaskRecord,
) -> Attempt {
    let dir = tasks.dir(record.id);
    let model = match settings.model(record.wanted_model.as_deref()) {
        Ok(model) => model,
        Err(error) => {
            return Attempt::Failed(format!("{}: {error}", settings.models_dir.display()));
        }
    };
    let mut lost = String::new();
    for attempt in 1..=ATTEMPTS {
        let outcome = match open(&dir) {
            Ok(Err(refusal)) => Attempt::Rejected(refusal),
            Ok(Ok(recording)) => tokio::select! {
                outcome = transcribe(tasks, engine, settings, record, &model, recording) => {
                    outcome.unwrap_or_else(|error| unreadable(tasks, record.id, &error))
                }
                interruption = tasks.interrupted(record.id) => match interruption {
                    Interruption::Deleted => Attempt::Deleted,
                    Interruption::Cancelled(reason) => Attempt::Cancelled(reason),
                },
            },
            Err(error) => unreadable(tasks, record.id, &error),
        };
        match outcome {
            Attempt::EngineLost(reason) => {
                warn!(task_id = %record.id, attempt, "the engine was lost: {reason}");
                lost = reason;
            }
            other => return other,
        }
    }
    Attempt::EngineLost(format!(
        "the transcription engine was lost {ATTEMPTS} times, the last time because {lost}; the recording is kept"
    ))
}

/// What a failure of storage means: of a task that is being deleted the files
/// are gone before it is forgotten.
fn unreadable(tasks: &Tasks, id: Uuid, error: &io::Error) -> Attempt {
    match tasks.is_deleted(id) {
        true => Attempt::Deleted,
        false => Attempt::Failed(storage_failed(error)),
    }
}

/// The recording, or why it is none.
fn open(dir: &Path) -> io::Result<Result<File, String>> {
    let recording = open_recording(dir)?;
    let mut start = vec![0; LOOK_BYTES];
    let count = recording.read_at(&mut start, 0)?;
    Ok(match inspect::refusal(&start[..count]) {
        None => Ok(recording),
        Some(refusal) => Err(refusal),
    })
}

async fn transcribe(
    tasks: &Tasks,
    engine: &Engine,
    settings: &WorkSettings,
    record: &TaskRecord,
    model: &str,
    recording: File,
) -> io::Result<Attempt> {
    let dir = &tasks.dir(record.id);
    let made_by = format!("{model} {:?} {:?}", record.wanted_language, record.options);
    let (mut part, reached) = Part::begin(dir, &made_by)?;
    if let Some(reached) = &reached {
        let done_s = reached.done_s;
        info!(task_id = %record.id, "task goes on after {done_s:.0} seconds of its recording");
    }
    tasks.attempt(part.bytes());
    let file_name = record.file_name.as_deref().map(Path::new);
    let order = Order {
        size_bytes: recording.metadata()?.len(),
        recording,
        extension: file_name.and_then(extension_of),
        model: Some(model.to_owned()),
        language: record.wanted_language.clone(),
        options: record.options.clone(),
        max_duration: settings.max_duration,
        reached,
    };
    let mut events = engine.submit(order).await;
    let mut media = None;
    let outcome = loop {
        match events.recv().await {
            Some(JobEvent::Started(found)) => media = Some(found),
            Some(JobEvent::Progress { reached, fraction }) => {
                // At the end the whole is about to be durable.
                let is_end = fraction >= 1.0;
                if !is_end {
                    part.reached(reached)?;
                }
                tasks.advance(fraction.clamp(0.0, 1.0));
                if !is_end && tasks.has_before(record.priority) {
                    break Attempt::Yielded;
                }
            }
            Some(JobEvent::Segment(segment)) => tasks.found(part.push(&segment)?),
            Some(JobEvent::Done(outcome)) => match media {
                Some(media) => {
                    part.finish()?;
                    return Ok(Attempt::Completed(media, outcome));
                }
                None => break Attempt::EngineLost("it finished what it had not begun".into()),
            },
            Some(JobEvent::Failed {
                kind: FailureKind::Cancelled,
                ..
            }) => {
                break Attempt::EngineLost("it gave the job up".into());
            }
            Some(JobEvent::Failed {
                kind: FailureKind::Rejected,
                reason,
            }) => break Attempt::Rejected(reason),
            Some(JobEvent::Failed { reason, .. }) => break Attempt::Failed(reason),
            Some(JobEvent::EngineLost(reason)) => break Attempt::EngineLost(reason),
            None => break Attempt::EngineLost("the daemon is stopping".into()),
        }
    };
    match outcome {
        Attempt::EngineLost(_) | Attempt::Yielded => part.pause()?,
        _ => part.discard(),
    }
    Ok(outcome)
}
