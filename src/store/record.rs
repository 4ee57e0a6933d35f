//! The offset record: how many bytes of an upload are on stable storage.
//!
//! The file is two slots of [`SLOT_BYTES`] each. A commit writes the slot that
//! does not hold the newest state, in place, and syncs; a write torn by a power
//! cut therefore damages only the slot that was being written, and the other
//! still tells the last state that was ever told to anybody. A slot, all
//! numbers little endian:
//!
//! ```text
//!  0  8  magic, "scribed1"
//!  8  8  sequence; the valid slot with the higher one counts
//! 16  8  offset: bytes [0, offset) of `data` are durable
//! 24  8  length of the whole upload; all ones while not known
//! 32  8  time of this commit by the wall clock, milliseconds since 1970 UTC
//! 40  8  the same by CLOCK_BOOTTIME, milliseconds since that boot
//! 48  8  kind: 0 whole, 1 partial, 2 joined, 3 final
//! 56  4  CRC32C of bytes 0..56
//! 60  .. zeros up to SLOT_BYTES
//! ```

use super::moment::Moment;
use super::sabotage::Rule;

/// One slot; a whole block of any file system, so that slots never share one.
pub const SLOT_BYTES: usize = 4096;

/// The whole file.
pub const FILE_BYTES: usize = 2 * SLOT_BYTES;

pub(crate) const MAGIC: [u8; 8] = *b"scribed1";
pub(crate) const USED_BYTES: usize = 60;
const UNKNOWN_LENGTH: u64 = u64::MAX;

/// What an upload is to others (TUS, concatenation extension).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing: it is a recording.
    Whole,
    /// A part of one.
    Partial,
    /// A part that has been joined with others; it may be used once more.
    Joined,
    /// A recording that is joined from partial ones: all of it is there, or nothing.
    Final,
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Whole, Kind::Partial, Kind::Joined, Kind::Final];

    /// Is a part of a recording only.
    pub fn is_partial(self) -> bool {
        matches!(self, Kind::Partial | Kind::Joined)
    }
}

/// The state of an upload, as one slot holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    sequence: u64,
    /// Durable bytes.
    pub offset: u64,
    /// Bytes of the whole upload, `None` while the client has not told.
    pub length: Option<u64>,
    /// When this state was committed.
    pub committed_at: Moment,
    /// What it is to others.
    pub kind: Kind,
}

impl Record {
    /// The state of a new upload that is a recording.
    pub fn new(length: Option<u64>, now: Moment) -> Record {
        Record::of(Kind::Whole, length, now)
    }

    /// The state of any new upload.
    pub fn of(kind: Kind, length: Option<u64>, now: Moment) -> Record {
        Record {
            sequence: 0,
            offset: 0,
            length,
            committed_at: now,
            kind,
        }
    }

    /// The next state, with more bytes. Never goes back.
    pub fn advanced(&self, offset: u64, now: Moment) -> Record {
        assert!(offset >= self.offset, "an offset never goes back");
        assert!(self.length.is_none_or(|length| offset <= length));
        Record {
            offset,
            ..self.next(now)
        }
    }

    /// The next state, with a length that was not known before.
    pub fn measured(&self, length: u64, now: Moment) -> Record {
        assert!(self.length.is_none(), "a length never changes");
        assert!(length >= self.offset);
        Record {
            length: Some(length),
            ..self.next(now)
        }
    }

    /// The next state, of a final upload: joined, all at once.
    pub fn completed(&self, length: u64, now: Moment) -> Record {
        assert!(self.kind == Kind::Final && self.length.is_none());
        Record {
            offset: length,
            length: Some(length),
            ..self.next(now)
        }
    }

    /// The next state, of a partial upload: it was joined with others.
    pub fn joined(&self, now: Moment) -> Record {
        assert!(self.kind.is_partial() && self.is_finished());
        Record {
            kind: Kind::Joined,
            ..self.next(now)
        }
    }

    fn next(&self, now: Moment) -> Record {
        Record {
            sequence: self.sequence + 1,
            committed_at: now,
            ..*self
        }
    }

    /// All bytes are there.
    pub fn is_finished(&self) -> bool {
        self.length == Some(self.offset)
    }

    /// All bytes are there, of something that can be transcribed.
    pub fn is_recording(&self) -> bool {
        self.is_finished() && !self.kind.is_partial()
    }

