//! Opus in Ogg (RFC 7845) and the duration of its packets.

use crate::media::opus_packet::claimed_frames;

/// Rate of granule positions and decoded samples, whatever the input rate was.
pub const RATE: u32 = 48_000;

/// 120 ms, the longest packet.
const PACKET_MAX_FRAMES: u64 = 5_760;

/// Byte range of the pre-skip in the header.
const PRE_SKIP_AT: std::ops::Range<usize> = 10..12;

/// The identification header.
#[derive(Debug, Clone)]
pub struct Head {
    /// The header for the decoder, with a pre-skip of 0: the decoder would trim
    /// only the first packet.
    pub extra_data: Box<[u8]>,
    /// Output channels.
    pub channels: u8,
    /// Frames to drop at the start.
    pub pre_skip: u64,
    /// Opus streams in each packet: more than one for surround.
    pub streams: u8,
}

impl Head {
    /// Parses the header packet.
    pub fn parse(packet: &[u8]) -> Option<Self> {
        const FIXED_BYTES: usize = 19;
        if packet.len() < FIXED_BYTES || packet[8] & 0xf0 != 0 || packet[9] == 0 {
            return None;
        }
        let mut extra_data = Box::<[u8]>::from(packet);
        extra_data[PRE_SKIP_AT].fill(0);
        Some(Self {
            extra_data,
            channels: packet[9],
            pre_skip: u64::from(u16::from_le_bytes([packet[10], packet[11]])),
            streams: match packet[18] {
                0 => 1,
                _ => *packet.get(FIXED_BYTES)?,
            },
        })
    }
}

/// Decoded frames of a packet, `None` if it is invalid.
pub fn frames(packet: &[u8]) -> Option<u64> {
    claimed_frames(packet).filter(|frames| (1..=PACKET_MAX_FRAMES).contains(frames))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toc_byte_states_the_duration() {
        for (packet, expected) in [
            (&[][..], None),
            (&[0 << 3][..], Some(480)),
            (&[3 << 3 | 1], Some(5_760)),
            (&[3 << 3 | 3, 3], None),
            (&[11 << 3], Some(2_880)),
            (&[13 << 3 | 2], Some(1_920)),
            (&[16 << 3 | 3, 48], Some(5_760)),
            (&[16 << 3 | 3, 0x80 | 1], Some(120)),
            (&[16 << 3 | 3, 0], None),
            (&[16 << 3 | 3], None),
            (&[31 << 3], Some(960)),
        ] {
            assert_eq!(frames(packet), expected, "{packet:?}");
        }
    }

    #[test]
    fn header_for_the_decoder_has_no_pre_skip() {
        let packet = b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0";
        let head = Head::parse(packet).unwrap();
        assert_eq!((head.channels, head.pre_skip, head.streams), (2, 312, 1));
        assert_eq!(&*head.extra_data, b"OpusHead\x01\x02\0\0\x80\xbb\0\0\0\0\0");
        assert!(Head::parse(&packet[..18]).is_none());
        assert!(Head::parse(b"OpusHead\x10\x02\x38\x01\x80\xbb\0\0\0\0\0").is_none());
    }
}
