//! What renderers need of a transcript.

use std::io;

use crate::options::Task;
use crate::protocol::Segment;

/// Segments in order of time; reading one may block on the disk.
pub type Segments<'a> = Box<dyn Iterator<Item = io::Result<Segment>> + 'a>;

/// A transcript to render.
pub struct Transcript<'a> {
    /// Whisper's code of the language that was spoken.
    pub language: Option<&'a str>,
    /// Transcribed, or translated into English.
    pub task: Task,
    /// Length of the recording in seconds.
    pub duration_s: f64,
    /// The temperature that was asked for.
    pub temperature: f64,
    /// Reads the segments, as often as a format needs them: a long transcript is
    /// not held as a whole.
    pub read: Box<dyn Fn() -> io::Result<Segments<'a>> + 'a>,
}
