//! mp4, mov, 3gp (ISO/IEC 14496-12): `moov` may come after the `mdat` that it
//! refers to by file offsets.

use std::io::{self, Read, Seek, SeekFrom};

use super::super::super::limits::TABLES_MAX_BYTES;
use super::piece::{PARTS_MAX, Piece, bytes_at};

const BOX_HEADER_BYTES: usize = 8;
const LARGE_HEADER_BYTES: usize = 16;

/// The boxes between `moov` and the chunk offset tables.
const CONTAINERS: [&[u8; 4]; 4] = [b"trak", b"mdia", b"minf", b"stbl"];

/// Boxes that begin such files.
const FIRST: [&[u8; 4]; 8] = [
    b"ftyp", b"mdat", b"moov", b"free", b"skip", b"wide", b"pnot", b"uuid",
];

/// Moves `moov` to the front and adjusts its chunk offsets; `None` if the file is
/// of another kind, in that order already, fragmented or damaged.
pub fn pieces(
    recording: &mut (impl Read + Seek),
    size_bytes: u64,
) -> io::Result<Option<Vec<Piece>>> {
    let mut offset = 0;
    // After `ftyp`.
    let mut insert = 0;
    let mut data_seen = false;
    for _ in 0..PARTS_MAX {
        let Some((kind, size)) = top_box(recording, offset)? else {
            return Ok(None);
        };
        let Some(end) = offset.checked_add(size).filter(|end| *end <= size_bytes) else {
            return Ok(None);
        };
        match &kind {
            first if offset == 0 && !FIRST.contains(&first) => return Ok(None),
            b"moov" if data_seen && size <= TABLES_MAX_BYTES => {
                let mut moov = vec![0; size as usize];
                recording.seek(SeekFrom::Start(offset))?;
                recording.read_exact(&mut moov)?;
                return Ok(moved(&moov, insert, offset).map(|moved| {
                    vec![
                        Piece::Original(0..insert),
                        Piece::Replaced(moved),
                        Piece::Original(insert..offset),
                        Piece::Original(end..size_bytes),
                    ]
                }));
            }
            b"moov" | b"moof" => return Ok(None),
            b"mdat" => data_seen = true,
            b"ftyp" if offset == 0 => insert = end,
            _ => {}
        }
        offset = end;
    }
    Ok(None)
}

/// Type and size of the box at `offset`.
fn top_box(recording: &mut (impl Read + Seek), offset: u64) -> io::Result<Option<([u8; 4], u64)>> {
    let Some(kind) = bytes_at::<4>(recording, offset + 4)? else {
        return Ok(None);
    };
    let size = bytes_at::<4>(recording, offset)?.map_or(0, u32::from_be_bytes);
    let size = match size {
        1 => bytes_at::<8>(recording, offset + 8)?.map_or(0, u64::from_be_bytes),
        size => u64::from(size),
    };
    // Size 0: the box extends to the end of the file, so nothing follows it.
    Ok((size >= BOX_HEADER_BYTES as u64).then_some((kind, size)))
}

/// `moov` with offsets adjusted for its move from `from` to `to`.
fn moved(moov: &[u8], to: u64, from: u64) -> Option<Vec<u8>> {
    // All tables are converted to 64 bits (`co64`), so the length does not depend
    // on the offsets.
    let length = rewrite(moov, &|offset| Some(offset))?.len() as u64;
    rewrite(moov, &|offset| {
        if offset < to {
            Some(offset)
        } else if offset < from {
            offset.checked_add(length)
        } else {
            (offset + length).checked_sub(moov.len() as u64)
        }
    })
}

/// The box with `shift` applied to each chunk offset.
fn rewrite(bytes: &[u8], shift: &dyn Fn(u64) -> Option<u64>) -> Option<Vec<u8>> {
    let (kind, content, rest) = split(bytes)?;
    if !rest.is_empty() {
        return None;
    }
    let mut out = vec![0; BOX_HEADER_BYTES];
    out[4..].copy_from_slice(kind);
    write_content(kind, content, shift, &mut out)?;
    finish(&mut out, 0)?;
    Some(out)
}

