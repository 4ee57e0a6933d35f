//! What is uploaded: bytes from which their upload and their place can be seen.

/// Prime, so that no power-of-two displacement maps the pattern onto itself.
const LEN: usize = 1_048_583;
/// Between the starts of two uploads, so that mixed-up uploads are seen.
const STRIDE: u64 = 7919;

/// The bytes of every upload: upload `i` has at `offset` the byte
/// `ring[(offset + i * STRIDE) % LEN]`. A misplaced, repeated or mixed-up range
/// does not match.
#[derive(Debug)]
pub struct Pattern {
    ring: Vec<u8>,
}

impl Pattern {
    /// Always the same one.
    pub fn new() -> Pattern {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64; // xorshift
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        Pattern {
            ring: (0..LEN).map(|_| next()).collect(),
        }
    }

    /// What upload `upload` has from `offset` on: as much as lies in one piece,
    /// at most `most` bytes.
    pub fn at(&self, upload: usize, offset: u64, most: u64) -> &[u8] {
        let start = ((offset + upload as u64 * STRIDE) % LEN as u64) as usize;
        let len = (LEN - start).min(usize::try_from(most).unwrap_or(LEN));
        &self.ring[start..start + len]
    }

    /// Whether upload `upload` has these bytes at `offset`.
    pub fn matches(&self, upload: usize, mut offset: u64, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let expected = self.at(upload, offset, bytes.len() as u64);
            let (now, later) = bytes.split_at(expected.len());
            if now != expected {
                return false;
            }
            offset += now.len() as u64;
            bytes = later;
        }
        true
    }
}
