//! Buffered reading of a [`Source`] at the offsets of a container.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use crate::media::{MediaError, Source};

const BUFFER_BYTES: usize = 64 * 1024;

/// Bytes allocated ahead of what has been read.
const AHEAD_BYTES: usize = 1024 * 1024;

/// The file, read through a buffer; short forward seeks stay within it.
pub struct Input {
    reader: BufReader<Source>,
    offset_bytes: u64,
    size_bytes: u64,
}

impl Input {
    /// Starts at the beginning of `source`.
    pub fn new(source: Source) -> Self {
        Self {
            size_bytes: source.size_bytes(),
            reader: BufReader::with_capacity(BUFFER_BYTES, source),
            offset_bytes: 0,
        }
    }

    /// Length of the file in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn go_to(&mut self, offset_bytes: u64) -> io::Result<()> {
        if offset_bytes == self.offset_bytes {
            return Ok(());
        }
        let distance_bytes = i128::from(offset_bytes) - i128::from(self.offset_bytes);
        match i64::try_from(distance_bytes) {
            Ok(distance_bytes) => self.reader.seek_relative(distance_bytes)?,
            Err(_) => {
                self.reader.seek(SeekFrom::Start(offset_bytes))?;
            }
        }
        self.offset_bytes = offset_bytes;
        Ok(())
    }

    /// Fills `buffer` from `offset_bytes` on; less only at the end of the file.
    pub fn read_at(&mut self, offset_bytes: u64, buffer: &mut [u8]) -> Result<usize, MediaError> {
        if offset_bytes >= self.size_bytes {
            return Ok(0);
        }
        self.go_to(offset_bytes)?;
        let mut filled = 0;
        while filled < buffer.len() {
            match self.reader.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.offset_bytes += filled as u64;
        Ok(filled)
    }

    /// Appends `length_bytes` from `offset_bytes` on to `out`; less only at the
    /// end of the file. Memory is allocated only for bytes that exist.
    pub fn append(
        &mut self,
        offset_bytes: u64,
        length_bytes: usize,
        out: &mut Vec<u8>,
    ) -> Result<usize, MediaError> {
        let mut read_bytes = 0;
        while read_bytes < length_bytes {
            let start = out.len();
            let wanted_bytes = (length_bytes - read_bytes).min(AHEAD_BYTES);
            out.resize(start + wanted_bytes, 0);
            let count = self.read_at(
                offset_bytes.saturating_add(read_bytes as u64),
                &mut out[start..],
            )?;
            out.truncate(start + count);
            read_bytes += count;
            if count < wanted_bytes {
                break;
            }
        }
        Ok(read_bytes)
    }

    /// At most `length_bytes` from `offset_bytes` on.
    pub fn bytes(&mut self, offset_bytes: u64, length_bytes: usize) -> Result<Vec<u8>, MediaError> {
        let mut bytes = Vec::new();
        self.append(offset_bytes, length_bytes, &mut bytes)?;
        Ok(bytes)
    }
}
