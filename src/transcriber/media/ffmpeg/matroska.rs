//! Parser for the subset of Matroska (RFC 9559) that ffmpeg writes for one PCM
//! track into a pipe. The child decodes hostile files, so its output is not
//! trusted.

const EBML: u32 = 0x1A45_DFA3;
const SEGMENT: u32 = 0x1853_8067;
const TRACKS: u32 = 0x1654_AE6B;
const TRACK_ENTRY: u32 = 0xAE;
const AUDIO: u32 = 0xE1;
const CHANNELS: u32 = 0x9F;
const CLUSTER: u32 = 0x1F43_B675;
const TIMESTAMP: u32 = 0xE7;
const BLOCK_GROUP: u32 = 0xA0;
const BLOCK: u32 = 0xA1;
const SIMPLE_BLOCK: u32 = 0xA3;

/// ffmpeg writes a block for each decoded frame, so longer blocks are invalid.
const BLOCK_MAX_BYTES: u64 = 16 * 1024 * 1024;
/// Track number, relative timestamp, flags.
const BLOCK_HEADER_BYTES: usize = 4;
const LACING: u8 = 0x06;
const BYTES_PER_SAMPLE: usize = 4;

/// A parsed item.
#[derive(Debug, PartialEq)]
pub enum Item {
    /// Number of interleaved channels; precedes all blocks.
    Channels(u16),
    /// Samples, all channels interleaved.
    Block {
        /// Timestamp of the first sample.
        start_ms: u64,
        /// Complete frames only.
        samples: Vec<f32>,
    },
}

/// Output that ffmpeg would not write.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("unexpected output of ffmpeg ({0})")]
pub struct InvalidOutput(&'static str);

/// An incremental parser: takes bytes in pieces of any size, returns items once
/// they are complete.
#[derive(Debug, Default)]
pub struct Parser {
    buffer: Vec<u8>,
    used_bytes: usize,
    skip_bytes: u64,
    begun: bool,
    channels: u16,
    cluster_ms: u64,
}

impl Parser {
    /// Adds the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.used_bytes);
        self.used_bytes = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether the stream may end here.
    pub fn is_between_elements(&self) -> bool {
        self.used_bytes == self.buffer.len() && self.skip_bytes == 0
    }

    /// The next item; `None` until more bytes are pushed.
    pub fn next(&mut self) -> Result<Option<Item>, InvalidOutput> {
        loop {
            self.skip();
            let rest = &self.buffer[self.used_bytes..];
            if self.skip_bytes > 0 || rest.is_empty() {
                return Ok(None);
            }
            let Some((id, size_bytes, header_bytes)) = header(rest)? else {
                return Ok(None);
            };
            if !self.begun && id != EBML {
                return Err(InvalidOutput("no Matroska"));
            }
            self.begun = true;
            match id {
                SEGMENT | TRACKS | TRACK_ENTRY | AUDIO | CLUSTER | BLOCK_GROUP => {
                    self.used_bytes += header_bytes;
                }
                CHANNELS | TIMESTAMP | BLOCK | SIMPLE_BLOCK => {
                    let size_bytes = size_bytes
                        .filter(|size_bytes| *size_bytes <= BLOCK_MAX_BYTES)
                        .ok_or(InvalidOutput("an element of an invalid size"))?;
                    let end = header_bytes + size_bytes as usize;
                    if rest.len() < end {
                        return Ok(None);
                    }
                    let content = header_bytes..end;
                    let item = self.element(id, content)?;
                    self.used_bytes += end;
                    if item.is_some() {
                        return Ok(item);
                    }
                }
                _ => {
                    self.used_bytes += header_bytes;
                    self.skip_bytes =
                        size_bytes.ok_or(InvalidOutput("an element without an end"))?;
                }
            }
        }
    }

    fn skip(&mut self) {
        let present = (self.buffer.len() - self.used_bytes) as u64;
        let count = self.skip_bytes.min(present);
        self.used_bytes += count as usize;
        self.skip_bytes -= count;
    }

    fn element(
        &mut self,
        id: u32,
        content: std::ops::Range<usize>,
    ) -> Result<Option<Item>, InvalidOutput> {
        let content = &self.buffer[self.used_bytes..][content];
        match id {
            TIMESTAMP => {
                self.cluster_ms = integer(content)?;
                Ok(None)
            }
            CHANNELS => {
                let channels = integer(content)?;
                self.channels = u16::try_from(channels)
                    .ok()
                    .filter(|channels| *channels > 0)
                    .ok_or(InvalidOutput("an invalid number of channels"))?;
                Ok(Some(Item::Channels(self.channels)))
            }
            _ => self.block(content).map(Some),
        }
    }

    fn block(&self, content: &[u8]) -> Result<Item, InvalidOutput> {
        let (header, samples) = content
            .split_at_checked(BLOCK_HEADER_BYTES)
            .ok_or(InvalidOutput("a block without a header"))?;
        let frame_bytes = usize::from(self.channels) * BYTES_PER_SAMPLE;
        if header[0] != 0x81 || header[3] & LACING != 0 {
            return Err(InvalidOutput("a block of an unknown kind"));
        }
        if frame_bytes == 0 || !samples.len().is_multiple_of(frame_bytes) {
            return Err(InvalidOutput("a block with half a sample"));
        }
        let relative_ms = i64::from(i16::from_be_bytes([header[1], header[2]]));
        Ok(Item::Block {
            start_ms: self.cluster_ms.saturating_add_signed(relative_ms),
            samples: samples
                .as_chunks::<BYTES_PER_SAMPLE>()
                .0
                .iter()
                .map(|bytes| f32::from_le_bytes(*bytes))
                .collect(),
        })
    }
}

/// Id, content size (`None`: unknown) and length of both; `None` if incomplete.
#[allow(clippy::type_complexity)] // three numbers of one line
fn header(bytes: &[u8]) -> Result<Option<(u32, Option<u64>, usize)>, InvalidOutput> {
    let id_bytes = bytes[0].leading_zeros() as usize + 1;
    if id_bytes > 4 {
        return Err(InvalidOutput("an invalid element id"));
    }
    let Some(&first) = bytes.get(id_bytes) else {
        return Ok(None);
    };
    let size_bytes = first.leading_zeros() as usize + 1;
    if size_bytes > 8 {
        return Err(InvalidOutput("an element of an invalid size"));
    }
    let end = id_bytes + size_bytes;
    if bytes.len() < end {
        return Ok(None);
    }
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte))
    };
    let id = number(&bytes[..id_bytes]) as u32;
    let unknown = (1 << (7 * size_bytes)) - 1;
    let size = number(&bytes[id_bytes..end]) & unknown;
    Ok(Some((id, (size != unknown).then_some(size), end)))
}

