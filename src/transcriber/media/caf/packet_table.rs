//! The packet table chunk.

/// The packet table header, before the packet lengths.
const TABLE_HEADER_BYTES: usize = 24;

/// A parsed packet table.
#[derive(Debug)]
pub struct PacketTable {
    /// Packets in the file.
    pub packets_in_all: u64,
    /// Packets not yet read.
    pub packets: u64,
    /// Frames without priming and remainder frames.
    pub valid_frames: u64,
    /// Priming frames.
    pub delay_frames: u64,
    /// The packet lengths, and the read position in them.
    lengths: Vec<u8>,
    position: usize,
}

impl PacketTable {
    /// Parses the content of the chunk; `None` if it is truncated.
    pub fn read(content: Vec<u8>) -> Option<Self> {
        let signed = |at: usize| {
            let bytes = content.get(at..at + 8)?;
            Some(i64::from_be_bytes(bytes.try_into().ok()?))
        };
        let delay = signed(16)? >> 32;
        let packets = u64::try_from(signed(0)?).unwrap_or(0);
        Some(Self {
            packets_in_all: packets,
            packets,
            valid_frames: u64::try_from(signed(8)?).unwrap_or(0),
            delay_frames: u64::try_from(delay).unwrap_or(0),
            lengths: content,
            position: TABLE_HEADER_BYTES,
        })
    }

    /// The next variable-length integer: seven bits a byte, most significant
    /// first.
    pub fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        loop {
            let byte = *self.lengths.get(self.position)?;
            self.position += 1;
            number = number << 7 | u64::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
    }
}
