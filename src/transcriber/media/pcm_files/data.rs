//! How much sound a head claims, and how much of that is believed.

use super::super::forward::Forward;

/// Heads that count themselves, or other parts of the file, claim so much more
/// than there is without anything missing.
const SLOPPY_BYTES: u64 = 128;

/// Where the sound of a file ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// After so many bytes.
    Bytes(u64),
    /// Where the file ends: whoever wrote the head did not know.
    ToTheEnd,
}

impl Extent {
    /// From a size in 32 bits, read at the start of the data. Recorders and
    /// programs that write to a pipe leave in it what they began with: 0,
    /// `FFFFFFFF`, or a little less than 2 or 4 GiB (arecord, sox). Sizes of more
    /// than 4 GiB are known modulo 2^32.
    ///
    /// `nothing_follows`: the file ends here or goes on with what is no sound, so
    /// that 0 means 0.
    pub fn from_u32(size_bytes: u32, nothing_follows: bool, input: &Forward) -> Self {
        let left_bytes = input.left_bytes();
        match size_bytes {
            0 if nothing_follows => Self::Bytes(0),
            0 | 0xffff_f000.. => Self::ToTheEnd,
            0x7fff_f000..=0x8000_0000
                if left_bytes.is_none_or(|left_bytes| left_bytes < u64::from(size_bytes)) =>
            {
                Self::ToTheEnd
            }
            size_bytes => {
                let size_bytes = u64::from(size_bytes);
                let behind_bytes = left_bytes.unwrap_or(0).saturating_sub(size_bytes);
                Self::Bytes(size_bytes + (behind_bytes >> 32 << 32))
            }
        }
    }

    /// From a size in 64 bits.
    pub fn from_u64(size_bytes: u64, nothing_follows: bool) -> Self {
        match size_bytes {
            0 if nothing_follows => Self::Bytes(0),
            0 | 0x7fff_ffff_0000_0000.. | 0xffff_f000..=0xffff_ffff => Self::ToTheEnd,
            size_bytes => Self::Bytes(size_bytes),
        }
    }

    /// How many bytes there really are, read at the start of the data.
    pub fn present_bytes(self, input: &Forward) -> Option<u64> {
        match (self, input.left_bytes()) {
            (Self::Bytes(size_bytes), Some(left_bytes)) => Some(size_bytes.min(left_bytes)),
            (Self::Bytes(size_bytes), None) => Some(size_bytes),
            (Self::ToTheEnd, left_bytes) => left_bytes,
        }
    }

    /// Whether a file that ends with `missing_bytes` still to come was cut short.
    pub fn is_cut_short(missing_bytes: u64) -> bool {
        missing_bytes > SLOPPY_BYTES
    }
}
