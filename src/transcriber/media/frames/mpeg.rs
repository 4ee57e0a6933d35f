//! Headers of MPEG audio frames, layers I to III (ISO/IEC 11172-3, 2.4.1.3, and
//! ISO/IEC 13818-3 with the low rates of "MPEG 2.5").

use symphonia::core::audio::layouts::{CHANNEL_LAYOUT_MONO, CHANNEL_LAYOUT_STEREO};
use symphonia::core::codecs::audio::well_known::{CODEC_ID_MP1, CODEC_ID_MP2, CODEC_ID_MP3};
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters};

use super::frame::{Frame, Frames};

/// Bytes of a header.
pub const HEADER_BYTES: usize = 4;

/// Kbit/s by index; layers I, II, III of MPEG-1, then layer I and the others of MPEG-2.
const KILOBITS: [[u32; 15]; 5] = [
    [
        0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448,
    ],
    [
        0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384,
    ],
    [
        0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
    ],
    [
        0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256,
    ],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// 1, 2 or 3.
    pub layer: u8,
    /// MPEG-1, not MPEG-2 or 2.5.
    pub is_mpeg1: bool,
    /// A checksum of two bytes follows the header.
    pub has_checksum: bool,
    /// Samples per second.
    pub rate: u32,
    /// 1 or 2.
    pub channels: u8,
    /// Whole frame, header included.
    pub length_bytes: usize,
    /// Samples of each channel in one frame.
    pub frames: u32,
}

impl Header {
    /// Reads the first four bytes; `None` if they are no header, or that of a
    /// frame of "free" length, which no decoder here takes.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let word = u32::from_be_bytes(bytes.get(..HEADER_BYTES)?.try_into().ok()?);
        if word >> 21 != 0x7ff {
            return None;
        }
        let version = word >> 19 & 3;
        let layer = match word >> 17 & 3 {
            0 => return None,
            code => 4 - code as u8,
        };
        if version == 1 || word & 3 == 2 {
            return None;
        }
        let is_mpeg1 = version == 3;
        let row = match (is_mpeg1, layer) {
            (true, layer) => usize::from(layer) - 1,
            (false, 1) => 3,
            (false, _) => 4,
        };
        let kilobits = *KILOBITS[row].get((word >> 12 & 15) as usize)?;
        let base_rate = *[44_100, 48_000, 32_000].get((word >> 10 & 3) as usize)?;
        if kilobits == 0 {
            return None;
        }
        let rate = match version {
            3 => base_rate,
            2 => base_rate / 2,
            _ => base_rate / 4,
        };
        let frames = match (layer, is_mpeg1) {
            (1, _) => 384,
            (3, false) => 576,
            _ => 1152,
        };
        let padding = word >> 9 & 1;
        let length_bytes = match layer {
            1 => (12 * kilobits * 1000 / rate + padding) * 4,
            _ => frames / 8 * kilobits * 1000 / rate + padding,
        };
        Some(Self {
            layer,
            is_mpeg1,
            has_checksum: word >> 16 & 1 == 0,
            rate,
            channels: if word >> 6 & 3 == 3 { 1 } else { 2 },
            length_bytes: length_bytes as usize,
            frames,
        })
    }

    /// Bytes of side information behind the header and the checksum, layer III.
    pub fn side_info_bytes(&self) -> usize {
        match (self.is_mpeg1, self.channels) {
            (true, 2) => 32,
            (true, _) | (false, 2) => 17,
            (false, _) => 9,
        }
    }

    /// What the decoder has to be made anew for.
    pub fn signal(&self) -> (u8, u32, u8) {
        (self.layer, self.rate, self.channels)
    }

    fn codec(&self) -> AudioCodecId {
        match self.layer {
            1 => CODEC_ID_MP1,
            2 => CODEC_ID_MP2,
            _ => CODEC_ID_MP3,
        }
    }
}

/// Frames of MPEG audio.
pub struct Mpeg;

impl Frames for Mpeg {
    const HEADER_BYTES: usize = HEADER_BYTES;

    fn container(frame: &Frame) -> &'static str {
        match frame.parameters.codec {
            CODEC_ID_MP1 => "mp1",
            CODEC_ID_MP2 => "mp2",
            _ => "mp3",
        }
    }

    fn parse(bytes: &[u8]) -> Option<Frame> {
        let header = Header::parse(bytes)?;
        let mut parameters = AudioCodecParameters::new();
        parameters
            .for_codec(header.codec())
            .with_sample_rate(header.rate)
            .with_channels(match header.channels {
                1 => CHANNEL_LAYOUT_MONO,
                _ => CHANNEL_LAYOUT_STEREO,
            });
        Some(Frame {
            length_bytes: header.length_bytes,
            // The decoder wants to see it.
            header_bytes: 0,
            frames: header.frames,
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
            // layer, rate, channels, bytes, samples
            (
                [0xff, 0xfb, 0x90, 0x00],
                Some((3, 44_100, 2, 417, 1152, 32)),
            ),
            (
                [0xff, 0xfb, 0x92, 0xc0],
                Some((3, 44_100, 1, 418, 1152, 17)),
            ),
            ([0xff, 0xf3, 0x84, 0xc0], Some((3, 24_000, 1, 192, 576, 9))),
            ([0xff, 0xe3, 0x18, 0xc0], Some((3, 8_000, 1, 72, 576, 9))),
            (
                [0xff, 0xfd, 0x80, 0x00],
                Some((2, 44_100, 2, 417, 1152, 32)),
            ),
            ([0xff, 0xff, 0x10, 0x00], Some((1, 44_100, 2, 32, 384, 32))),
            ([0xff, 0xfb, 0x00, 0x00], None),
            ([0xff, 0xfb, 0xf0, 0x00], None),
            ([0xff, 0xfb, 0x9c, 0x00], None),
            ([0xff, 0xf9, 0x90, 0x00], None),
            ([0xff, 0xeb, 0x90, 0x00], None),
            ([0xff, 0x1b, 0x90, 0x00], None),
        ] {
            let found = Header::parse(&bytes).map(|header| {
                (
                    header.layer,
                    header.rate,
                    header.channels,
                    header.length_bytes,
                    header.frames,
                    header.side_info_bytes(),
                )
            });
            assert_eq!(found, expected, "{bytes:02x?}");
        }
        assert_eq!(Header::parse(&[0xff, 0xfb, 0x90]), None);
    }
}
