//! CAF: the packet table (`pakt`) may come after the data that it describes.

use std::io::{self, Read, Seek};

use super::super::super::limits::TABLES_MAX_BYTES;
use super::piece::{PARTS_MAX, Piece, bytes_at};

const FILE_HEADER_BYTES: u64 = 8;
const CHUNK_HEADER_BYTES: u64 = 12;

/// Moves the data chunk to the end; `None` if the file is not CAF or is in that
/// order already.
pub fn pieces(
    recording: &mut (impl Read + Seek),
    size_bytes: u64,
) -> io::Result<Option<Vec<Piece>>> {
    if bytes_at::<4>(recording, 0)?.as_ref() != Some(b"caff") {
        return Ok(None);
    }
    let mut offset = FILE_HEADER_BYTES;
    let mut data = None;
    for _ in 0..PARTS_MAX {
        let Some(kind) = bytes_at::<4>(recording, offset)? else {
            break;
        };
        let Some(size) = bytes_at::<8>(recording, offset + 4)? else {
            break;
        };
        // -1: to the end of the file.
        let end = u64::try_from(i64::from_be_bytes(size))
            .ok()
            .and_then(|size| offset.checked_add(CHUNK_HEADER_BYTES + size));
        let Some(end) = end.filter(|end| *end <= size_bytes) else {
            break;
        };
        if &kind == b"data" {
            data = Some(offset..end);
        } else if &kind == b"pakt"
            && let Some(data) = data
        {
            return Ok((size_bytes - data.end <= TABLES_MAX_BYTES).then(|| {
                vec![
                    Piece::Original(0..data.start),
                    Piece::Original(data.end..size_bytes),
                    Piece::Original(data),
                ]
            }));
        }
        offset = end;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn file(chunks: &[(&[u8; 4], i64, usize)]) -> Vec<u8> {
        let mut bytes = b"caff\0\x01\0\0".to_vec();
        for (kind, size, present) in chunks {
            bytes.extend_from_slice(*kind);
            bytes.extend_from_slice(&size.to_be_bytes());
            bytes.resize(bytes.len() + present, 0);
        }
        bytes
    }

    #[test]
    fn packet_table_after_data_is_moved() {
        for (chunks, expected) in [
            (
                &[(b"desc", 32, 32), (b"data", 100, 100), (b"pakt", 24, 24)][..],
                Some(vec![0..52, 164..200, 52..164]),
            ),
            (
                &[(b"desc", 32, 32), (b"pakt", 24, 24), (b"data", 100, 100)],
                None,
            ),
            (&[(b"desc", 32, 32), (b"data", -1, 100)], None),
            (&[(b"desc", 32, 32), (b"data", 100, 50)], None),
            (&[(b"data", 10, 10), (b"pakt", i64::MAX, 24)], None),
            (&[(b"data", 10, 10), (b"free", 10, 10)], None),
        ] {
            let content = file(chunks);
            let size_bytes = content.len() as u64;
            let pieces = pieces(&mut Cursor::new(content), size_bytes).unwrap();
            let expected = expected
                .map(|ranges: Vec<_>| ranges.into_iter().map(Piece::Original).collect::<Vec<_>>());
            assert_eq!(pieces, expected, "{chunks:?}");
        }
    }
}
