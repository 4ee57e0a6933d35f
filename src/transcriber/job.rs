//! One job: a recording goes through decoder, windows and model; reports come out.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use scribed::protocol::{FailureKind, Job, MediaInfo, Outcome, Report};

use crate::media::{self, Description, MediaError, Recording, Source};
use crate::pulse::Pulse;
use crate::resident::Resident;
use crate::speech::{self, Cutter, Model, Task, TranscribeError, Window};

/// Stretches of audio between decoder and model: with [`STRETCH_SAMPLES`] the
/// decoder is at most a few seconds ahead of the window being collected.
const STRETCHES_AHEAD: usize = 4;
const STRETCH_SAMPLES: usize = speech::SAMPLE_RATE;

/// ISO 639-2 for: no language could be found, for nobody spoke.
const NO_LANGUAGE: &str = "und";

/// Why a job came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The file is no recording.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The language is none of Whisper's.
    #[error(
        "there is no language \"{0}\": give a code such as \"en\" or \"de\", or none to have it detected"
    )]
    Language(String),
    /// No model, with the reason.
    #[error("{0}")]
    NoModel(String),
    /// The model failed on it.
    #[error("{0}")]
    Model(TranscribeError),
    /// As the daemon asked.
    #[error("cancelled")]
    Cancelled,
    /// The system has no thread for the decoder.
    #[error("the decoder could not be started: {0}")]
    Thread(std::io::Error),
}

impl JobError {
    /// For the daemon to decide by.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Media(_) | Self::Language(_) => FailureKind::Rejected,
            Self::NoModel(_) | Self::Model(_) | Self::Thread(_) => FailureKind::Model,
            Self::Cancelled => FailureKind::Cancelled,
        }
    }
}

/// What the decoder sends.
enum Decoded {
    Opened(Description),
    Stretch {
        samples: Vec<f32>,
        /// How much of the file it took so far, 0..=1.
        read_fraction: f64,
    },
}

/// Does the whole job. Reports everything but its end.
pub fn run(
    job: &Job,
    recording: File,
    resident: &mut Resident,
    pulse: &Pulse<'_>,
    report: &(dyn Fn(&Report) + Sync),
) -> Result<Outcome, JobError> {
    let language = match &job.language {
        Some(asked) => {
            Some(speech::language_code(asked).ok_or_else(|| JobError::Language(asked.clone()))?)
        }
        None => None,
    };
    let (model_name, model) = resident
        .ensure(job.model.as_deref(), report)
        .map_err(JobError::NoModel)?;
    let mut transcription = Transcription {
        job,
        model,
        model_name,
        language,
        pulse,
        report,
        duration_s: None,
        last_end_s: 0.0,
    };
    let source = Source::new(recording, job.size_bytes);
    let extension = job.extension.as_deref();
    let (sender, receiver) = sync_channel(STRETCHES_AHEAD);
    thread::scope(|scope| {
        thread::Builder::new()
            .name("decoder".to_owned())
            .spawn_scoped(scope, move || decode(source, extension, &sender, pulse))
            .map_err(JobError::Thread)?;
        // The receiver goes with the transcription: when that ends early, so does the decoder.
        transcription.run(receiver)
    })
}

/// The decoder's thread. Ends when the receiver is gone.
fn decode(
    source: Source,
    extension: Option<&str>,
    sender: &SyncSender<Result<Decoded, MediaError>>,
    pulse: &Pulse<'_>,
) {
    // Decoders meet whatever people send; a panic is the file's end, not the engine's.
    let result = catch_unwind(AssertUnwindSafe(|| {
        decode_all(source, extension, sender, pulse)
    }));
    if let Err(error) = result.unwrap_or(Err(MediaError::Panicked)) {
        let _ = sender.send(Err(error));
    }
}