fn integer(bytes: &[u8]) -> Result<u64, InvalidOutput> {
    if bytes.len() > 8 {
        return Err(InvalidOutput("an integer of an invalid size"));
    }
    Ok(bytes
        .iter()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &[u8] = b"\x1a\x45\xdf\xa3\x84head\
        \x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff\
        \x16\x54\xae\x6b\x8a\xae\x88\x86\x81A\xe1\x83\x9f\x81\x02";

    fn cluster() -> Vec<u8> {
        let mut bytes = b"\x1f\x43\xb6\x75\x93\xe7\x82\x03\xe8\xa3\x8c\x81\xff\xff\x80".to_vec();
        for sample in [0.5_f32, -0.25] {
            bytes.extend_from_slice(&sample.to_le_bytes());
        }
        bytes
    }

    fn items(parser: &mut Parser) -> Result<Vec<Item>, InvalidOutput> {
        std::iter::from_fn(|| parser.next().transpose()).collect()
    }

    #[test]
    fn items_are_parsed_from_pieces_of_any_size() {
        let stream = [START, &cluster(), b"\xec\x82\0\0", &cluster()].concat();
        let block = || Item::Block {
            start_ms: 999,
            samples: vec![0.5, -0.25],
        };
        for step in [1, 7, 1000] {
            let mut parser = Parser::default();
            let mut found = Vec::new();
            for bytes in stream.chunks(step) {
                parser.push(bytes);
                found.extend(items(&mut parser).unwrap());
            }
            assert_eq!(found, [Item::Channels(2), block(), block()]);
            assert!(parser.is_between_elements());
            parser.push(b"\xa3");
            assert!(items(&mut parser).unwrap().is_empty() && !parser.is_between_elements());
        }
    }

    #[test]
    fn invalid_output_is_refused() {
        let with = |from: &[u8], to: &[u8]| {
            let stream = [START, &cluster()].concat();
            let at = stream.windows(from.len()).position(|part| part == from);
            let at = at.unwrap();
            [&stream[..at], to, &stream[at + from.len()..]].concat()
        };
        for (stream, expected) in [
            (b"RIFF\xff\xff\xff\xffWAVE".to_vec(), "no Matroska"),
            (b"\0\0\0\0".to_vec(), "invalid element"),
            (b"\xa3\x84\x81\0\0\0".to_vec(), "no Matroska"),
            (with(b"\x9f\x81\x02", b"\x9f\x81\0"), "channels"),
            (with(b"\x9f\x81\x02", b"\x9f\x81\x03"), "half a sample"),
            (with(b"\xa3\x8c", b"\xa3\x82"), "without a header"),
            (
                with(b"\x81\xff\xff\x80", b"\x81\xff\xff\x82"),
                "unknown kind",
            ),
            (
                with(b"\xa3\x8c", b"\xa3\x08\xff\xff\xff\xff"),
                "invalid size",
            ),
            (with(b"\xa3\x8c", b"\xa3\0"), "invalid size"),
            (with(b"\x86\x81A", b"\x86\xff"), "without an end"),
        ] {
            let mut parser = Parser::default();
            parser.push(&stream);
            let error = items(&mut parser).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}, not {expected}");
        }
    }
}