fn write_boxes(
    mut bytes: &[u8],
    shift: &dyn Fn(u64) -> Option<u64>,
    out: &mut Vec<u8>,
) -> Option<()> {
    // QuickTime terminates some lists with four zeros.
    while bytes.len() >= BOX_HEADER_BYTES {
        let (kind, content, rest) = split(bytes)?;
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(if kind == b"stco" { b"co64" } else { kind });
        write_content(kind, content, shift, out)?;
        finish(out, start)?;
        bytes = rest;
    }
    out.extend_from_slice(bytes);
    Some(())
}

fn write_content(
    kind: &[u8; 4],
    content: &[u8],
    shift: &dyn Fn(u64) -> Option<u64>,
    out: &mut Vec<u8>,
) -> Option<()> {
    match kind {
        b"stco" => write_table::<4>(content, shift, out),
        b"co64" => write_table::<8>(content, shift, out),
        // Compressed: the offsets are not accessible.
        b"cmov" => None,
        kind if kind == b"moov" || CONTAINERS.contains(&kind) => write_boxes(content, shift, out),
        _ => {
            out.extend_from_slice(content);
            Some(())
        }
    }
}

/// Version and flags, entry count, offsets of `N` bytes each.
fn write_table<const N: usize>(
    content: &[u8],
    shift: &dyn Fn(u64) -> Option<u64>,
    out: &mut Vec<u8>,
) -> Option<()> {
    let (head, offsets) = content.split_at_checked(8)?;
    let count = u32::from_be_bytes(head[4..].try_into().ok()?) as usize;
    let offsets = offsets.get(..count.checked_mul(N)?)?;
    out.extend_from_slice(head);
    for offset in offsets.as_chunks::<N>().0 {
        let offset = offset
            .iter()
            .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        out.extend_from_slice(&shift(offset)?.to_be_bytes());
    }
    Some(())
}

/// The first box: type, content, and the bytes after it.
fn split(bytes: &[u8]) -> Option<(&[u8; 4], &[u8], &[u8])> {
    let size = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?);
    let kind = bytes.get(4..BOX_HEADER_BYTES)?.try_into().ok()?;
    let (header_bytes, size) = match size {
        1 => {
            let size = bytes.get(BOX_HEADER_BYTES..LARGE_HEADER_BYTES)?;
            let size = u64::from_be_bytes(size.try_into().ok()?);
            (LARGE_HEADER_BYTES, usize::try_from(size).ok()?)
        }
        size => (BOX_HEADER_BYTES, size as usize),
    };
    let content = bytes.get(header_bytes..size)?;
    Some((kind, content, &bytes[size..]))
}

