//! Headers of AAC frames (ADTS, ISO/IEC 13818-7, 6.2).

use symphonia::core::audio::layouts::{CHANNEL_LAYOUT_MONO, CHANNEL_LAYOUT_STEREO};
use symphonia::core::codecs::audio::well_known::CODEC_ID_AAC;
use symphonia::core::codecs::audio::{AudioCodecParameters, CODEC_ID_NULL_AUDIO};

use super::super::aac::RATES;
use super::frame::{Frame, Frames};

/// AAC-LC less one, as the header counts profiles.
const PROFILE_LC: u8 = 1;
/// Samples of each channel in one block.
const BLOCK_FRAMES: u32 = 1024;

/// Frames of AAC.
pub struct Adts;

impl Frames for Adts {
    const HEADER_BYTES: usize = 7;

    fn container(_: &Frame) -> &'static str {
        "aac"
    }

    fn parse(bytes: &[u8]) -> Option<Frame> {
        let header = bytes.get(..Self::HEADER_BYTES)?;
        // Sync word, any version, layer 0.
        if header[0] != 0xff || header[1] & 0xf6 != 0xf0 {
            return None;
        }
        let rate = *RATES.get(usize::from(header[2] >> 2 & 15))?;
        let channels = header[2] << 2 & 4 | header[3] >> 6;
        let length_bytes = usize::from(header[3] & 3) << 11
            | usize::from(header[4]) << 3
            | usize::from(header[5] >> 5);
        let blocks = header[6] & 3;
        let header_bytes = if header[1] & 1 == 0 { 9 } else { 7 };
        if length_bytes <= header_bytes {
            return None;
        }
        let mut parameters = AudioCodecParameters::new();
        // Of the other profiles, and of several blocks in one frame, symphonia
        // would make noise; a configuration of 0 is told in the first block.
        let decodable = header[2] >> 6 == PROFILE_LC && blocks == 0;
        parameters
            .with_sample_rate(rate)
            .for_codec(match decodable {
                true if (1..=2).contains(&channels) => CODEC_ID_AAC,
                _ => CODEC_ID_NULL_AUDIO,
            });
        match channels {
            1 => drop(parameters.with_channels(CHANNEL_LAYOUT_MONO)),
            2 => drop(parameters.with_channels(CHANNEL_LAYOUT_STEREO)),
            _ => {}
        }
        Some(Frame {
            length_bytes,
            header_bytes,
            frames: BLOCK_FRAMES * (u32::from(blocks) + 1),
            parameters,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_tell_length_rate_and_channels() {
        for (bytes, expected) in [
            (
                [0xff, 0xf1, 0x50, 0x80, 0x2e, 0x7f, 0xfc],
                Some((44_100, Some(2), 371, 7)),
            ),
            (
                [0xff, 0xf0, 0x60, 0x40, 0x20, 0x1f, 0xfc],
                Some((16_000, Some(1), 256, 9)),
            ),
            // Six channels, and AAC Main: not for the decoder.
            (
                [0xff, 0xf1, 0x4d, 0x80, 0x2e, 0x7f, 0xfc],
                Some((48_000, None, 371, 7)),
            ),
            ([0xff, 0xf1, 0x50, 0x80, 0x00, 0xdf, 0xfc], None),
            ([0xff, 0xf1, 0x7c, 0x80, 0x2e, 0x7f, 0xfc], None),
            ([0xff, 0xf3, 0x50, 0x80, 0x2e, 0x7f, 0xfc], None),
        ] {
            let found = Adts::parse(&bytes).map(|frame| {
                (
                    frame.parameters.sample_rate.unwrap(),
                    frame.parameters.channels.map(|channels| channels.count()),
                    frame.length_bytes,
                    frame.header_bytes,
                )
            });
            assert_eq!(found, expected, "{bytes:02x?}");
        }
    }
}
