//! Boxes (ISO/IEC 14496-12, 4.2), in the file and in memory, and their fields.

use super::input::Input;
use crate::media::MediaError;

/// A box type: four characters.
pub type Kind = [u8; 4];

/// The position of a box in the file.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    /// The box type.
    pub kind: Kind,
    /// Offset of the box, in bytes from the start of the file.
    pub start: u64,
    /// Offset of its content.
    pub body: u64,
    /// End of the box, within its parent.
    pub end: u64,
    /// It claims more bytes than its parent has.
    pub is_cut: bool,
}

impl Header {
    /// Length of the content in bytes.
    pub fn body_bytes(&self) -> u64 {
        self.end - self.body
    }

    /// Reads the header at `start` of a box whose parent ends at `limit`. `None`:
    /// no complete header there.
    pub fn read(input: &mut Input, start: u64, limit: u64) -> Result<Option<Self>, MediaError> {
        let limit = limit.min(input.size_bytes());
        if limit.saturating_sub(start) < 8 {
            return Ok(None);
        }
        let mut head = [0; 8];
        if input.read_at(start, &mut head)? < 8 {
            return Ok(None);
        }
        let mut fields = Fields::new(&head);
        let (size, kind) = (fields.u32().unwrap_or(0), fields.kind().unwrap_or_default());
        let (size, head_bytes) = match size {
            0 => (limit - start, 8),
            1 => {
                let mut size = [0; 8];
                if input.read_at(start + 8, &mut size)? < 8 {
                    return Ok(None);
                }
                (u64::from_be_bytes(size), 16)
            }
            size => (u64::from(size), 8),
        };
        if size < head_bytes {
            return Ok(None);
        }
        let end = start.saturating_add(size);
        let header = Self {
            kind,
            start,
            body: start + head_bytes,
            end: end.min(limit),
            is_cut: end > limit,
        };
        Ok(Some(header).filter(|header| header.body <= header.end))
    }
}

/// Types and contents of the boxes in `bytes`, up to the first invalid one.
pub fn children(mut bytes: &[u8]) -> impl Iterator<Item = (Kind, &[u8])> {
    std::iter::from_fn(move || {
        let mut fields = Fields::new(bytes);
        let size = fields.u32()?;
        let kind = fields.kind()?;
        let (size, head_bytes) = match size {
            0 => (bytes.len(), 8),
            1 => (usize::try_from(fields.u64()?).unwrap_or(usize::MAX), 16),
            size => (size as usize, 8),
        };
        if size < head_bytes {
            return None;
        }
        let body = bytes.get(head_bytes..size.min(bytes.len()))?;
        bytes = &bytes[size.min(bytes.len())..];
        Some((kind, body))
    })
}

/// The content of the first box of this type in `bytes`.
pub fn child(bytes: &[u8], kind: Kind) -> Option<&[u8]> {
    children(bytes).find_map(|(found, body)| (found == kind).then_some(body))
}

/// Reads consecutive big-endian fields; `None` at the end of the bytes.
#[derive(Debug, Clone)]
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The version and flags of a full box (4.2).
    pub fn version_and_flags(&mut self) -> Option<(u8, u32)> {
        let word = self.u32()?;
        Some(((word >> 24) as u8, word & 0x00ff_ffff))
    }

    /// The remaining bytes.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// A box type.
    pub fn kind(&mut self) -> Option<Kind> {
        self.array()
    }

    /// 8 bits.
    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    /// 16 bits.
    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// 32 bits.
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// 64 bits.
    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// 64 bits of floating point.
    pub fn f64(&mut self) -> Option<f64> {
        self.array().map(f64::from_be_bytes)
    }

    /// 64 bits in version 1 of a box, 32 bits before.
    pub fn by_version(&mut self, version: u8) -> Option<u64> {
        if version == 1 {
            self.u64()
        } else {
            self.u32().map(u64::from)
        }
    }
}
