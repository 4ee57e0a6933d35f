//! Chunks of RIFF (Multimedia Programming Interface), RF64 (EBU Tech 3306) and
//! Wave64 (Sony).

use std::io;

use super::super::forward::Forward;
use super::signal::Endian;

/// In a damaged header, the next chunk is searched within this many bytes.
const RESYNC_MAX_BYTES: u64 = 1024 * 1024;

/// Chunk ids of real files.
const KNOWN: [&[u8; 4]; 34] = [
    b"fmt ", b"data", b"fact", b"LIST", b"list", b"INFO", b"JUNK", b"junk", b"PAD ", b"FLLR",
    b"bext", b"iXML", b"aXML", b"axml", b"chna", b"umid", b"cue ", b"smpl", b"inst", b"PEAK",
    b"DISP", b"id3 ", b"ID3 ", b"_PMX", b"afsp", b"minf", b"elm1", b"regn", b"levl", b"mext",
    b"cart", b"plst", b"ds64", b"labl",
];

/// Format of a chunk header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Four-character id, 32-bit size, padded to 2 bytes.
    Riff(Endian),
    /// A GUID, 64-bit size including the header, padded to 8 bytes.
    Wave64,
}

/// A chunk header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// Four-character id; of a Wave64 GUID the first four bytes.
    pub id: [u8; 4],
    /// Claimed content size in bytes.
    pub size_bytes: u64,
}

/// Bytes 4 to 16 of the chunk GUIDs in Wave64; the file's own GUID differs.
const WAVE64_GUID: [u8; 12] = [
    0xf3, 0xac, 0xd3, 0x11, 0x8c, 0xd1, 0x00, 0xc0, 0x4f, 0x8e, 0xdb, 0x8a,
];

const WAVE64_HEAD_BYTES: u64 = 24;

fn is_known(id: &[u8]) -> bool {
    KNOWN.iter().any(|known| *known == id)
}

impl Style {
    /// Consumes the next chunk header: `None` if there is none.
    pub fn take(self, input: &mut Forward) -> io::Result<Option<Chunk>> {
        let Some(chunk) = self.peek(input)? else {
            return Ok(None);
        };
        input.consume(match self {
            Self::Riff(_) => 8,
            Self::Wave64 => WAVE64_HEAD_BYTES as usize,
        });
        Ok(Some(chunk))
    }

    fn peek(self, input: &mut Forward) -> io::Result<Option<Chunk>> {
        match self {
            Self::Riff(endian) => {
                let Some(head) = input.peek(8)?.first_chunk::<8>() else {
                    return Ok(None);
                };
                let [id @ .., a, b, c, d] = *head;
                let printable = id.iter().all(|byte| matches!(byte, b' '..=b'~'));
                Ok(printable.then(|| Chunk {
                    id,
                    size_bytes: u64::from(endian.u32([a, b, c, d])),
                }))
            }
            Self::Wave64 => {
                let head = input.peek(WAVE64_HEAD_BYTES as usize)?;
                let (Some(id), Some(size_bytes)) = (head.first_chunk::<4>(), head.last_chunk())
                else {
                    return Ok(None);
                };
                let known = head.len() == WAVE64_HEAD_BYTES as usize
                    && (head[4..16] == WAVE64_GUID || id.iter().all(u8::is_ascii));
                Ok(known.then(|| Chunk {
                    id: *id,
                    size_bytes: u64::from_le_bytes(*size_bytes).saturating_sub(WAVE64_HEAD_BYTES),
                }))
            }
        }
    }

    /// Whether a chunk with a known id begins here.
    pub fn is_known_ahead(self, input: &mut Forward) -> io::Result<bool> {
        Ok(match self.peek(input)? {
            Some(chunk) => {
                let fits = input
                    .left_bytes()
                    .is_none_or(|left_bytes| chunk.size_bytes <= left_bytes);
                is_known(&chunk.id) && fits
            }
            None => false,
        })
    }

    /// Skips the rest of a chunk of which `taken_bytes` were read, and its
    /// padding.
    pub fn finish(self, input: &mut Forward, chunk: Chunk, taken_bytes: u64) -> io::Result<()> {
        input.skip(chunk.size_bytes.saturating_sub(taken_bytes))?;
        match self {
            // Some writers omit the padding.
            Self::Riff(_) if !chunk.size_bytes.is_multiple_of(2) => {
                let ahead = input.peek(5)?;
                let padded = ahead.first() == Some(&0)
                    || !ahead.get(..4).is_some_and(is_known)
                    || ahead.get(1..).is_some_and(is_known);
                if padded {
                    input.skip(1)?;
                }
            }
            Self::Riff(_) => {}
            Self::Wave64 => {
                let padding_bytes = (8 - chunk.size_bytes % 8) % 8;
                input.skip(padding_bytes)?;
            }
        }
        Ok(())
    }

    /// After an invalid chunk: searches a bounded part for the next `fmt ` or
    /// `data`.
    pub fn resync(self, input: &mut Forward) -> io::Result<bool> {
        let start = input.position();
        while input.position() - start < RESYNC_MAX_BYTES {
            let ahead = input.peek(4096)?;
            if ahead.len() < 4 {
                return Ok(false);
            }
            match ahead
                .windows(4)
                .position(|id| id == b"fmt " || id == b"data")
            {
                Some(offset) => {
                    input.consume(offset);
                    return Ok(true);
                }
                None => {
                    let passed = ahead.len() - 3;
                    input.consume(passed);
                }
            }
        }
        Ok(false)
    }
}
