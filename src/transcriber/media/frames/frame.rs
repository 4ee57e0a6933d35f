//! A frame of a raw stream.

use symphonia::core::codecs::audio::AudioCodecParameters;

/// A frame, as described by its header.
pub struct Frame {
    /// Length of the whole frame.
    pub length_bytes: usize,
    /// Bytes of header that the decoder does not take.
    pub header_bytes: usize,
    /// Samples per channel.
    pub frames: u32,
    /// Parameters for its decoder.
    pub parameters: AudioCodecParameters,
}

impl Frame {
    /// Whether both can belong to the same stream.
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

/// A frame format.
pub trait Frames {
    /// Bytes needed to detect a frame.
    const HEADER_BYTES: usize;

    /// Display name of such a stream.
    fn container(frame: &Frame) -> &'static str;

    /// The frame at the start of `bytes`.
    fn parse(bytes: &[u8]) -> Option<Frame>;
}
