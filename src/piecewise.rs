//! Documents that are made piece by piece, for readers of any speed.
//!
//! A document is moved to a blocking thread for each piece and back: while it
//! waits for its reader it holds no thread and no place of
//! [`compute`](crate::blocking::compute), only what it needs to go on.

use std::io;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;

use crate::blocking;

/// Length of a piece, if none of its parts is longer.
const PIECE_BYTES: usize = 64 << 10;

/// A document of any length, of which a small part is made at a time.
pub trait Piecewise: Send + Sized + 'static {
    /// Appends the next part to `piece`, say a segment of a transcript; false at
    /// the end. Blocks on the disk.
    fn write_next(&mut self, piece: &mut Vec<u8>) -> io::Result<bool>;

    /// The next piece, and the rest of the document; `None` at the end. Blocks on
    /// the disk.
    fn split(mut self) -> io::Result<(Bytes, Option<Self>)> {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        while self.write_next(&mut piece)? {
            if piece.len() >= PIECE_BYTES {
                return Ok((piece.into(), Some(self)));
            }
        }
        // Most documents are short, and may wait long for their reader.
        piece.shrink_to_fit();
        Ok((piece.into(), None))
    }
}

/// The next piece and the rest, made on a blocking thread.
pub async fn split<D: Piecewise>(document: D) -> io::Result<(Bytes, Option<D>)> {
    blocking::compute(|| document.split()).await
}

/// The rest of a document as its reader takes it. An error is the last item.
pub fn stream<D: Piecewise>(rest: Option<D>) -> impl Stream<Item = io::Result<Bytes>> + Send {
    unfold(rest, async |rest| match split(rest?).await {
        Ok((piece, rest)) => Some((Ok(piece), rest)),
        Err(error) => Some((Err(error), None)),
    })
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    /// Numbered lines, and maybe an error in their middle.
    struct Lines {
        next: usize,
        count: usize,
        fails_at: usize,
    }

    impl Piecewise for Lines {
        fn write_next(&mut self, piece: &mut Vec<u8>) -> io::Result<bool> {
            if self.next == self.fails_at {
                return Err(io::ErrorKind::InvalidData.into());
            }
            piece.extend_from_slice(format!("{:099}\n", self.next).as_bytes());
            self.next += 1;
            Ok(self.next < self.count)
        }
    }

    fn lines(count: usize, fails_at: usize) -> Lines {
        let next = 0;
        Lines {
            next,
            count,
            fails_at,
        }
    }

    #[tokio::test]
    async fn all_of_it_comes_in_bounded_pieces() {
        const LINE_BYTES: usize = 100;
        for count in [1, PIECE_BYTES / LINE_BYTES, 10_000] {
            let pieces: Vec<_> = stream(Some(lines(count, usize::MAX))).collect().await;
            let pieces: Vec<Bytes> = pieces.into_iter().map(Result::unwrap).collect();
            assert!(
                pieces
                    .iter()
                    .all(|piece| piece.len() < PIECE_BYTES + LINE_BYTES)
            );
            let text = String::from_utf8(pieces.concat()).unwrap();
            let numbers = text.lines().map(|line| line.parse::<usize>().unwrap());
            assert!(numbers.eq(0..count), "{count}");
        }
        let pieces: Vec<_> = stream(Some(lines(9999, 5000))).collect().await;
        let (last, before) = pieces.split_last().unwrap();
        assert!(before.len() > 1 && before.iter().all(Result::is_ok));
        assert!(last.is_err(), "no end that looks like one");
    }
}
