//! What the readers of heads give to the reader of samples.

use super::chunks;
use super::data::Extent;
use super::signal::Signal;
use crate::media::forward::Forward;

/// The content of a head, read up to the first byte of sound.
pub struct Head {
    pub container: &'static str,
    pub signal: Signal,
    pub extent: Extent,
    pub duration_s: Option<f64>,
    /// Chunks may follow the sound, written so.
    pub chunks: Option<chunks::Style>,
}

impl Head {
    /// Called at the start of the sound.
    pub fn new(container: &'static str, signal: Signal, extent: Extent, input: &Forward) -> Self {
        let duration_s = extent
            .present_bytes(input)
            .and_then(|data_bytes| signal.frames(data_bytes))
            .zip(signal.parameters.sample_rate)
            .map(|(frames, rate)| frames as f64 / f64::from(rate));
        Self {
            container,
            signal,
            extent,
            duration_s,
            chunks: None,
        }
    }
}

/// What comes behind the sound.
pub enum Next {
    /// Another chunk of sound of the same kind.
    MoreSound(Extent),
    /// Another file, in bytes from the start.
    AnotherFile(u64),
    Nothing,
}
