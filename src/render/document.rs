//! Documents that are written segment by segment.

use std::collections::VecDeque;
use std::io;

use super::transcript::{Read, Segments};
use crate::piecewise::Piecewise;
use crate::protocol::Segment;

/// Writes what a document has of one segment.
type WriteSegment = Box<dyn FnMut(Segment, &mut Vec<u8>) -> io::Result<()> + Send>;

/// A document that was not read to its end. The transcript is read again for
/// every part that needs it: its length is never held.
pub struct Document {
    parts: VecDeque<Part>,
    read: Option<Read>,
    /// Those of the first part that are not written yet.
    segments: Option<Segments>,
}

enum Part {
    /// These bytes.
    Text(Vec<u8>),
    /// Something of each segment.
    Each(WriteSegment),
}

impl Document {
    /// An empty document about the transcript that this reads.
    pub(super) fn new(read: Read) -> Document {
        Document {
            parts: VecDeque::new(),
            read: Some(read),
            segments: None,
        }
    }

    /// A document without a transcript.
    pub fn of(text: impl Into<Vec<u8>>) -> Document {
        Document {
            parts: VecDeque::from([Part::Text(text.into())]),
            read: None,
            segments: None,
        }
    }

    /// The same with something before and after it.
    pub fn between(mut self, before: impl Into<Vec<u8>>, after: impl Into<Vec<u8>>) -> Document {
        self.parts.push_front(Part::Text(before.into()));
        self.text(after)
    }

    /// Adds this text.
    pub(super) fn text(mut self, text: impl Into<Vec<u8>>) -> Document {
        self.parts.push_back(Part::Text(text.into()));
        self
    }

    /// Adds what `write` makes of each segment.
    pub(super) fn each(
        mut self,
        write: impl FnMut(Segment, &mut Vec<u8>) -> io::Result<()> + Send + 'static,
    ) -> Document {
        self.parts.push_back(Part::Each(Box::new(write)));
        self
    }

    /// The whole document, where it is known to be short.
    #[cfg(test)]
    pub(super) fn whole(mut self) -> io::Result<String> {
        let mut text = Vec::new();
        while self.write_next(&mut text)? {}
        String::from_utf8(text).map_err(io::Error::other)
    }
}

impl Piecewise for Document {
    fn write_next(&mut self, piece: &mut Vec<u8>) -> io::Result<bool> {
        match (self.parts.front_mut(), &self.read) {
            (Some(Part::Text(text)), _) => piece.append(text),
            (Some(Part::Each(write)), Some(read)) => {
                if let Some(segment) = self.segments.get_or_insert_with(|| read()).next() {
                    write(segment?, piece)?;
                    return Ok(true);
                }
                self.segments = None;
            }
            _ => {}
        }
        self.parts.pop_front();
        Ok(!self.parts.is_empty())
    }
}
