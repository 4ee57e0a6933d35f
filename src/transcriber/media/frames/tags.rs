//! Tags before, between and after the frames of an mp3 file: ID3v2, ID3v1 and
//! APE.

/// Bytes needed to detect a tag and its length.
pub const HEAD_BYTES: usize = 32;

const ID3V1_BYTES: u64 = 128;
const ID3V2_HEADER_BYTES: u64 = 10;
const ID3V2_HAS_FOOTER: u8 = 0x10;
const APE_HEADER_BYTES: u64 = 32;

/// Length of the tag at the start of `bytes`.
pub fn at(bytes: &[u8]) -> Option<u64> {
    if let [b'I', b'D', b'3', version, revision, flags, size @ ..] = bytes
        && *version < 0xff
        && *revision < 0xff
        && let [a, b, c, d, ..] = size
        && [a, b, c, d].iter().all(|byte| **byte < 0x80)
    {
        let body = [a, b, c, d]
            .iter()
            .fold(0, |sum, byte| sum << 7 | u64::from(**byte));
        let footer = u64::from(flags & ID3V2_HAS_FOOTER != 0) * ID3V2_HEADER_BYTES;
        return Some(ID3V2_HEADER_BYTES + body + footer);
    }
    if bytes.starts_with(b"TAG") {
        return Some(ID3V1_BYTES);
    }
    if let Some(header) = bytes.strip_prefix(b"APETAGEX") {
        // Version, then the length of the items and the footer.
        let size = header.get(4..8)?.try_into().ok()?;
        return Some(APE_HEADER_BYTES + u64::from(u32::from_le_bytes(size)));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_lengths_include_headers_and_footers() {
        for (bytes, expected) in [
            (&b"ID3\x04\x00\x00\x00\x00\x02\x01rest"[..], Some(10 + 257)),
            (b"ID3\x04\x00\x10\x00\x00\x00\x05rest", Some(10 + 5 + 10)),
            (b"ID3\x04\x00\x00\x80\x00\x00\x05", None),
            (b"ID3\x04\x00\x00\x00", None),
            (b"TAGtitle", Some(128)),
            (b"APETAGEX\xd0\x07\0\0\x10\x01\0\0", Some(32 + 272)),
            (b"APETAGEX", None),
            (b"\xff\xfb\x90\x00", None),
        ] {
            assert_eq!(at(bytes), expected, "{bytes:?}");
        }
    }
}
