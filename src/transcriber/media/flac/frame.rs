//! FLAC frame headers and STREAMINFO blocks (RFC 9639, sections 8.2 and 9.1).

/// Length of a STREAMINFO block without its header.
pub const STREAM_INFO_BYTES: usize = 34;

/// A parsed STREAMINFO block.
#[derive(Debug, Clone)]
pub struct StreamInfo {
    /// The block itself.
    pub block: Box<[u8]>,
    /// Samples per second, not 0.
    pub rate: u32,
    /// 1 to 8.
    pub channels: u8,
    /// Bits per sample.
    pub bits: u32,
    /// Samples per channel in the whole stream, if known.
    pub total_frames: Option<u64>,
}

impl StreamInfo {
    /// Parses a block; `None` if it is too short or has no sample rate.
    pub fn parse(block: &[u8]) -> Option<Self> {
        let block = block.get(..STREAM_INFO_BYTES)?;
        let rate = u32::from_be_bytes([0, block[10], block[11], block[12]]) >> 4;
        let total = u64::from_be_bytes([
            0,
            0,
            0,
            block[13] & 0x0f,
            block[14],
            block[15],
            block[16],
            block[17],
        ]);
        (rate > 0).then(|| Self {
            block: block.into(),
            rate,
            channels: (block[12] >> 1 & 7) + 1,
            bits: u32::from((block[12] & 1) << 4 | block[13] >> 4) + 1,
            total_frames: (total > 0).then_some(total),
        })
    }
}

/// A parsed frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    /// Samples per channel.
    pub frames: u64,
    /// Number of the frame or of its first sample.
    pub number: u64,
    /// The number counts frames, not samples: all frames but the last have the
    /// same length.
    pub fixed: bool,
}

/// Parses the header at the start of a frame; `None` if it is invalid or its
/// checksum is wrong.
pub fn header(packet: &[u8]) -> Option<FrameHeader> {
    if packet.len() < 5 || packet[0] != 0xff || packet[1] & 0xfe != 0xf8 {
        return None;
    }
    // The coded number has as many bytes as its first has leading ones.
    let number_bytes = match packet[4].leading_ones() {
        0 => 1,
        ones @ 2..=7 => ones as usize,
        _ => return None,
    };
    let (number, rest) = packet[4..].split_at_checked(number_bytes)?;
    // The first byte holds the bits after the zero.
    let first = match number_bytes {
        1 => number[0],
        bytes => (0x7f_u8 >> bytes) & number[0],
    };
    let number = number[1..].iter().fold(u64::from(first), |number, byte| {
        number << 6 | u64::from(byte & 0x3f)
    });
    let (frames, size_bytes) = block_size(packet[2] >> 4, rest)?;
    let rate_bytes = match packet[2] & 0x0f {
        12 => 1,
        13 | 14 => 2,
        _ => 0,
    };
    let (header, crc) = packet.split_at_checked(4 + number_bytes + size_bytes + rate_bytes)?;
    (crc8(header) == *crc.first()?).then_some(FrameHeader {
        frames,
        number,
        fixed: packet[1] & 1 == 0,
    })
}

/// Samples per channel that a frame header states, valid or not: its checksum is
/// not verified (section 9.1.1).
pub fn claimed_frames(packet: &[u8]) -> Option<u32> {
    let code = packet.get(2)? >> 4;
    let number_bytes = packet.get(4)?.leading_ones().max(1) as usize;
    let rest = packet.get(4 + number_bytes..).unwrap_or_default();
    Some(block_size(code, rest)?.0 as u32)
}

/// Samples per channel by the block size code, and the length of the field in
/// `uncommon` that may state them (section 9.1.6).
fn block_size(code: u8, uncommon: &[u8]) -> Option<(u64, usize)> {
    Some(match code {
        0 => return None,
        1 => (192, 0),
        2..=5 => (144 << code, 0),
        6 => (u64::from(*uncommon.first()?) + 1, 1),
        7 => {
            let size = u16::from_be_bytes([*uncommon.first()?, *uncommon.get(1)?]);
            (u64::from(size) + 1, 2)
        }
        _ => (1 << code, 0),
    })
}

/// CRC-8 of frame headers: polynomial 07, most significant bit first.
fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc, _| {
            if crc & 0x80 == 0 {
                crc << 1
            } else {
                crc << 1 ^ 0x07
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_header_states_the_length() {
        for (bytes, found) in [
            // RFC 9639, appendix D.1.3: a frame of one sample.
            (&b"\xff\xf8\x69\x18\x00\x00"[..], Some((1, 0))),
            (b"\xff\xf8\xc9\x18\x00", Some((4_096, 0))),
            (b"\xff\xf8\x19\x18\x00", Some((192, 0))),
            (b"\xff\xf8\x59\x18\x00", Some((4_608, 0))),
            (b"\xff\xf8\x29\x18\x00", Some((576, 0))),
            (b"\xff\xf8\x6c\x18\xc2\x80\x0f\x10", Some((16, 128))),
            (
                b"\xff\xf9\x7d\x18\xfe\x80\x80\x80\x80\x80\x80\xff\xfe\x10\x10",
                Some((65_535, 0)),
            ),
            (b"\xff\xf8\x09\x18\x00", None),
            (b"\xff\xf8\xc9\x18\xff", None),
            (b"\xff\xfb\xc9\x18\x00", None),
        ] {
            let mut packet = bytes.to_vec();
            packet.push(crc8(bytes));
            let fixed = bytes[1] & 1 == 0;
            let expected = found.map(|(frames, number)| FrameHeader {
                frames,
                number,
                fixed,
            });
            assert_eq!(header(&packet), expected, "{packet:x?}");
            assert_eq!(header(bytes), None, "{bytes:x?}");
            *packet.last_mut().unwrap() ^= 1;
            assert_eq!(header(&packet), None, "{packet:x?}");
        }
        // The complete header of that appendix, checksum included.
        assert!(header(b"\xff\xf8\x69\x18\x00\x00\xbf").is_some());
        assert_eq!(header(b""), None);
    }
}
