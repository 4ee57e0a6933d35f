//! One frame of a stream of frames.

use symphonia::core::codecs::audio::AudioCodecParameters;

/// One frame, as its header describes it.
pub struct Frame {
    /// Of the whole frame.
    pub length_bytes: usize,
    /// What the decoder does not want to see of it.
    pub header_bytes: usize,
    /// Samples of each channel in it.
    pub frames: u32,
    /// Its decoder.
    pub parameters: AudioCodecParameters,
}

impl Frame {
    /// Of the same signal, so that one stream may hold both.
    pub(super) fn resembles(&self, other: &Self) -> bool {
        let (ours, theirs) = (&self.parameters, &other.parameters);
        ours.codec == theirs.codec && ours.sample_rate == theirs.sample_rate
    }

    pub(super) fn needs_another_decoder(&self, parameters: &AudioCodecParameters) -> bool {
        let ours = &self.parameters;
        ours.codec != parameters.codec
            || ours.sample_rate != parameters.sample_rate
            || ours.channels != parameters.channels
    }
}

/// A kind of frames.
pub trait Frames {
    /// So many bytes tell whether a frame begins here.
    const HEADER_BYTES: usize;

    /// What such a stream is called.
    fn container(frame: &Frame) -> &'static str;

    /// The frame that begins with these bytes.
    fn parse(bytes: &[u8]) -> Option<Frame>;
}
