//! Forward reading with lookahead: a header can be examined before it is
//! consumed. Only a small buffer is kept.
//!
//! The input is a file of known length. Tests also use streams, to check that a
//! reader does not need to seek.

use std::io::{self, Read, Seek, SeekFrom};

use super::Source;

/// Largest lookahead, and size of one read.
pub const AHEAD_MAX_BYTES: usize = 64 * 1024;

enum Input {
    File(Source),
    #[cfg(test)]
    Stream(Box<dyn Read + Send>),
}

/// An input that is read from start to end.
pub struct Forward {
    input: Input,
    buffer: Box<[u8]>,
    /// The part of `buffer` that is not yet consumed.
    filled: std::ops::Range<usize>,
    /// Bytes consumed so far.
    position: u64,
    size_bytes: Option<u64>,
}

impl Forward {
    /// Reads a file of known length.
    pub fn file(source: Source) -> Self {
        let size_bytes = source.size_bytes();
        Self::new(Input::File(source), Some(size_bytes))
    }

    /// Reads a stream of unknown length.
    #[cfg(test)]
    pub fn stream(stream: impl Read + Send + 'static) -> Self {
        Self::new(Input::Stream(Box::new(stream)), None)
    }

    fn new(input: Input, size_bytes: Option<u64>) -> Self {
        Self {
            input,
            buffer: vec![0; AHEAD_MAX_BYTES].into(),
            filled: 0..0,
            position: 0,
            size_bytes,
        }
    }

    /// Offset of the next byte, from the start of the input.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Bytes left, if the length is known.
    pub fn left_bytes(&self) -> Option<u64> {
        Some(self.size_bytes?.saturating_sub(self.position))
    }

    /// Whether [`Forward::go_to`] can seek backwards.
    pub fn is_file(&self) -> bool {
        matches!(self.input, Input::File(_))
    }

    fn read_input(input: &mut Input, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let result = match input {
                Input::File(source) => source.read(buffer),
                #[cfg(test)]
                Input::Stream(stream) => stream.read(buffer),
            };
            match result {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// The next `count` bytes, at most [`AHEAD_MAX_BYTES`], without consuming
    /// them; fewer only at the end of the input.
    pub fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        let count = count.min(AHEAD_MAX_BYTES);
        if self.filled.len() < count && self.filled.start > 0 {
            self.buffer.copy_within(self.filled.clone(), 0);
            self.filled = 0..self.filled.len();
        }
        while self.filled.len() < count {
            match Self::read_input(&mut self.input, &mut self.buffer[self.filled.end..])? {
                0 => break,
                read => self.filled.end += read,
            }
        }
        let count = count.min(self.filled.len());
        Ok(&self.buffer[self.filled.start..][..count])
    }

    /// Consumes `count` bytes of what was peeked.
    pub fn consume(&mut self, count: usize) {
        let count = count.min(self.filled.len());
        self.filled.start += count;
        self.position += count as u64;
    }

    /// Consumes `N` bytes; `None`, and none consumed, if fewer are left.
    pub fn take<const N: usize>(&mut self) -> io::Result<Option<[u8; N]>> {
        let Ok(bytes) = <[u8; N]>::try_from(self.peek(N)?) else {
            return Ok(None);
        };
        self.consume(N);
        Ok(Some(bytes))
    }

    /// Consumes `count` bytes, fewer only at the end of the input. The caller has
    /// checked `count` against a limit; memory is allocated only for bytes that
    /// exist.
    pub fn take_up_to(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let likely = self.left_bytes().unwrap_or(AHEAD_MAX_BYTES as u64);
        let likely = usize::try_from(likely).unwrap_or(usize::MAX);
        let mut bytes = Vec::with_capacity(count.min(likely));
        while bytes.len() < count {
            let wanted = count - bytes.len();
            let ready = self.peek(wanted.min(AHEAD_MAX_BYTES))?;
            if ready.is_empty() {
                break;
            }
            bytes.extend_from_slice(ready);
            let taken = ready.len();
            self.consume(taken);
        }
        Ok(bytes)
    }

    /// Skips `count` bytes; returns how many there were.
    pub fn skip(&mut self, count: u64) -> io::Result<u64> {
        let start = self.position;
        if let Some(left_bytes) = self.left_bytes()
            && count > self.filled.len() as u64
        {
            self.go_to(start + count.min(left_bytes))?;
        }
        while self.position - start < count {
            let wanted = count - (self.position - start);
            let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
            let ready = self.peek(wanted)?.len();
            if ready == 0 {
                break;
            }
            self.consume(ready);
        }
        Ok(self.position - start)
    }

    /// Seeks to another position of a file.
    pub fn go_to(&mut self, position: u64) -> io::Result<()> {
        match &mut self.input {
            Input::File(source) => source.seek(SeekFrom::Start(position))?,
            #[cfg(test)]
            Input::Stream(_) => return Err(io::Error::from(io::ErrorKind::NotSeekable)),
        };
        self.filled = 0..0;
        self.position = position;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    /// Returns one byte per read, as a slow pipe does.
    struct Dripping(std::io::Cursor<Vec<u8>>);

    impl Read for Dripping {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = buffer.len().min(1);
            self.0.read(&mut buffer[..count])
        }
    }

    #[test]
    fn files_and_streams_give_the_same_bytes() {
        let content: Vec<u8> = (0..200_000_u32).map(|index| (index % 251) as u8).collect();
        let file = Source::new(testing::file(&content), content.len() as u64);
        for mut forward in [
            Forward::file(file),
            Forward::stream(Dripping(std::io::Cursor::new(content.clone()))),
        ] {
            assert_eq!(forward.peek(3).unwrap(), &content[..3]);
            assert_eq!(forward.take::<4>().unwrap().unwrap(), content[..4]);
            assert_eq!(forward.skip(70_000).unwrap(), 70_000);
            assert_eq!(forward.position(), 70_004);
            let taken = forward.take_up_to(100_000).unwrap();
            assert_eq!(taken, &content[70_004..170_004]);
            assert_eq!(forward.skip(u64::MAX).unwrap(), 29_996);
            assert_eq!(forward.position(), 200_000);
            assert!(forward.peek(1).unwrap().is_empty());
            assert_eq!(forward.take::<1>().unwrap(), None);
        }
    }

    #[test]
    fn only_files_seek_backwards() {
        let mut forward = Forward::file(Source::new(testing::file(b"0123456789"), 10));
        forward.skip(8).unwrap();
        forward.go_to(2).unwrap();
        assert_eq!(forward.take::<2>().unwrap().unwrap(), *b"23");
        assert_eq!(forward.left_bytes(), Some(6));
        let mut forward = Forward::stream(&b"0123456789"[..]);
        assert!(forward.go_to(2).is_err());
        assert_eq!(forward.left_bytes(), None);
    }
}
