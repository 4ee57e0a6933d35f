//! Bit fields of Vorbis headers, least significant bit first (Vorbis I, section
//! 2).

/// Reads bit fields.
pub struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The header ends before the requested bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended;

impl<'a> Bits<'a> {
    /// Starts at the first bit of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next `count` bits, 32 at most.
    pub fn take(&mut self, count: u32) -> Result<u32, Ended> {
        debug_assert!(count <= 32);
        let mut value = 0_u64;
        let mut taken = 0;
        while taken < count {
            let byte = *self.bytes.get(self.at / 8).ok_or(Ended)?;
            let within = (self.at % 8) as u32;
            let now = (8 - within).min(count - taken);
            let bits = u64::from(byte >> within) & ((1 << now) - 1);
            value |= bits << taken;
            taken += now;
            self.at += now as usize;
        }
        Ok(value as u32)
    }

    /// One bit.
    pub fn flag(&mut self) -> Result<bool, Ended> {
        Ok(self.take(1)? == 1)
    }

    /// Skips `count` bits.
    pub fn skip(&mut self, count: usize) -> Result<(), Ended> {
        self.at = self.at.checked_add(count).ok_or(Ended)?;
        if self.at > self.bytes.len() * 8 {
            return Err(Ended);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_read_least_significant_first() {
        let mut bits = Bits::new(&[0b1010_0111, 0xff, 0x01]);
        assert_eq!(bits.take(3), Ok(0b111));
        assert_eq!(bits.take(7), Ok(0b11_10100));
        assert_eq!(bits.flag(), Ok(true));
        bits.skip(5).unwrap();
        assert_eq!(bits.take(8), Ok(1));
        assert_eq!(bits.take(0), Ok(0));
        assert_eq!(bits.take(1), Err(Ended));
        assert_eq!(bits.skip(1), Err(Ended));
    }
}