    /// Where in the file this state belongs.
    pub fn position(&self) -> u64 {
        (self.sequence % 2) * SLOT_BYTES as u64
    }

    /// Where in the file the state after this one will go.
    pub fn next_position(&self) -> u64 {
        SLOT_BYTES as u64 - self.position()
    }

    /// The slot.
    pub fn encode(&self) -> Vec<u8> {
        let mut slot = Vec::with_capacity(SLOT_BYTES);
        slot.extend_from_slice(&MAGIC);
        slot.extend_from_slice(&self.sequence.to_le_bytes());
        slot.extend_from_slice(&self.offset.to_le_bytes());
        slot.extend_from_slice(&self.length.unwrap_or(UNKNOWN_LENGTH).to_le_bytes());
        slot.extend_from_slice(&self.committed_at.wall_ms.to_le_bytes());
        slot.extend_from_slice(&self.committed_at.since_boot_ms.to_le_bytes());
        slot.extend_from_slice(&(self.kind as u64).to_le_bytes());
        slot.extend_from_slice(&crc32c::crc32c(&slot).to_le_bytes());
        assert_eq!(slot.len(), USED_BYTES);
        slot.resize(SLOT_BYTES, 0);
        slot
    }

    /// The file of a new upload: this state, and a slot that holds none.
    pub fn encode_file(&self) -> Vec<u8> {
        let mut file = vec![0; FILE_BYTES];
        let at = self.position() as usize;
        file[at..at + SLOT_BYTES].copy_from_slice(&self.encode());
        file
    }

    /// The newest state in a file, `None` if no slot is whole.
    pub fn decode_file(file: &[u8]) -> Option<Record> {
        file.chunks(SLOT_BYTES)
            .filter_map(Record::decode)
            .max_by_key(|record| record.sequence)
    }

    fn decode(slot: &[u8]) -> Option<Record> {
        let (content, crc) = slot.get(..USED_BYTES)?.split_last_chunk::<4>()?;
        let (magic, numbers) = content.split_first_chunk::<8>()?;
        let whole = crc32c::crc32c(content) == u32::from_le_bytes(*crc);
        if *magic != MAGIC || !(whole || Rule::WholeSlots.is_broken()) {
            return None;
        }
        let mut numbers = numbers.chunks_exact(8).map(|bytes| {
            let mut number = [0; 8];
            number.copy_from_slice(bytes);
            u64::from_le_bytes(number)
        });
        let record = Record {
            sequence: numbers.next()?,
            offset: numbers.next()?,
            length: numbers
                .next()
                .map(|length| (length != UNKNOWN_LENGTH).then_some(length))?,
            committed_at: Moment {
                wall_ms: numbers.next()?,
                since_boot_ms: numbers.next()?,
            },
            kind: *Kind::ALL.get(usize::try_from(numbers.next()?).ok()?)?,
        };
        record
            .length
            .is_none_or(|length| record.offset <= length)
            .then_some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment {
        wall_ms: 1_000_000,
        since_boot_ms: 1_000,
    };

    #[test]
    fn a_torn_slot_leaves_the_other_state() {
        let first = Record::new(Some(100), NOW);
        let mut file = first.encode_file();
        assert_eq!(Record::decode_file(&file), Some(first));

        let second = first.advanced(40, NOW);
        assert_ne!(first.position(), second.position());
        for torn in 0..USED_BYTES {
            let mut file = file.clone();
            let at = second.position() as usize;
            file[at..at + torn].copy_from_slice(&second.encode()[..torn]);
            assert_eq!(
                Record::decode_file(&file),
                Some(first),
                "{torn} bytes written"
            );
        }
        let at = second.position() as usize;
        file[at..at + SLOT_BYTES].copy_from_slice(&second.encode());
        assert_eq!(Record::decode_file(&file), Some(second));

        let third = second.advanced(100, NOW);
        assert_eq!(third.position(), first.position());
        assert!(third.is_finished() && !second.is_finished());
    }

    #[test]
    fn damage_is_never_taken_for_a_state() {
        let record = Record::new(None, NOW);
        let file = record.encode_file();
        for at in 0..USED_BYTES {
            let mut file = file.clone();
            file[at] ^= 0x40;
            assert_eq!(Record::decode_file(&file), None, "byte {at}");
        }
        assert_eq!(Record::decode_file(&[]), None);
        assert_eq!(Record::decode_file(&file[..20]), None);
    }
}
