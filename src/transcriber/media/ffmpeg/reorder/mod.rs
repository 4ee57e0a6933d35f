//! Files whose table of contents lies behind their data cannot be read from a
//! pipe: they are handed over in another order, made on the fly.

mod caf;
mod mp4;
mod piece;

use std::io::{self, Read, Seek, SeekFrom};

use piece::Piece;

/// A recording, its parts in an order that can be read from a pipe.
pub struct Ordered<R> {
    recording: R,
    pieces: std::vec::IntoIter<Piece>,
    current: Option<Piece>,
    offset_bytes: u64,
}

impl<R: Read + Seek> Ordered<R> {
    /// `recording` from its start to `size_bytes`; as it is, unless it is a file
    /// that must be reordered and can be. Damaged files are left alone: ffmpeg
    /// has a word for them.
    pub fn new(mut recording: R, size_bytes: u64) -> io::Result<Self> {
        let pieces = match mp4::pieces(&mut recording, size_bytes)? {
            Some(pieces) => pieces,
            None => caf::pieces(&mut recording, size_bytes)?
                .unwrap_or_else(|| vec![Piece::Original(0..size_bytes)]),
        };
        Ok(Self {
            recording,
            pieces: pieces.into_iter(),
            current: None,
            offset_bytes: 0,
        })
    }
}

impl<R: Read + Seek> Read for Ordered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = match &self.current {
                Some(Piece::Replaced(bytes)) => {
                    let rest = &bytes[self.offset_bytes as usize..];
                    let count = rest.len().min(buffer.len());
                    buffer[..count].copy_from_slice(&rest[..count]);
                    count
                }
                Some(Piece::Original(range)) => {
                    let left = range.end - range.start - self.offset_bytes;
                    let count = buffer
                        .len()
                        .min(usize::try_from(left).unwrap_or(usize::MAX));
                    self.recording.read(&mut buffer[..count])?
                }
                None => 0,
            };
            self.offset_bytes += count as u64;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            self.current = self.pieces.next();
            self.offset_bytes = 0;
            match &self.current {
                None => return Ok(0),
                Some(Piece::Original(range)) => {
                    self.recording.seek(SeekFrom::Start(range.start))?;
                }
                Some(Piece::Replaced(_)) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn pieces_are_read_in_their_order() {
        let mut ordered = Ordered {
            recording: Cursor::new(b"0123456789"),
            pieces: vec![
                Piece::Original(0..2),
                Piece::Replaced(Vec::new()),
                Piece::Replaced(b"new".to_vec()),
                Piece::Original(8..10),
                Piece::Original(4..6),
            ]
            .into_iter(),
            current: None,
            offset_bytes: 0,
        };
        let mut text = String::new();
        ordered.read_to_string(&mut text).unwrap();
        assert_eq!(text, "01new8945");
    }

    #[test]
    fn other_files_stay_as_they_are() {
        for content in [&b""[..], b"caff", b"RIFF\0\0\0\0WAVE", &[0; 100]] {
            let mut ordered = Ordered::new(Cursor::new(content), content.len() as u64).unwrap();
            let mut read = Vec::new();
            ordered.read_to_end(&mut read).unwrap();
            assert_eq!(read, content);
        }
    }
}