fn decode_all(
    source: Source,
    extension: Option<&str>,
    sender: &SyncSender<Result<Decoded, MediaError>>,
    pulse: &Pulse<'_>,
) -> Result<(), MediaError> {
    let size_bytes = source.size_bytes();
    let position = source.position();
    let mut recording = Recording::open(source, extension)?;
    if sender
        .send(Ok(Decoded::Opened(recording.description().clone())))
        .is_err()
    {
        return Ok(());
    }
    let mut more = true;
    while more {
        let mut samples = Vec::with_capacity(STRETCH_SAMPLES * 2);
        while more && samples.len() < STRETCH_SAMPLES {
            if !pulse.keep_going() {
                return Ok(());
            }
            more = recording.read(&mut samples)?;
        }
        let read_fraction = position.bytes() as f64 / size_bytes as f64;
        if sender
            .send(Ok(Decoded::Stretch {
                samples,
                read_fraction,
            }))
            .is_err()
        {
            return Ok(());
        }
    }
    if recording.damaged_packets() > 0 {
        tracing::warn!(
            "{} damaged packets were left out",
            recording.damaged_packets()
        );
    }
    Ok(())
}

struct Transcription<'a> {
    job: &'a Job,
    model: &'a mut Model,
    model_name: &'a str,
    /// As asked for, or as found in the first window with speech.
    language: Option<&'static str>,
    pulse: &'a Pulse<'a>,
    report: &'a (dyn Fn(&Report) + Sync),
    duration_s: Option<f64>,
    last_end_s: f64,
}

impl Transcription<'_> {
    fn run(&mut self, decoded: Receiver<Result<Decoded, MediaError>>) -> Result<Outcome, JobError> {
        let mut cutter = Cutter::default();
        for message in decoded {
            match message? {
                Decoded::Opened(description) => self.started(description),
                Decoded::Stretch {
                    samples,
                    read_fraction,
                } => {
                    cutter.push(&samples);
                    let total_s = self.duration_s.unwrap_or(cutter.pushed_s() / read_fraction);
                    while let Some(window) = cutter.next_window() {
                        self.window(&window, total_s)?;
                    }
                }
            }
        }
        // A decoder that was stopped ends like one that is done.
        if self.pulse.stopped() {
            return Err(JobError::Cancelled);
        }
        let (windows, audio_duration_s) = cutter.finish();
        for window in &windows {
            self.window(window, audio_duration_s)?;
        }
        let language = self.language.unwrap_or(match self.model.multilingual() {
            true => NO_LANGUAGE,
            false => speech::ENGLISH,
        });
        Ok(Outcome {
            language: language.to_owned(),
            audio_duration_s,
        })
    }

    fn started(&mut self, description: Description) {
        self.duration_s = description.duration_s;
        (self.report)(&Report::Started {
            job: self.job.id,
            media: MediaInfo {
                format: description.format,
                duration_s: description.duration_s,
                model: self.model_name.to_owned(),
            },
        });
    }

    fn window(&mut self, window: &Window, total_s: f64) -> Result<(), JobError> {
        if !self.pulse.keep_going() {
            return Err(JobError::Cancelled);
        }
        if speech::may_hold_speech(&window.samples) {
            self.speak(window).map_err(|error| match error {
                TranscribeError::Stopped => JobError::Cancelled,
                error => JobError::Model(error),
            })?;
        }
        (self.report)(&Report::Progress {
            job: self.job.id,
            done_s: window.end_s(),
            fraction: (window.end_s() / total_s).clamp(0.0, 1.0),
        });
        Ok(())
    }

    fn speak(&mut self, window: &Window) -> Result<(), TranscribeError> {
        let language = match self.language {
            Some(language) if self.model.multilingual() => language,
            _ => self.model.language(window, self.pulse)?,
        };
        self.language = Some(language);
        let task = Task {
            language,
            translate: self.job.translate,
        };
        for segment in self
            .model
            .transcribe(window, task, self.last_end_s, self.pulse)?
        {
            self.last_end_s = segment.end;
            (self.report)(&Report::Segment {
                job: self.job.id,
                segment,
            });
        }
        Ok(())
    }
}

// One sample rate, told in two modules that do not know each other.
const _: () = assert!(media::SAMPLE_RATE as usize == speech::SAMPLE_RATE);
