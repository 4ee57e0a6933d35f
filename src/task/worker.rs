//! Transcribes queued tasks, as many at a time as the engine has slots.
//!
//! Runs on the daemon's control thread, which also feeds the watchdog: every
//! wait for the disk is on a helper thread.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tracing::{info, warn};
use uuid::Uuid;

use super::inspect;
use super::record::{Status, TaskRecord, now};
use super::space;
use super::tasks::{Tasks, storage_failed};
use super::transcript::Part;
use super::turn::Interruption;
use crate::blocking;
use crate::content::LOOK_BYTES;
use crate::engine_client::{Engine, JobEvent, JobRequest, extension_of};
use crate::models;
use crate::protocol::{AudioInfo, FailureKind, Job, MediaInfo, Outcome};
use crate::store::folder::open_recording;
use crate::store::moment::Moment;

/// How often a recording is given to an engine before it counts as the cause.
const ATTEMPTS: u32 = 2;

/// The outcome of one attempt.
enum Attempt {
    Completed(MediaInfo, Outcome),
    /// Another attempt cannot help.
    Failed(String),
    /// The file is no recording.
    Rejected(String),
    /// The engine was lost; the reason.
    EngineLost(String),
    Deleted,
    /// Cancelled for this reason.
    Cancelled(String),
    /// It is another task's turn.
    Yielded,
}

impl From<Interruption> for Attempt {
    fn from(interruption: Interruption) -> Attempt {
        match interruption {
            Interruption::Deleted => Attempt::Deleted,
            Interruption::Cancelled(reason) => Attempt::Cancelled(reason),
        }
    }
}

/// How tasks are transcribed, as configured.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// Where models are.
    pub models_dir: PathBuf,
    /// For tasks that name none, or one that is not installed: a name or `auto`.
    pub default: String,
    /// Longest recording that is transcribed, by its sound.
    pub max_duration: Duration,
    /// Disk space that transcripts leave free.
    pub keep_free_bytes: u64,
}

