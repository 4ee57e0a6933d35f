//! Tags of other formats at the start and end of audio files.

use std::io::{self, Read, Seek, SeekFrom};

use crate::media::Source;

/// Length of an ID3v1 tag, at the end of a file.
pub const ID3V1_BYTES: usize = 128;

/// Length of the header of an ID3v2 tag.
pub const ID3V2_HEADER_BYTES: usize = 10;

/// Length of the footer of an APE tag.
const APE_FOOTER_BYTES: usize = 32;

/// Further consecutive tags are not skipped.
const TAGS_MAX: usize = 16;

/// Length of the ID3v2 tag at the start of `bytes` (ID3v2.4, section 3.1).
pub fn id3v2_bytes(bytes: &[u8]) -> Option<u64> {
    let header = bytes.get(..ID3V2_HEADER_BYTES)?;
    let size = &header[6..];
    if !header.starts_with(b"ID3")
        || !(2..=4).contains(&header[3])
        || size.iter().any(|byte| *byte > 0x7f)
    {
        return None;
    }
    let content = size
        .iter()
        .fold(0, |value, byte| value << 7 | u64::from(*byte));
    let footer = if header[5] & 0x10 == 0 { 0 } else { 10 };
    Some(ID3V2_HEADER_BYTES as u64 + content + footer)
}

/// Whether an ID3v1 tag begins here.
pub fn is_id3v1(bytes: &[u8]) -> bool {
    bytes.starts_with(b"TAG")
}

/// Offset of the content after ID3v2 tags.
pub fn begin_bytes(source: &Source) -> io::Result<u64> {
    let mut begin_bytes = 0;
    for _ in 0..TAGS_MAX {
        let header = at(source, begin_bytes, ID3V2_HEADER_BYTES)?;
        match id3v2_bytes(&header) {
            Some(tag_bytes) => begin_bytes += tag_bytes,
            None => break,
        }
    }
    Ok(begin_bytes)
}

/// End of the content before an APE and an ID3v1 tag.
pub fn end_bytes(source: &Source) -> io::Result<u64> {
    let mut end_bytes = source.size_bytes();
    if let Some(tag) = end_bytes.checked_sub(ID3V1_BYTES as u64)
        && is_id3v1(&at(source, tag, 3)?)
    {
        end_bytes = tag;
    }
    if let Some(footer_bytes) = end_bytes.checked_sub(APE_FOOTER_BYTES as u64) {
        let footer = at(source, footer_bytes, APE_FOOTER_BYTES)?;
        if footer.len() == APE_FOOTER_BYTES && footer.starts_with(b"APETAGEX") {
            let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| footer[at + byte]));
            let has_header = word(20) & 1 << 31 != 0;
            let header_bytes = if has_header {
                APE_FOOTER_BYTES as u64
            } else {
                0
            };
            let tag_bytes = u64::from(word(12)) + header_bytes;
            end_bytes = end_bytes.checked_sub(tag_bytes).unwrap_or(end_bytes);
        }
    }
    Ok(end_bytes)
}

fn at(source: &Source, offset_bytes: u64, count: usize) -> io::Result<Vec<u8>> {
    let mut source = source.again();
    source.seek(SeekFrom::Start(offset_bytes))?;
    let mut bytes = Vec::new();
    source.take(count as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_lengths_are_parsed() {
        for (header, expected) in [
            (&b"ID3\x04\0\0\0\0\x02\x01"[..], Some(10 + 257)),
            (b"ID3\x04\0\x10\0\0\x02\x01", Some(10 + 257 + 10)),
            (b"ID3\x03\0\0\x7f\x7f\x7f\x7f", Some(10 + 0x0fff_ffff)),
            (b"ID3\x03\0\0\x80\0\0\0", None),
            (b"ID3\x01\0\0\0\0\0\0", None),
            (b"ID3\x04\0\0\0\0\0", None),
        ] {
            assert_eq!(id3v2_bytes(header), expected, "{header:x?}");
        }
    }
}
