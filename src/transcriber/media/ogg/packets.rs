//! Packets of one logical stream out of its pages (RFC 3533, section 5).

use super::page::Page;

/// One packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// Its bytes, at most as many as were to be kept.
    pub data: Vec<u8>,
    /// It had more bytes than were to be kept.
    pub truncated: bool,
}

/// What a page completes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Completed {
    /// The packets that end on it.
    pub packets: Vec<Whole>,
    /// Pages before it, or the rest of a packet, are missing.
    pub lost: bool,
}

/// Puts packets together.
#[derive(Debug, Clone, Default)]
pub struct Assembler {
    /// The beginning of a packet that has not ended.
    partial: Option<Whole>,
    next_sequence: Option<u32>,
}

impl Whole {
    fn extend(&mut self, piece: &[u8], keep_bytes: usize) {
        let room_bytes = keep_bytes.saturating_sub(self.data.len());
        self.truncated |= piece.len() > room_bytes;
        self.data
            .extend_from_slice(&piece[..piece.len().min(room_bytes)]);
    }
}

impl Assembler {
    /// Takes the next page of the stream; of each packet at most `keep_bytes`
    /// are kept.
    pub fn page(&mut self, page: &Page, keep_bytes: usize) -> Completed {
        let mut completed = Completed::default();
        let follows = self.next_sequence.is_none_or(|next| next == page.sequence);
        self.next_sequence = Some(page.sequence.wrapping_add(1));
        if !follows || (self.partial.is_some() && !page.is_continued()) {
            completed.lost = true;
            self.partial = None;
        }
        // The end of a packet whose beginning is not there.
        let mut skipping = page.is_continued() && self.partial.is_none();
        completed.lost |= skipping;
        let mut at = 0;
        for lacing in &page.lacing {
            let end = at + usize::from(*lacing);
            let Some(piece) = page.body.get(at..end) else {
                // The file ends within this piece.
                break;
            };
            at = end;
            let ends = *lacing < 255;
            if skipping {
                skipping = !ends;
                continue;
            }
            let partial = self.partial.get_or_insert_with(|| Whole {
                data: Vec::new(),
                truncated: false,
            });
            partial.extend(piece, keep_bytes);
            if ends {
                completed.packets.extend(self.partial.take());
            }
        }
        completed
    }

    /// A packet has begun whose end has not come.
    pub fn is_within_packet(&self) -> bool {
        self.partial.is_some()
    }
}
