//! What comes from a decoder of others, which hostile recordings may have taken
//! over, and what is handed to it.

use std::io::{Cursor, Read};

use super::matroska::Parser;
use super::messages::Said;
use super::reorder::Ordered;

/// Its output, in pieces; the first byte is their size.
pub fn media_output(input: &[u8]) {
    let Some((size, bytes)) = input.split_first() else {
        return;
    };
    let mut parser = Parser::default();
    for piece in bytes.chunks(usize::from(*size) * 16 + 1) {
        parser.push(piece);
        loop {
            match parser.next() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
    parser.is_between_elements();
}

/// What it says on standard error.
pub fn media_messages(input: &[u8]) {
    let mut said = Said::default();
    let mut line = Vec::new();
    for piece in input.chunks(100) {
        said.push(piece, &mut line);
    }
    assert!(said.reason().len() < 4096);
    if let Some(input) = &said.input {
        assert!(input.duration_s.is_none_or(|duration_s| duration_s >= 0.0));
    }
}

/// A file in the order in which it can be read from a pipe: not longer than it
/// is, but for what is written anew.
pub fn media_reorder(input: &[u8]) {
    let Ok(ordered) = Ordered::new(Cursor::new(input), input.len() as u64) else {
        return;
    };
    let max_bytes = 16 * input.len() as u64 + 4096;
    let mut read = Vec::new();
    ordered.take(max_bytes + 1).read_to_end(&mut read).unwrap();
    assert!(
        read.len() as u64 <= max_bytes,
        "{} bytes of {}",
        read.len(),
        input.len()
    );
}
