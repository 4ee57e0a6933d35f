//! Extent of the audio data: the claimed size, and how far it is trusted.

use super::super::forward::Forward;

/// Headers that count themselves, or other parts of the file, claim up to this
/// many bytes more than exist, although nothing is missing.
const SLOPPY_BYTES: u64 = 128;

/// End of the audio data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// After this many bytes.
    Bytes(u64),
    /// At the end of the file: its size was unknown when the header was written.
    ToTheEnd,
}

impl Extent {
    /// From a 32-bit size, read at the start of the data. Recorders and programs
    /// that write to a pipe leave the initial value: 0, `FFFFFFFF`, or a little
    /// less than 2 or 4 GiB (arecord, sox). Sizes of more than 4 GiB are stored
    /// modulo 2^32.
    ///
    /// `nothing_follows`: the file ends here or continues with something that is
    /// not audio, so that 0 means 0.
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
                let excess_bytes = left_bytes.unwrap_or(0).saturating_sub(size_bytes);
                Self::Bytes(size_bytes + (excess_bytes >> 32 << 32))
            }
        }
    }

    /// From a 64-bit size.
    pub fn from_u64(size_bytes: u64, nothing_follows: bool) -> Self {
        match size_bytes {
            0 if nothing_follows => Self::Bytes(0),
            0 | 0x7fff_ffff_0000_0000.. | 0xffff_f000..=0xffff_ffff => Self::ToTheEnd,
            size_bytes => Self::Bytes(size_bytes),
        }
    }

    /// Bytes that exist, determined at the start of the data.
    pub fn present_bytes(self, input: &Forward) -> Option<u64> {
        match (self, input.left_bytes()) {
            (Self::Bytes(size_bytes), Some(left_bytes)) => Some(size_bytes.min(left_bytes)),
            (Self::Bytes(size_bytes), None) => Some(size_bytes),
            (Self::ToTheEnd, left_bytes) => left_bytes,
        }
    }

    /// Whether a file that lacks `missing_bytes` at its end was truncated.
    pub fn is_cut_short(missing_bytes: u64) -> bool {
        missing_bytes > SLOPPY_BYTES
    }
}
