//! EBML, the encoding of Matroska's elements (RFC 8794).

use std::io;

use super::super::forward::Forward;

/// The longest element header: 4 bytes of id, 8 of size.
pub const HEADER_MAX_BYTES: usize = 12;

/// An element header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElementHeader {
    /// Element id, including the length marker, as in lists of elements.
    pub id: u32,
    /// Content size in bytes. `None`: unknown, up to an element that cannot be a
    /// child.
    pub size_bytes: Option<u64>,
    /// Length of the header.
    pub header_bytes: usize,
}

/// What is at the current position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ahead {
    Element(ElementHeader),
    /// Not a valid element header.
    Invalid,
    /// The input ends here, or within the header.
    End,
}

/// A variable-size integer (RFC 8794, section 4) at the start of `bytes`, its
/// length, and whether all its bits are set, which means "unknown".
pub fn number(bytes: &[u8]) -> Option<(u64, usize, bool)> {
    let first = *bytes.first()?;
    let length = first.leading_zeros() as usize + 1;
    let rest = bytes.get(1..length)?;
    let marker = 0x80_u8.checked_shr(length as u32 - 1)?;
    let mut value = u64::from(first & (marker - 1));
    for byte in rest {
        value = value << 8 | u64::from(*byte);
    }
    let all_ones = (1 << (7 * length)) - 1;
    Some((value, length, value == all_ones))
}

/// The element header at the start of `bytes`: `None` if invalid or truncated.
pub fn header(bytes: &[u8]) -> Option<ElementHeader> {
    let id_bytes = bytes.first()?.leading_zeros() as usize + 1;
    if id_bytes > 4 {
        return None;
    }
    let id = bytes
        .get(..id_bytes)?
        .iter()
        .fold(0, |id, byte| id << 8 | u32::from(*byte));
    let (size_bytes, length, unknown) = number(&bytes[id_bytes..])?;
    Some(ElementHeader {
        id,
        size_bytes: (!unknown).then_some(size_bytes),
        header_bytes: id_bytes + length,
    })
}

/// What comes next in `input`, without consuming it.
pub fn ahead(input: &mut Forward) -> io::Result<Ahead> {
    let bytes = input.peek(HEADER_MAX_BYTES)?;
    Ok(match header(bytes) {
        Some(header) => Ahead::Element(header),
        None if bytes.len() < HEADER_MAX_BYTES => Ahead::End,
        None => Ahead::Invalid,
    })
}

/// The elements in `content`, up to the first that is damaged or truncated.
pub fn children(mut content: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    std::iter::from_fn(move || {
        let header = header(content)?;
        let size_bytes = usize::try_from(header.size_bytes?).ok()?;
        let end = header.header_bytes.checked_add(size_bytes)?;
        let body = content.get(header.header_bytes..end)?;
        content = &content[end..];
        Some((header.id, body))
    })
}

/// An unsigned integer; `u64::MAX` if it is too long.
pub fn unsigned(body: &[u8]) -> u64 {
    match body.len() {
        0..=8 => body
            .iter()
            .fold(0, |value, byte| value << 8 | u64::from(*byte)),
        _ => u64::MAX,
    }
}

/// A signed integer; 0 if it is too long.
pub fn signed(body: &[u8]) -> i64 {
    match body.len() {
        0 => 0,
        length @ 1..=8 => {
            let unused_bits = 64 - 8 * length as u32;
            (unsigned(body) as i64) << unused_bits >> unused_bits
        }
        _ => 0,
    }
}

/// A float of 4 or 8 bytes; 0 for other lengths.
pub fn float(body: &[u8]) -> f64 {
    match body.len() {
        4 => f64::from(f32::from_bits(unsigned(body) as u32)),
        8 => f64::from_bits(unsigned(body)),
        _ => 0.0,
    }
}

/// A string, possibly padded with zeros.
pub fn string(body: &[u8]) -> String {
    String::from_utf8_lossy(body)
        .trim_end_matches('\0')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variable_size_integers() {
        for (bytes, expected) in [
            (&[0x82][..], Some((2, 1, false))),
            (&[0xff], Some((127, 1, true))),
            (&[0x40, 0x02], Some((2, 2, false))),
            (&[0x1f, 0xff, 0xff, 0xff], Some((0x0fff_ffff, 4, true))),
            (&[0x01, 0, 0, 0, 0, 0, 0, 9], Some((9, 8, false))),
            (
                &[0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                Some(((1 << 56) - 1, 8, true)),
            ),
            (&[0x00, 1, 2, 3, 4, 5, 6, 7, 8], None),
            (&[0x40], None),
            (&[], None),
        ] {
            assert_eq!(number(bytes), expected, "{bytes:02x?}");
        }
    }

    #[test]
    fn values() {
        assert_eq!(unsigned(&[1, 0]), 256);
        assert_eq!(signed(&[0xff, 0x00]), -256);
        assert_eq!(signed(&[0x7f]), 127);
        assert_eq!(float(&48_000_f32.to_be_bytes()), 48_000.0);
        assert_eq!(float(&0.5_f64.to_be_bytes()), 0.5);
        assert_eq!(string(b"webm\0\0"), "webm");
    }

    #[test]
    fn children_end_at_the_first_truncated_element() {
        let content = [0x86, 0x81, b'A', 0xd7, 0x81, 7, 0x83, 0x85, 1];
        let found: Vec<_> = children(&content).collect();
        assert_eq!(found, [(0x86, &b"A"[..]), (0xd7, &[7])]);
    }
}