impl WorkerSettings {
    /// Resolved for every task anew, so that a model is used as soon as its
    /// file is in the directory. Blocks on the disk.
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

/// Transcribes queued tasks until dropped.
pub async fn process_queue(tasks: &Arc<Tasks>, engine: &Engine, settings: &WorkerSettings) {
    let worker = Worker {
        tasks,
        engine,
        settings,
    };
    let mut slots = engine.slots();
    let mut running = FuturesUnordered::new();
    loop {
        tasks.set_slots(*slots.borrow_and_update());
        tokio::select! {
            record = tasks.next() => running.push(worker.run((*record).clone())),
            Some(()) = running.next() => {}
            Ok(()) = slots.changed() => {}
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Worker<'a> {
    tasks: &'a Arc<Tasks>,
    engine: &'a Engine,
    settings: &'a WorkerSettings,
}

impl Worker<'_> {
    /// Takes one task from its start to its end.
    async fn run(self, mut record: TaskRecord) {
        let id = record.id;
        // One that was interrupted is as it was.
        let is_new = record.status != Status::Processing;
        if is_new {
            record.status = Status::Processing;
            record.start_time = Some(now());
            record.end_time = None;
        }
        let begun = is_new.then(|| record.clone());
        let mut outcome = match self.space(id).await {
            Err(interruption) => interruption.into(),
            Ok(()) => match self.begin(begun).await {
                Ok(false) => Attempt::Deleted,
                Ok(true) => self.process(&record).await,
                Err(error) => self.unreadable(id, error).await,
            },
        };
        if let Attempt::Yielded = outcome {
            outcome = match self.tasks.put_back(id) {
                Ok(()) => return info!(task_id = %id, "task makes room for another one"),
                Err(interruption) => interruption.into(),
            };
        }
        let audio_s = match &outcome {
            Attempt::Completed(_, outcome) => Some(outcome.audio_duration_s),
            _ => None,
        };
        match outcome {
            Attempt::Deleted => {}
            outcome => {
                let record = ended(record, outcome);
                if let Err(error) = self.on_disk(move |tasks| tasks.end(record)).await {
                    // A restart tries once more.
                    warn!(task_id = %id, "{}", storage_failed(&error));
                }
            }
        }
        // Only now: followers of the transcript must see its end.
        self.tasks.rest(id, audio_s);
    }

    /// Stores the beginning of a task, if it is one; false if it was deleted.
    async fn begin(self, record: Option<TaskRecord>) -> io::Result<bool> {
        match record {
            Some(begun) => self.on_disk(move |tasks| tasks.update(begun)).await,
            None => Ok(true),
        }
    }

    async fn process(self, record: &TaskRecord) -> Attempt {
        let (settings, wanted) = (self.settings.clone(), record.wanted_model.clone());
        let model = match blocking::run(move || settings.model(wanted.as_deref())).await {
            Ok(model) => model,
            Err(error) => {
                let dir = self.settings.models_dir.display();
                return Attempt::Failed(format!("{dir}: {error}"));
            }
        };
        let (mut lost, mut attempt) = (String::new(), 0);
        while attempt < ATTEMPTS {
            attempt = u32::saturating_add(attempt, 1);
            let dir = self.tasks.dir(record.id);
            let outcome = match blocking::run(move || open(&dir)).await {
                Ok(Err(refusal)) => Attempt::Rejected(refusal),
                Ok(Ok(recording)) => match self.transcribe(record, &model, recording).await {
                    Ok(outcome) => outcome,
                    Err(error) if space::is_lacking(&error) => {
                        match self.space(record.id).await {
                            // Not an attempt that failed.
                            Ok(()) => {
                                attempt = attempt.saturating_sub(1);
                                continue;
                            }
                            Err(interruption) => interruption.into(),
                        }
                    }
                    Err(error) => self.unreadable(record.id, error).await,
                },
                Err(error) => self.unreadable(record.id, error).await,
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

    /// Waits for disk space.
    async fn space(self, id: Uuid) -> Result<(), Interruption> {
        let keep_free_bytes = self.settings.keep_free_bytes;
        space::wait_for_space(self.tasks, id, keep_free_bytes).await
    }

    /// What a failure of storage means: of a task that is being deleted the
    /// files are gone before it is forgotten.
    async fn unreadable(self, id: Uuid, error: io::Error) -> Attempt {
        match self.on_disk(move |tasks| tasks.is_deleted(id)).await {
            true => Attempt::Deleted,
            false => Attempt::Failed(storage_failed(&error)),
        }
    }

    /// One attempt. What an interruption ends is waited for as far as the disk
    /// goes: the next attempt finds no file that is still being written.
    async fn transcribe(
        self,
        record: &TaskRecord,
        model: &str,
        (recording, size_bytes): (File, u64),
    ) -> io::Result<Attempt> {
        let (id, dir) = (record.id, self.tasks.dir(record.id));
        let mut interruption = pin!(self.tasks.interrupted(id));
        let made_by = format!("{model} {:?} {:?}", record.wanted_language, record.options);
        let (part, reached) = blocking::run(move || Part::begin(&dir, &made_by)).await?;
        let mut part = part.keeping_free(self.settings.keep_free_bytes);
        if let Some(reached) = &reached {
            let done_s = reached.done_s;
            info!(task_id = %id, "task goes on after {done_s:.0} seconds of its recording");
        }
        let from_s = reached.as_ref().map_or(0.0, |reached| reached.done_s);
        self.tasks.attempt(id, part.bytes(), from_s);
        let file_name = record.file_name.as_deref().map(Path::new);
        let job = Job {
            id: 0,
            size_bytes,
            extension: file_name.and_then(extension_of),
            model: Some(model.to_owned()),
            language: record.wanted_language.clone(),
            options: record.options.clone(),
            max_duration_s: self.settings.max_duration.as_secs(),
            reached,
        };
        let request = JobRequest { recording, job };
        let mut events = tokio::select! {
            events = self.engine.submit(request) => events,
            interruption = &mut interruption => return Ok(interruption.into()),
        };
        let mut media = None;
        let outcome = loop {
            let event = tokio::select! {
                biased;
                interruption = &mut interruption => return Ok(interruption.into()),
                event = events.recv() => event,
            };
            match event {
                Some(JobEvent::Started(found)) => {
                    self.tasks.started(id, &found);
                    media = Some(found);
                }
                Some(JobEvent::Progress { reached, fraction }) => {
                    // At the end the whole is about to be durable.
                    let is_end = fraction >= 1.0;
                    let done_s = reached.done_s;
                    if !is_end {
                        (part, ()) = write(part, |part| part.reached(reached)).await?;
                    }
                    self.tasks.advance(id, done_s, fraction.clamp(0.0, 1.0));
                    if !is_end && self.tasks.must_yield(id) {
                        break Attempt::Yielded;
                    }
                }
                Some(JobEvent::Segment(segment)) => {
                    let bytes;
                    (part, bytes) = write(part, move |part| part.push(&segment)).await?;
                    self.tasks.found(id, bytes);
                }
                Some(JobEvent::Done(outcome)) => match media {
                    Some(media) => {
                        blocking::run(move || part.finish()).await?;
                        return Ok(Attempt::Completed(media, outcome));
                    }
                    None => break Attempt::EngineLost("it finished what it had not begun".into()),
                },
                Some(JobEvent::Failed { kind, reason }) => match kind {
                    FailureKind::Cancelled => {
                        break Attempt::EngineLost("it gave the job up".into());
                    }
                    FailureKind::Rejected => break Attempt::Rejected(reason),
                    FailureKind::Model => break Attempt::Failed(reason),
                },
                Some(JobEvent::EngineLost(reason)) => break Attempt::EngineLost(reason),
                None => break Attempt::EngineLost("the daemon is stopping".into()),
            }
        };
        match outcome {
            Attempt::EngineLost(_) | Attempt::Yielded => {
                blocking::run(move || part.pause()).await?;
            }
            _ => blocking::run(move || part.discard()).await,
        }
        Ok(outcome)
    }

    /// Makes a call that blocks on the disk.
    async fn on_disk<T: Send + 'static>(
        self,
        call: impl FnOnce(&Tasks) -> T + Send + 'static,
    ) -> T {
        let tasks = Arc::clone(self.tasks);
        blocking::run(move || call(&tasks)).await
    }
}

/// Makes a call that writes to the transcript, and returns that with its result.
async fn write<T: Send + 'static>(
    mut part: Part,
    call: impl FnOnce(&mut Part) -> io::Result<T> + Send + 'static,
) -> io::Result<(Part, T)> {
    blocking::run(move || call(&mut part).map(|value| (part, value))).await
}

/// The record of a task that ended so.
fn ended(mut record: TaskRecord, outcome: Attempt) -> TaskRecord {
    let id = record.id;
    record.end_time = Some(now());
    record.ended = Some(Moment::now());
    match outcome {
        Attempt::Completed(media, outcome) => {
            if media.model == models::DEMO {
                warn!(task_id = %id, "task transcribed with the demo model: {}", models::DEMO_NOTICE);
            }
            info!(task_id = %id, "task completed with model {}", media.model);
            TaskRecord {
                before: None,
                status: Status::Completed,
                language: Some(outcome.language),
                warning: outcome.warning,
                audio_duration: Some(outcome.audio_duration_s),
                audio: Some(AudioInfo {
                    duration: Some(outcome.audio_duration_s),
                    ..media.audio
                }),
                model: Some(media.model),
                ..record
            }
        }
        Attempt::Rejected(reason) => {
            warn!(task_id = %id, "task failed: {reason}");
            record.is_rejected = true;
            record.failed(reason)
        }
        Attempt::Cancelled(reason) => {
            info!(task_id = %id, "task cancelled: {reason}");
            record.failed(reason)
        }
        Attempt::Failed(reason) | Attempt::EngineLost(reason) => {
            warn!(task_id = %id, "task failed: {reason}");
            record.failed(reason)
        }
        Attempt::Deleted | Attempt::Yielded => record,
    }
}

/// The recording and its length, or why it is none. Blocks on the disk.
fn open(dir: &Path) -> io::Result<Result<(File, u64), String>> {
    let recording = open_recording(dir)?;
    let mut start = vec![0; LOOK_BYTES];
    let count = recording.read_at(&mut start, 0)?;
    let size_bytes = recording.metadata()?.len();
    Ok(match inspect::refusal(&start[..count]) {
        None => Ok((recording, size_bytes)),
        Some(refusal) => Err(refusal),
    })
}
