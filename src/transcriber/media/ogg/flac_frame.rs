//! What FLAC frames and STREAMINFO blocks in Ogg tell of their length (RFC 9639,
//! sections 8.2, 9.1 and 10.1).

/// A STREAMINFO block without its header.
pub const STREAM_INFO_BYTES: usize = 34;

/// What the STREAMINFO block tells.
#[derive(Debug, Clone)]
pub struct StreamInfo {
    /// The block.
    pub block: Box<[u8]>,
    /// Samples per second, not 0.
    pub rate: u32,
    /// 1 to 8.
    pub channels: u8,
    /// Bits in a sample.
    pub bits: u32,
}

impl StreamInfo {
    /// Reads the first packet of FLAC in Ogg: a mapping version 1, the native
    /// signature, and a STREAMINFO block.
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let native = packet.strip_prefix(b"\x7fFLAC\x01")?.get(3..)?;
        let block = native
            .strip_prefix(b"fLaC")?
            .get(4..4 + STREAM_INFO_BYTES)?;
        let rate = u32::from_be_bytes([0, block[10], block[11], block[12]]) >> 4;
        if rate == 0 {
            return None;
        }
        Some(Self {
            block: block.into(),
            rate,
            channels: (block[12] >> 1 & 7) + 1,
            bits: u32::from((block[12] & 1) << 4 | block[13] >> 4) + 1,
        })
    }
}

/// Samples per channel in a frame, `None` if its header is none.
pub fn frames(packet: &[u8]) -> Option<u64> {
    if packet.len() < 5 || packet[0] != 0xff || packet[1] & 0xfe != 0xf8 {
        return None;
    }
    // The coded number has as many bytes as its first has leading ones.
    let number_bytes = match packet[4].leading_ones() {
        0 => 1,
        ones @ 2..=7 => ones as usize,
        _ => return None,
    };
    let behind = packet.get(4 + number_bytes..)?;
    match packet[2] >> 4 {
        0 => None,
        1 => Some(192),
        exponent @ 2..=5 => Some(144 << exponent),
        6 => Some(u64::from(*behind.first()?) + 1),
        7 => Some(u64::from(u16::from_be_bytes([*behind.first()?, *behind.get(1)?])) + 1),
        exponent => Some(1 << exponent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_header_tells_the_length() {
        for (packet, expected) in [
            (&b"\xff\xf8\xc9\x18\x00\xc2"[..], Some(4_096)),
            (b"\xff\xf8\x19\x18\x00\xc2", Some(192)),
            (b"\xff\xf8\x59\x18\x00\xc2", Some(4_608)),
            (b"\xff\xf8\x29\x18\x00\xc2", Some(576)),
            (b"\xff\xf8\x69\x18\xc2\x80\x0f", Some(16)),
            (
                b"\xff\xf9\x79\x18\xfe\x80\x80\x80\x80\x80\x80\xff\xfe",
                Some(65_535),
            ),
            (b"\xff\xf8\x79\x18\x00\xc2", None),
            (b"\xff\xf8\x09\x18\x00\xc2", None),
            (b"\xff\xf8\xc9\x18\xff\xc2", None),
            (b"\xff\xfb\xc9\x18\x00\xc2", None),
            (b"\xff", None),
        ] {
            // One byte more than is shown here does not make it valid.
            let packet = if expected.is_none() && packet.starts_with(b"\xff\xf8\x79") {
                &packet[..5]
            } else {
                packet
            };
            assert_eq!(frames(packet), expected, "{packet:x?}");
        }
    }
}
