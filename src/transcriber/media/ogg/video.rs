//! Clocks of video streams, which show whether audio begins later than the video.

use super::page::{POSITION_MAX_S, Page};

/// Converts granule positions to times.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    frames_per_s: f64,
    /// Bits of the frame count since the key frame, and whether the first frame
    /// has number 1.
    layout: Layout,
}

#[derive(Debug, Clone, Copy)]
enum Layout {
    /// Theora (Theora specification, section A.2.3).
    KeyFrame { shift: u32, from_zero: bool },
    /// VP8: the frame number in the upper half.
    UpperHalf,
}

impl Clock {
    /// The clock of a Theora stream, from its first header (Theora specification,
    /// 6.2).
    pub fn theora(packet: &[u8]) -> Option<Self> {
        let version = packet.get(7..10)?;
        let tail = packet.get(40..42)?;
        Some(Self {
            frames_per_s: ratio(packet, 22)?,
            layout: Layout::KeyFrame {
                shift: u32::from(u16::from_be_bytes([tail[0], tail[1]]) >> 5 & 0x1f),
                from_zero: version < [3, 2, 1].as_slice(),
            },
        })
    }

    /// The clock of a VP8 stream, from its first header.
    pub fn vp8(packet: &[u8]) -> Option<Self> {
        Some(Self {
            frames_per_s: ratio(packet, 18)?,
            layout: Layout::UpperHalf,
        })
    }

    /// Start of the first and end of the last frame that end on `page`, in
    /// seconds on the stream's own clock. `None` for headers.
    pub fn times_s(&self, page: &Page) -> Option<(f64, f64)> {
        let granule = page.granule().filter(|granule| *granule > 0)?;
        let frames = match self.layout {
            Layout::KeyFrame { shift, from_zero } => {
                (granule >> shift) + (granule & ((1 << shift) - 1)) + i64::from(from_zero)
            }
            Layout::UpperHalf => granule >> 32,
        };
        let end_s = frames as f64 / self.frames_per_s;
        if end_s > POSITION_MAX_S as f64 {
            return None;
        }
        let length_s = page.packets() as f64 / self.frames_per_s;
        Some((end_s - length_s, end_s))
    }
}

/// A ratio of two 32-bit numbers that is a plausible frame rate.
fn ratio(packet: &[u8], at: usize) -> Option<f64> {
    let word = |at: usize| {
        let bytes = packet.get(at..at + 4)?;
        Some(f64::from(u32::from_be_bytes(bytes.try_into().ok()?)))
    };
    let rate = word(at)? / word(at + 4)?;
    (0.01..=1_000.0).contains(&rate).then_some(rate)
}
