//! A look ahead into bytes that are read once, from the front.

use std::io::{self, Read};

/// Read at a time, and the most that can be looked at.
pub const WINDOW_BYTES: usize = 64 * 1024;

/// Bytes as they come, a bounded stretch of them visible before it is taken.
pub struct Window<R> {
    source: R,
    buffer: Vec<u8>,
    taken: usize,
    ended: bool,
    offset_bytes: u64,
}

impl<R: Read> Window<R> {
    /// Nothing is read yet.
    pub fn new(source: R) -> Self {
        Self {
            source,
            buffer: Vec::new(),
            taken: 0,
            ended: false,
            offset_bytes: 0,
        }
    }

    /// What follows: at least `wanted` bytes (no more than [`WINDOW_BYTES`]),
    /// fewer only at the end.
    pub fn peek(&mut self, wanted: usize) -> io::Result<&[u8]> {
        debug_assert!(wanted <= WINDOW_BYTES);
        if self.buffer.len() - self.taken < wanted && !self.ended {
            self.buffer.drain(..self.taken);
            self.taken = 0;
            while self.buffer.len() < wanted && !self.ended {
                let filled = self.buffer.len();
                self.buffer.resize(2 * WINDOW_BYTES, 0);
                let read = self.source.read(&mut self.buffer[filled..]);
                self.buffer
                    .truncate(filled + read.as_ref().copied().unwrap_or(0));
                match read {
                    Ok(0) => self.ended = true,
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(&self.buffer[self.taken..])
    }

    /// Leaves `count` bytes behind, also more than can be seen; fewer only at
    /// the end.
    pub fn skip(&mut self, mut count: u64) -> io::Result<()> {
        while count > 0 {
            let visible = self.peek(1)?.len();
            if visible == 0 {
                return Ok(());
            }
            let step = visible.min(usize::try_from(count).unwrap_or(usize::MAX));
            self.taken += step;
            self.offset_bytes += step as u64;
            count -= step as u64;
        }
        Ok(())
    }

    /// Bytes left behind so far.
    pub fn offset_bytes(&self) -> u64 {
        self.offset_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_seen_once_and_in_order() {
        let content: Vec<u8> = (0..500_000_u32).map(|index| (index / 7) as u8).collect();
        let mut window = Window::new(&content[..]);
        let mut seen = Vec::new();
        loop {
            let visible = window.peek(1000).unwrap();
            let step = visible.len().min(777);
            if step == 0 {
                break;
            }
            seen.extend_from_slice(&visible[..step]);
            window.skip(step as u64).unwrap();
            assert_eq!(window.offset_bytes(), seen.len() as u64);
        }
        assert!(seen == content);
        let mut window = Window::new(&content[..]);
        window.skip(499_990).unwrap();
        assert_eq!(window.peek(100).unwrap(), &content[499_990..]);
        window.skip(u64::MAX).unwrap();
        assert_eq!(window.offset_bytes(), 500_000);
    }
}
