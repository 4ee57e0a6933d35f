//! Content encodings of a track (ContentEncodings; RFC 9559, section 5.1.4.1.31):
//! compression, which is undone here, or encryption.

use miniz_oxide::inflate::decompress_to_vec_zlib_with_limit;

use super::super::limits::PACKET_MAX_BYTES;
use super::{ebml, ids};

/// More encodings are damage.
const ENCODINGS_MAX: usize = 8;

const SCOPE_FRAMES: u64 = 1;
const SCOPE_PRIVATE: u64 = 2;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Zlib,
    /// Header stripping: bytes removed from the start of every frame.
    Stripped(Box<[u8]>),
    /// Not supported; its display text.
    Other(&'static str),
}

#[derive(Debug, Clone)]
struct Encoding {
    order: u64,
    scope: u64,
    kind: Kind,
}

/// The encodings of a track, in decoding order.
#[derive(Debug, Clone, Default)]
pub struct Encodings(Vec<Encoding>);

impl Encodings {
    /// Parses the content of a ContentEncodings element.
    pub fn parse(content: &[u8]) -> Self {
        let mut encodings: Vec<Encoding> = ebml::children(content)
            .filter(|(id, _)| *id == ids::CONTENT_ENCODING)
            .take(ENCODINGS_MAX)
            .map(|(_, content)| Encoding::parse(content))
            .collect();
        encodings.sort_by_key(|encoding| std::cmp::Reverse(encoding.order));
        Self(encodings)
    }

    /// Display text of an unsupported encoding of the frames.
    pub fn obstacle(&self) -> Option<&'static str> {
        self.0.iter().find_map(|encoding| match encoding.kind {
            Kind::Other(name) if encoding.scope & SCOPE_FRAMES != 0 => Some(name),
            _ => None,
        })
    }

    /// Decodes a frame; fails if it is damaged or exceeds `max_bytes`.
    pub fn frame(&self, data: &[u8], max_bytes: usize) -> Result<Box<[u8]>, &'static str> {
        self.undo(data, SCOPE_FRAMES, max_bytes.min(PACKET_MAX_BYTES))
    }

    /// Decodes CodecPrivate.
    pub fn private(&self, data: &[u8]) -> Result<Box<[u8]>, &'static str> {
        self.undo(data, SCOPE_PRIVATE, PACKET_MAX_BYTES)
    }

    fn undo(&self, data: &[u8], scope: u64, max_bytes: usize) -> Result<Box<[u8]>, &'static str> {
        let mut data = data.to_vec();
        for encoding in &self.0 {
            if encoding.scope & scope == 0 {
                continue;
            }
            data = match &encoding.kind {
                Kind::Zlib => decompress_to_vec_zlib_with_limit(&data, max_bytes)
                    .map_err(|_| "its compression is damaged")?,
                Kind::Stripped(start) if start.len() + data.len() > max_bytes => {
                    return Err("its stripped header is too large");
                }
                Kind::Stripped(start) => [start, &data[..]].concat(),
                Kind::Other(name) => return Err(name),
            };
        }
        Ok(data.into())
    }
}

impl Encoding {
    fn parse(content: &[u8]) -> Self {
        let (mut order, mut scope, mut encoding_type) = (0, SCOPE_FRAMES, 0);
        // zlib is the default of ContentCompAlgo.
        let (mut algorithm, mut settings) = (0, &[][..]);
        for (id, body) in ebml::children(content) {
            match id {
                ids::CONTENT_ENCODING_ORDER => order = ebml::unsigned(body),
                ids::CONTENT_ENCODING_SCOPE => scope = ebml::unsigned(body),
                ids::CONTENT_ENCODING_TYPE => encoding_type = ebml::unsigned(body),
                ids::CONTENT_COMPRESSION => {
                    for (id, body) in ebml::children(body) {
                        match id {
                            ids::CONTENT_COMP_ALGO => algorithm = ebml::unsigned(body),
                            ids::CONTENT_COMP_SETTINGS => settings = body,
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        let kind = match (encoding_type, algorithm) {
            (0, 0) => Kind::Zlib,
            (0, 1) => Kind::Other("compressed with bzip2"),
            (0, 2) => Kind::Other("compressed with LZO"),
            (0, 3) if settings.len() <= 4096 => Kind::Stripped(settings.into()),
            (1, _) => Kind::Other("encrypted"),
            _ => Kind::Other("encoded in an unknown way"),
        };
        Self { order, scope, kind }
    }
}
