//! The samples of a track in file order: those of its tables, then those of the
//! fragments that follow.

use super::boxes::Header;
use super::coding::Layout;
use super::cursor::Cursor;
use super::entry::Entry;
use super::fragments::{Fragments, MOOF_MAX_BYTES};
use super::input::Input;
use super::piece::Piece;
use crate::media::MediaError;

/// Boxes between two samples that are skipped in one step.
const BOXES_MAX: usize = 1024;

/// The next item.
#[derive(Debug)]
pub enum Next {
    /// One or more samples.
    Piece(Piece),
    /// None in a bounded part of the file.
    Nothing,
    /// A fragment's table is too large.
    Lost(String),
    /// The end of the samples.
    End,
}

/// The samples of a track.
#[derive(Debug)]
pub struct Samples {
    cursor: Option<Cursor>,
    fragments: Fragments,
    timescales: Vec<(u32, u32)>,
    /// Offset of the next box of the file.
    next_box: u64,
    /// Whether the data of the fragments that were read has been reached.
    is_ready: bool,
    /// Whether the file ends within a box.
    pub is_cut_short: bool,
    /// Offset at which an appended file begins, in bytes.
    pub end_bytes: Option<u64>,
}

impl Samples {
    /// The samples of `cursor`, then those of the fragments from `next_box` on.
    pub fn new(
        cursor: Option<Cursor>,
        fragments: Fragments,
        timescales: Vec<(u32, u32)>,
        next_box: u64,
    ) -> Self {
        Self {
            cursor,
            fragments,
            timescales,
            next_box,
            is_ready: false,
            is_cut_short: false,
            end_bytes: None,
        }
    }

    /// Seeks to `time`. Only for samples in tables.
    pub fn seek(&mut self, time: i64, entries: &[Entry]) -> Result<(), MediaError> {
        match &mut self.cursor {
            Some(cursor) => cursor.seek(time, |entry| layout(entries, entry)),
            None => Ok(()),
        }
    }

    /// Skips what follows the last piece in its chunk or run: it is beyond the
    /// end of the file.
    pub fn skip_missing(&mut self) {
        self.is_cut_short = true;
        match &mut self.cursor {
            Some(cursor) => cursor.skip_chunk(),
            None => self.fragments.skip_run(),
        }
    }

    /// The next samples.
    pub fn next(&mut self, input: &mut Input, entries: &[Entry]) -> Result<Next, MediaError> {
        if let Some(cursor) = &mut self.cursor {
            if let Some(piece) = cursor.next(|entry| layout(entries, entry)) {
                return Ok(Next::Piece(piece));
            }
            if self.end_bytes.is_some() {
                return Ok(Next::End);
            }
        }
        for _ in 0..BOXES_MAX {
            if self.is_ready {
                let piece = self.fragments.next(|entry| match layout(entries, entry) {
                    Some(Layout::Blocks { bytes, .. }) => Some(bytes),
                    _ => None,
                });
                if let Some(piece) = piece {
                    return Ok(Next::Piece(piece));
                }
                self.is_ready = false;
            }
            let is_pending = !self.fragments.is_drained();
            let Some(header) = self.header(input)? else {
                if is_pending {
                    self.is_ready = true;
                    continue;
                }
                return Ok(Next::End);
            };
            match &header.kind {
                b"moof" | b"ftyp" if is_pending => {
                    self.is_ready = true;
                    continue;
                }
                b"moof" => {
                    self.next_box = header.end;
                    // From here on the samples are in fragments.
                    if let Some(cursor) = self.cursor.take()
                        && !cursor.is_empty()
                    {
                        self.fragments.continue_from(cursor.time());
                    }
                    if header.body_bytes() > MOOF_MAX_BYTES {
                        return Ok(Next::Lost(format!(
                            "the table of a fragment takes {} MiB",
                            header.body_bytes() >> 20
                        )));
                    }
                    let content = input.bytes(header.body, header.body_bytes() as usize)?;
                    self.fragments
                        .read(&content, header.start, &self.timescales);
                }
                b"mdat" if is_pending => {
                    self.is_ready = true;
                    self.next_box = header.end;
                }
                b"ftyp" => {
                    self.end_bytes = Some(header.start);
                    return Ok(Next::End);
                }
                _ => self.next_box = header.end,
            }
        }
        Ok(Next::Nothing)
    }

    /// Reads on to where an appended file may begin, skipping other boxes. False:
    /// call again.
    pub fn find_end(&mut self, input: &mut Input) -> Result<bool, MediaError> {
        for _ in 0..BOXES_MAX {
            match self.header(input)? {
                Some(header) if header.kind == *b"ftyp" => {
                    self.end_bytes = Some(header.start);
                    return Ok(true);
                }
                Some(header) => self.next_box = header.end,
                None => return Ok(true),
            }
        }
        Ok(false)
    }

    fn header(&mut self, input: &mut Input) -> Result<Option<Header>, MediaError> {
        if self.end_bytes.is_some() {
            return Ok(None);
        }
        let header = Header::read(input, self.next_box, u64::MAX)?;
        self.is_cut_short |= header
            .as_ref()
            .is_some_and(|header| header.is_cut && matches!(&header.kind, b"moof" | b"mdat"));
        Ok(header)
    }
}

fn layout(entries: &[Entry], entry: u32) -> Option<Layout> {
    entries
        .get(usize::try_from(entry).ok()?)
        .map(|entry| entry.coding.layout)
}
