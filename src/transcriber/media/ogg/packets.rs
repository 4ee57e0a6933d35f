//! Reassembles the packets of one logical stream from its pages (RFC 3533,
//! section 5).

use super::page::Page;

/// One packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawPacket {
    /// The payload, possibly truncated.
    pub data: Vec<u8>,
    /// It was longer than the limit.
    pub truncated: bool,
}

/// Packets completed by a page.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Completed {
    /// The packets that end on it.
    pub packets: Vec<RawPacket>,
    /// Pages before it, or the rest of a packet, are missing.
    pub lost: bool,
}

/// Reassembles packets.
#[derive(Debug, Clone, Default)]
pub struct Assembler {
    /// The start of a packet that has not ended.
    partial: Option<RawPacket>,
    next_sequence: Option<u32>,
}

impl RawPacket {
    fn extend(&mut self, piece: &[u8], keep_bytes: usize) {
        let room_bytes = keep_bytes.saturating_sub(self.data.len());
        self.truncated |= piece.len() > room_bytes;
        self.data
            .extend_from_slice(&piece[..piece.len().min(room_bytes)]);
    }
}

impl Assembler {
    /// Reads the next page of the stream; keeps at most `keep_bytes` of each
    /// packet.
    pub fn page(&mut self, page: &Page, keep_bytes: usize) -> Completed {
        let mut completed = Completed::default();
        let follows = self.next_sequence.is_none_or(|next| next == page.sequence);
        self.next_sequence = Some(page.sequence.wrapping_add(1));
        if !follows || (self.partial.is_some() && !page.is_continued()) {
            completed.lost = true;
            self.partial = None;
        }
        // The end of a packet whose start is missing.
        let mut skipping = page.is_continued() && self.partial.is_none();
        completed.lost |= skipping;
        let mut at = 0;
        for lacing in &page.lacing {
            let end = at + usize::from(*lacing);
            let Some(piece) = page.body.get(at..end) else {
                // The file ends within this segment.
                break;
            };
            at = end;
            let ends = *lacing < 255;
            if skipping {
                skipping = !ends;
                continue;
            }
            let partial = self.partial.get_or_insert_with(|| RawPacket {
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

    /// Whether a packet has begun and not ended.
    pub fn is_within_packet(&self) -> bool {
        self.partial.is_some()
    }
}
