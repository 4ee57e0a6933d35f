//! From the bytes of a recording to mono samples at the model's rate. Knows
//! nothing of jobs, models or speech.

mod aac;
mod bits;
mod caf;
mod codec;
#[cfg(test)]
mod compare;
mod decoder;
mod ffmpeg;
mod flac;
mod forward;
mod frames;
/// Doors for hostile bytes.
#[cfg(any(test, fuzzing))]
#[path = "../../../tests/fuzz/harnesses/media/mod.rs"]
pub mod fuzzing;
#[cfg(test)]
mod hostile;
mod kind;
mod matroska;
mod mix;
mod mp4;
mod ogg;
mod opened;
mod opus_packet;
#[cfg(test)]
mod oracle;
mod panics;
mod pcm_files;
mod reader;
mod recording;
mod resample;
mod second;
mod source;
mod timeline;
mod trouble;

pub use recording::Recording;
pub use source::Source;

use scribed::protocol::ACCEPTED;

/// What decoding may take.
pub struct Limits<'a> {
    /// Seconds of sound; what is longer is refused.
    pub max_duration_s: f64,
    /// Asked about once a second at least; false: stop ([`MediaError::Stopped`]).
    pub keep_going: &'a dyn Fn() -> bool,
}

/// Samples per second of all audio that leaves this module.
pub const SAMPLE_RATE: u32 = 16_000;

/// Why a file yields no audio. None of them goes away by trying again.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// Zero bytes.
    #[error("the file is empty; {ACCEPTED}")]
    Empty,
    /// Surely something else, named with its article.
    #[error("the file is no recording: it is {0}; {ACCEPTED}")]
    NoRecording(String),
    /// No known container or bare audio stream was found in it.
    #[error(
        "the file is no recording that can be read: nothing in it is of a known audio format; {ACCEPTED}"
    )]
    Unrecognised,
    /// A recording for the second decoder, which is not there.
    #[error(
        "the recording is {0}, which is read with ffmpeg: install it (apt install ffmpeg), then transcribe the recording again; without it {ACCEPTED}"
    )]
    NeedsFfmpeg(String),
    /// ffmpeg could not be run, which says nothing about the recording.
    #[error("ffmpeg could not be started: {0}")]
    FfmpegStart(std::io::Error),
    /// ffmpeg could not decode it either; says why, in its words.
    #[error("ffmpeg cannot decode the file: {0}; {ACCEPTED}")]
    Ffmpeg(String),
    /// More sound than is allowed.
    #[error("the recording is longer than {} (transcribe.max_duration)", hours(*max_duration_s))]
    TooLong {
        /// The limit.
        max_duration_s: f64,
    },
    /// As asked for.
    #[error("stopped")]
    Stopped,
    /// An mp4 whose table of contents is missing.
    #[error(
        "the {0} file is incomplete: its table of contents (\"moov\") is missing, so it was cut short or its recording never finished; {ACCEPTED}"
    )]
    NoContents(&'static str),
    /// The file ends before the first sound.
    #[error("the file ends before any audio: it seems truncated; {ACCEPTED}")]
    Truncated,
    /// The container is known, its content is not what it should be.
    #[error("the file is damaged: {0}; {ACCEPTED}")]
    Damaged(String),
    /// A container without sound; says what it holds instead.
    #[error("the file holds no audio track, only {0}; {ACCEPTED}")]
    NoAudioTrack(String),
    /// A codec nobody here can decode.
    #[error("the audio is coded as {codec}, which cannot be decoded ({reason}); {ACCEPTED}")]
    Codec {
        /// For people.
        codec: String,
        /// The decoder's own words.
        reason: String,
    },
    /// The container was read to its end and gave not one sample.
    #[error("no audio could be decoded from the file: {0}; {ACCEPTED}")]
    Nothing(String),
    /// Not the rate of any recording.
    #[error("the audio claims {0} samples per second, which no recording has; {ACCEPTED}")]
    SampleRate(u32),
    /// The resampler refused; names the reason.
    #[error("the audio could not be resampled: {0}")]
    Resample(String),
    /// Its sound is in tiny pieces.
    #[error(
        "the sample rate of the audio changes, or the audio breaks off, more often than in any recording; {ACCEPTED}"
    )]
    Torn,
    /// The disk or the descriptor failed.
    #[error("the file could not be read: {0}")]
    Read(#[from] std::io::Error),
    /// A decoder met something its authors had not thought of.
    #[error("the decoder broke down on this file: it is damaged or of an unusual kind; {ACCEPTED}")]
    Panicked,
}

/// Digital silence: nothing but zeros. Looked at in pieces that a vector unit
/// takes at once, for there may be hours of it.
pub fn is_digital_silence(samples: &[f32]) -> bool {
    let sign = f32::to_bits(-0.0);
    samples
        .chunks(64)
        .all(|piece| piece.iter().fold(0, |bits, sample| bits | sample.to_bits()) & !sign == 0)
}

fn hours(seconds: f64) -> String {
    humantime::format_duration(std::time::Duration::from_secs_f64(seconds.max(0.0))).to_string()
}
