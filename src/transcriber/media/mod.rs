//! Decodes recordings to mono samples at the model's rate. Independent of jobs,
//! models and speech.

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
/// Entry points for fuzzing.
#[cfg(any(test, fuzzing))]
#[path = "../../../tests/fuzz/harnesses/media/mod.rs"]
pub mod fuzzing;
#[cfg(test)]
mod hostile;
mod kind;
mod limits;
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
mod sandbox;
mod second;
mod source;
mod timeline;
mod trouble;

pub use ffmpeg::program as ffmpeg_program;
pub use limits::{DECODER_BYTES, FFMPEG_BYTES};
pub use recording::Recording;
pub use sandbox::confine_self;
pub use source::Source;

use scribed::protocol::ACCEPTED;

/// Limits of decoding.
pub struct Limits<'a> {
    /// Seconds of audio; longer recordings are refused.
    pub max_duration_s: f64,
    /// Polled at least once a second; false stops decoding
    /// ([`MediaError::Stopped`]).
    pub keep_going: &'a dyn Fn() -> bool,
}

/// Samples per second of all output of this module.
pub const SAMPLE_RATE: u32 = 16_000;

/// Why a file yields no audio. All are permanent.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    #[error("the file is empty; {ACCEPTED}")]
    Empty,
    /// Certainly another kind of file, named with its article.
    #[error("the file is not a recording: it is {0}; {ACCEPTED}")]
    NoRecording(String),
    #[error("the file is not a readable recording: it contains no known audio format; {ACCEPTED}")]
    Unrecognised,
    /// A recording for the second decoder, which is not installed.
    #[error(
        "the recording is {0}, which is read with ffmpeg: install it (apt install ffmpeg), then transcribe the recording again; without it {ACCEPTED}"
    )]
    NeedsFfmpeg(String),
    #[error("ffmpeg could not be started: {0}")]
    FfmpegStart(std::io::Error),
    #[error("ffmpeg cannot decode the file: {0}; {ACCEPTED}")]
    Ffmpeg(String),
    #[error("the recording is longer than {} (transcribe.max_duration)", hours(*max_duration_s))]
    TooLong {
        /// The limit in seconds.
        max_duration_s: f64,
    },
    /// [`Limits::keep_going`] returned false.
    #[error("stopped")]
    Stopped,
    /// An mp4 file without `moov`.
    #[error(
        "the {0} file is incomplete: its table of contents (\"moov\") is missing, so it was truncated or the recording was not finished; {ACCEPTED}"
    )]
    NoContents(&'static str),
    #[error("the file ends before any audio: it is truncated; {ACCEPTED}")]
    Truncated,
    #[error("the file is damaged: {0}; {ACCEPTED}")]
    Damaged(String),
    /// It asks for more than any recording does, see [`limits`]: no other decoder
    /// is tried, which would believe it.
    #[error("the file is damaged: {0}; {ACCEPTED}")]
    Excessive(String),
    /// A container without audio; contains a list of what it holds instead.
    #[error("the file holds no audio track, only {0}; {ACCEPTED}")]
    NoAudioTrack(String),
    #[error("the audio is coded as {codec}, which cannot be decoded ({reason}); {ACCEPTED}")]
    Codec {
        /// Display name.
        codec: String,
        /// The decoder's message.
        reason: String,
    },
    #[error("no audio could be decoded from the file: {0}; {ACCEPTED}")]
    Nothing(String),
    #[error("the audio claims {0} samples per second, which is not supported; {ACCEPTED}")]
    SampleRate(u32),
    #[error("the audio could not be resampled: {0}")]
    Resample(String),
    #[error("the sample rate changes or the audio is interrupted too often; {ACCEPTED}")]
    Interrupted,
    #[error("the file could not be read: {0}")]
    Read(#[from] std::io::Error),
    #[error("the decoder crashed on this file: it is damaged or unusual; {ACCEPTED}")]
    Panicked,
}

/// Whether all samples are zero (digital silence). Compares in chunks that
/// vectorise, since there may be hours of it.
pub fn is_digital_silence(samples: &[f32]) -> bool {
    let sign = f32::to_bits(-0.0);
    samples
        .chunks(64)
        .all(|piece| piece.iter().fold(0, |bits, sample| bits | sample.to_bits()) & !sign == 0)
}

fn hours(seconds: f64) -> String {
    humantime::format_duration(std::time::Duration::from_secs_f64(seconds.max(0.0))).to_string()
}
