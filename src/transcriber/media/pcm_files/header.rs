//! The common result of the header parsers.

use super::chunks;
use super::data::Extent;
use super::signal::Signal;
use crate::media::forward::Forward;

/// A parsed header, read up to the first byte of audio data.
pub struct Header {
    pub container: &'static str,
    pub signal: Signal,
    pub extent: Extent,
    pub duration_s: Option<f64>,
    /// Style of the chunks that may follow the audio data.
    pub chunks: Option<chunks::Style>,
}

impl Header {
    /// Called at the start of the audio data.
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

/// What follows the audio data.
pub enum AfterData {
    /// Another chunk of audio data in the same format.
    MoreData(Extent),
    /// Another file at this offset, in bytes from the start.
    AnotherFile(u64),
    Nothing,
}
