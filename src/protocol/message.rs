//! The messages, see the module above.

use serde::{Deserialize, Serialize};

use crate::options::Options;

/// Version of this protocol, sent in [`Report::Hello`]. A daemon that meets an
/// engine of another version asks it to exit and starts its own.
pub const VERSION: u32 = 5;

/// The kinds of files that can be transcribed, for messages to people.
pub const ACCEPTED: &str = "accepted are mp3, wav, mp4, m4a, mov, flac, ogg, opus, webm, mkv, aac, aiff, au and caf, and with ffmpeg also amr, 3gp, wma, avi, ts and others";

/// Daemon to engine.
#[allow(missing_docs, reason = "the variants' text names their fields")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// Transcribe the recording whose descriptor came with this frame. At most
    /// as many jobs at a time as the engine has slots ([`Report::Ready`], one
    /// before that); it answers with reports that carry the job's id, the last
    /// of them [`Report::Done`] or [`Report::Failed`].
    Transcribe(Box<Job>),
    /// Stop that job as soon as possible and report it failed as
    /// [`FailureKind::Cancelled`]. Unknown and finished ids are ignored.
    Cancel { job: u64 },
    /// Exit once no job runs.
    Exit,
}

/// One recording to transcribe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Chosen by the daemon, never twice on one connection.
    pub id: u64,
    /// Committed length of the recording; nothing is read at or after it.
    pub size_bytes: u64,
    /// File name extension the sender gave, without the dot: only a hint.
    pub extension: Option<String>,
    /// Name of the model to use; `None` for whichever is resident.
    pub model: Option<String>,
    /// Whisper language code; `None` to detect it.
    pub language: Option<String>,
    /// Further options.
    pub options: Options,
    /// Recordings with more seconds of sound are refused.
    pub max_duration_s: u64,
    /// How far an earlier attempt got, with the same model.
    pub reached: Option<Reached>,
}

/// How far a transcription is. Windows of audio are independent of each other,
/// so another attempt can go on from there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reached {
    /// Audio up to here is transcribed, in seconds: the end of a window.
    pub done_s: f64,
    /// Where the last segment ends, in seconds.
    pub last_end_s: f64,
    /// Whisper code of the language, if it was asked for or found.
    pub language: Option<String>,
}

/// Engine to daemon.
#[allow(missing_docs, reason = "the variants' text names their fields")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Report {
    /// The first message on every connection.
    Hello { protocol: u32, version: String },
    /// The model is being read and warmed up: no other sign of life may come for minutes.
    Loading { model: String },
    /// The model is resident and warm; so many jobs can run with it at a time.
    Ready { model: ModelInfo, slots: usize },
    /// No model is resident; `reason` says why and what to do.
    ModelFailed { model: String, reason: String },
    /// A sign of life while a job runs, sent from the work itself (decoder and
    /// whisper callbacks), about once a second.
    Alive { job: u64 },
    /// The recording is understood and being decoded.
    Started { job: u64, media: MediaInfo },
    /// So far it is, `fraction` (0..=1) of the whole; the segments were sent before.
    Progress {
        job: u64,
        reached: Reached,
        fraction: f64,
    },
    /// One more segment, in order of time.
    Segment { job: u64, segment: Segment },
    /// The job is finished; all its segments were sent before.
    Done { job: u64, outcome: Outcome },
    /// The job failed.
    Failed {
        job: u64,
        kind: FailureKind,
        reason: String,
    },
}

/// The model that does the work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// As in `ggml-<name>.bin`, or `demo`.
    pub name: String,
    /// Knows more languages than English.
    pub multilingual: bool,
    /// Where it computes, for people: `cpu`, `cuda`, `vulkan`.
    pub device: String,
    /// Longest time in seconds that a sound job may give no sign of life: one
    /// pass of the encoder gives none, and with a large model on a slow CPU it
    /// takes minutes.
    pub patience_s: u64,
}

/// What the engine found in the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MediaInfo {
    /// Container, codec and track.
    pub audio: AudioInfo,
    /// Model that transcribes it.
    pub model: String,
}

/// The sound of a recording, as its file describes it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AudioInfo {
    /// Name of the container, or of the bare stream: `ogg`, `mp3`.
    pub container: String,
    /// Name of the codec: `opus`, `pcm_s16le`.
    pub codec: String,
    /// Number of channels, where the file says it.
    pub channels: Option<u32>,
    /// Samples per second, where the file says it.
    pub sample_rate: Option<u32>,
    /// The audio track that is transcribed, counted from 1.
    pub track: u32,
    /// Audio tracks in the file.
    pub tracks: u32,
    /// Length in seconds: as the file says it, and once the recording has been
    /// decoded the length of the decoded sound.
    pub duration: Option<f64>,
    /// What decodes it: `symphonia` or `ffmpeg`.
    pub decoder: String,
}

impl AudioInfo {
    /// Container and codec in one: `ogg/opus`, or one word where they are the same.
    pub fn format(&self) -> String {
        match self.container == self.codec {
            true => self.codec.clone(),
            false => format!("{}/{}", self.container, self.codec),
        }
    }
}

/// What the engine makes of a recording, without a model (`scribed probe`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// Container, codec, track and the length of the decoded sound.
    pub audio: AudioInfo,
    /// Seconds of it that a model would get to hear: all but silence.
    pub heard_s: f64,
    /// The loudest 32 ms in decibels relative to full scale; `None` in digital silence.
    pub loudest_db: Option<f64>,
    /// What could not be decoded, and where; see [`Outcome::warning`].
    pub warning: Option<String>,
}

/// A stretch of speech.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Seconds from the start of the recording.
    pub start: f64,
    /// Seconds from the start of the recording, not before `start`.
    pub end: f64,
    /// Trimmed, never empty.
    pub text: String,
    /// The words of `text`, in order; none where the model gave no times for them.
    #[serde(default)]
    pub words: Vec<Word>,
    /// The model's tokens of it.
    #[serde(default)]
    pub tokens: Vec<u32>,
    /// Mean of the tokens' log probabilities.
    #[serde(default)]
    pub avg_logprob: f64,
    /// The probability that it is no speech, 0..=1.
    #[serde(default)]
    pub no_speech_prob: f64,
}

/// One word of a segment, with the punctuation that belongs to it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// Without spaces around it, never empty.
    pub word: String,
    /// Seconds from the start of the recording, within its segment, and not
    /// before the end of the word before it.
    pub start: f64,
    /// Seconds from the start of the recording, within its segment, not before
    /// `start`.
    pub end: f64,
    /// How sure the model is of it: the mean probability of its tokens, 0..=1.
    pub score: f64,
}

/// What is known at the end of a job besides its segments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whisper code of the language that was asked for or found.
    pub language: String,
    /// Length of the decoded audio.
    pub audio_duration_s: f64,
    /// What is wrong with the recording although it could be transcribed, for
    /// people: say, that it ends too early.
    pub warning: Option<String>,
}

/// Why a job failed: decides whether it is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The file is not a recording we can read; trying again cannot help.
    Rejected,
    /// The model could not be loaded or refused to compute.
    Model,
    /// The daemon asked for it.
    Cancelled,
}
