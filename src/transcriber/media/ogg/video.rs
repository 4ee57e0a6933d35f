//! The clocks of video streams, which tell whether sound begins later than the
//! picture.

use super::page::{POSITION_MAX_S, Page};

/// Turns granule positions into times.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    frames_per_s: f64,
    /// Bits that count frames since the key frame, and whether the first frame
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
    /// Of a Theora stream, out of its first header (Theora specification, 6.2).
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

    /// Of a VP8 stream, out of its first header.
    pub fn vp8(packet: &[u8]) -> Option<Self> {
        Some(Self {
            frames_per_s: ratio(packet, 18)?,
            layout: Layout::UpperHalf,
        })
    }

    /// When the first frame that ends on `page` is shown and when the last one
    /// ends, in seconds of the stream's own clock. `None` for headers.
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

/// A fraction of two numbers of 32 bits that is the rate of a film.
fn ratio(packet: &[u8], at: usize) -> Option<f64> {
    let word = |at: usize| {
        let bytes = packet.get(at..at + 4)?;
        Some(f64::from(u32::from_be_bytes(bytes.try_into().ok()?)))
    };
    let rate = word(at)? / word(at + 4)?;
    (0.01..=1_000.0).contains(&rate).then_some(rate)
}
