//! How many frames a packet decodes to.

use crate::media::bits::Bits;
use crate::media::flac::frame;
use crate::media::opus_packet::claimed_frames;

/// How many frames a packet decodes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Frames {
    /// A constant number.
    Fixed(u32),
    /// By the packet's TOC (RFC 6716, 3.1), at 48 kHz.
    Opus,
    /// By the frame header (RFC 9639, 9.1).
    Flac,
    /// A constant number, unless the packet states another.
    Alac(u32),
    /// Its duration in the container.
    Duration,
}

impl Frames {
    /// Decoded frames of `packet`, which lasts `duration` frames in the
    /// container.
    pub fn count(self, packet: &[u8], duration: u64) -> u64 {
        match self {
            Self::Fixed(frames) => frames.into(),
            Self::Opus => opus_frames(packet).into(),
            Self::Flac => frame::claimed_frames(packet).map_or(duration, u64::from),
            // A damaged packet may state any number.
            Self::Alac(frames) => alac_frames(packet).unwrap_or(frames).min(frames).into(),
            Self::Duration => duration,
        }
    }
}

/// Frames in an Opus packet at 48 kHz (RFC 6716, 3.1); 0 if it is invalid.
fn opus_frames(packet: &[u8]) -> u32 {
    // 63 frames of 60 ms at most.
    claimed_frames(packet).map_or(0, |frames| frames as u32)
}

/// Frames in an ALAC packet that states its length: the last one.
fn alac_frames(packet: &[u8]) -> Option<u32> {
    let mut bits = Bits::new(packet);
    // Element type, instance tag, unused.
    bits.take(3 + 4 + 12)?;
    let is_partial = bits.take(1)? == 1;
    // Bytes shifted, escape flag.
    bits.take(3)?;
    bits.take(32).filter(|_| is_partial)
}

#[cfg(test)]
mod tests;
