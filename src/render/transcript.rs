//! What renderers need of a transcript.

use std::io;
use std::sync::Arc;

use crate::options::Task;
use crate::protocol::Segment;

/// Segments in order of time; reading one may block on the disk.
pub type Segments = Box<dyn Iterator<Item = io::Result<Segment>> + Send>;

/// Reads the segments of one transcript from the first one on, each time the
/// same: as often as a format needs them.
pub type Read = Arc<dyn Fn() -> Segments + Send + Sync>;

/// A transcript to render.
#[derive(Clone)]
pub struct Transcript {
    /// Whisper's code of the language that was spoken.
    pub language: Option<String>,
    /// Transcribed, or translated into English.
    pub task: Task,
    /// Length of the recording in seconds.
    pub duration_s: f64,
    /// The temperature that was asked for.
    pub temperature: f64,
    /// Its segments.
    pub read: Read,
}

impl Transcript {
    /// Segments that are in memory.
    pub fn reading(segments: Vec<Segment>) -> Read {
        let segments: Arc<[Segment]> = segments.into();
        Arc::new(move || {
            let segments = Arc::clone(&segments);
            let numbers = 0..segments.len();
            Box::new(numbers.map(move |number| Ok(segments[number].clone())))
        })
    }
}