fn finish(out: &mut [u8], start: usize) -> Option<()> {
    let size = u32::try_from(out.len() - start).ok()?;
    out[start..start + 4].copy_from_slice(&size.to_be_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::Ordered;
    use super::*;

    fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let size = (content.len() + 8) as u32;
        [&size.to_be_bytes()[..], kind, content].concat()
    }

    fn table(kind: &[u8; 4], offsets: &[u64]) -> Vec<u8> {
        let mut content = vec![0; 4];
        content.extend_from_slice(&(offsets.len() as u32).to_be_bytes());
        for offset in offsets {
            match kind {
                b"stco" => content.extend_from_slice(&(*offset as u32).to_be_bytes()),
                _ => content.extend_from_slice(&offset.to_be_bytes()),
            }
        }
        boxed(kind, &content)
    }

    fn moov(tables: &[Vec<u8>]) -> Vec<u8> {
        let tracks: Vec<u8> = tables
            .iter()
            .flat_map(|table| {
                let table = [boxed(b"stts", b"12345678"), table.clone()].concat();
                let media = boxed(b"mdia", &boxed(b"minf", &boxed(b"stbl", &table)));
                boxed(b"trak", &[boxed(b"tkhd", b"x"), media].concat())
            })
            .collect();
        boxed(b"moov", &[boxed(b"mvhd", b"head"), tracks].concat())
    }

    fn ordered(content: &[u8]) -> Vec<u8> {
        let mut ordered = Ordered::new(Cursor::new(content), content.len() as u64).unwrap();
        let mut read = Vec::new();
        ordered.read_to_end(&mut read).unwrap();
        read
    }

    /// Offsets in all `co64` tables of a file.
    fn offsets(content: &[u8]) -> Vec<usize> {
        let tables = content.windows(4).enumerate();
        let tables = tables.filter(|(_, kind)| kind == b"co64");
        let number = |at: usize| u64::from_be_bytes(content[at..at + 8].try_into().unwrap());
        tables
            .flat_map(|(at, _)| {
                let count = (number(at + 4) & 0xffff_ffff) as usize;
                (0..count).map(move |entry| number(at + 12 + entry * 8) as usize)
            })
            .collect()
    }

    #[test]
    fn adjusted_offsets_refer_to_the_same_bytes() {
        let file_type = boxed(b"ftyp", b"3gp4\0\0\0\0");
        // mdat, moov, another mdat: the marks are at 24, 28 and 16 bytes after
        // moov.
        let first = boxed(b"mdat", b"AAAABBBB");
        let second = boxed(b"mdat", b"CCCC");
        for kind in [b"stco", b"co64"] {
            let length = moov(&[table(kind, &[0, 0]), table(kind, &[0])]).len();
            let behind = (file_type.len() + first.len() + length + 8) as u64;
            let moov = moov(&[table(kind, &[24, behind]), table(kind, &[28])]);
            let content = [&*file_type, &first, &moov, &second].concat();
            let read = ordered(&content);
            assert_eq!(&read[16 + 4..16 + 8], b"moov");
            let marks: Vec<_> = offsets(&read).iter().map(|at| &read[*at..at + 4]).collect();
            assert_eq!(marks, [b"AAAA", b"CCCC", b"BBBB"]);
            assert!(!read.windows(4).any(|kind| kind == b"stco"));
        }
    }

    #[test]
    fn stco_is_converted_to_co64() {
        let moov = moov(&[table(b"stco", &[u64::from(u32::MAX)])]);
        let moved = moved(&moov, 16, u64::from(u32::MAX) + 100).unwrap();
        assert_eq!(offsets(&moved), [u32::MAX as usize + moved.len()]);
    }

    #[test]
    fn unsupported_files_are_unchanged() {
        let file_type = boxed(b"ftyp", b"3gp4\0\0\0\0");
        let data = boxed(b"mdat", b"AAAABBBB");
        let good = moov(&[table(b"stco", &[24])]);
        let mut lying = table(b"stco", &[24]);
        lying[12..16].copy_from_slice(&u32::MAX.to_be_bytes());
        let mut endless = data.clone();
        endless[..4].copy_from_slice(&0_u32.to_be_bytes());
        for content in [
            // In order already; fragmented; no table; truncated; compressed.
            [&*file_type, &good, &data].concat(),
            [&*file_type, &boxed(b"moof", b""), &data, &good].concat(),
            [&*file_type, &data].concat(),
            [&*file_type, &data, &good[..good.len() - 1]].concat(),
            [&*file_type, &data, &boxed(b"moov", &boxed(b"cmov", b"x"))].concat(),
            [&*file_type, &data, &moov(&[lying])].concat(),
            [&*file_type, &endless, &good].concat(),
            [
                &*file_type,
                &data,
                &boxed(b"moov", &boxed(b"trak", b"\0\0\0\x05trak")),
            ]
            .concat(),
        ] {
            assert_eq!(ordered(&content), content);
        }
        let moved = [&*file_type, &data, &good].concat();
        assert_ne!(ordered(&moved), moved);
    }
}
