//! What renderers need of a transcript.

use std::io;

use crate::options::Task;
use crate::protocol::Segment;

/// A transcript to render.
#[derive(Debug)]
pub struct Transcript<'a, Read> {
    /// Whisper's code of the language that was spoken.
    pub language: Option<&'a str>,
    /// Transcribed, or translated into English.
    pub task: Task,
    /// Length of the recording in seconds.
    pub duration_s: f64,
    /// The temperature that was asked for.
    pub temperature: f64,
    /// Reads the segments in order of time, as often as a format needs them: a
    /// long transcript is not held as a whole. May block on the disk.
    pub read: Read,
}

impl<Read, Segments> Transcript<'_, Read>
where
    Read: Fn() -> io::Result<Segments>,
    Segments: Iterator<Item = io::Result<Segment>>,
{
    pub(super) fn segments(&self) -> io::Result<Segments> {
        (self.read)()
    }
}
