//! The offset record: how many bytes of an upload are on stable storage.
//!
//! The file is two slots of [`SLOT_BYTES`] each. A commit writes the slot that
//! does not hold the newest state, in place, and syncs; a write torn by a power
//! failure therefore damages only the slot that was being written, and the other
//! still holds the last state that was reported to a client. A slot, all numbers
//! little endian:
//!
//! ```text
//!  0  8  magic, "scribed1"
//!  8  8  sequence; of two valid slots the one with the higher number is current
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

/// Size of a slot: a whole file system block, so that slots never share one.
pub const SLOT_BYTES: usize = 4096;

/// Size of the file.
pub const FILE_BYTES: usize = 2 * SLOT_BYTES;

pub(crate) const MAGIC: [u8; 8] = *b"scribed1";
pub(crate) const USED_BYTES: usize = 60;
const UNKNOWN_LENGTH: u64 = u64::MAX;

/// The kind of an upload (TUS, concatenation extension).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular upload.
    Whole,
    /// A partial upload.
    Partial,
    /// A partial upload that has been joined; it may be joined again.
    Joined,
    /// A final upload: empty until it is joined, then complete.
    Final,
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Whole, Kind::Partial, Kind::Joined, Kind::Final];

    /// Whether this is a partial upload, joined or not.
    pub fn is_partial(self) -> bool {
        matches!(self, Kind::Partial | Kind::Joined)
    }
}

/// The state of an upload, as one slot holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    sequence: u64,
    /// The number of durable bytes.
    pub offset: u64,
    /// The length of the upload in bytes, `None` while it is not known.
    pub length: Option<u64>,
    /// When this state was committed.
    pub committed_at: Moment,
    /// The kind of the upload.
    pub kind: Kind,
}

impl Record {
    /// The state of a new regular upload.
    pub fn new(length: Option<u64>, now: Moment) -> Record {
        Record::of(Kind::Whole, length, now)
    }

    /// The state of a new upload of any kind.
    pub fn of(kind: Kind, length: Option<u64>, now: Moment) -> Record {
        Record {
            sequence: 0,
            offset: 0,
            length,
            committed_at: now,
            kind,
        }
    }

    /// The next state, with a higher offset.
    ///
    /// # Panics
    ///
    /// If the offset decreases or exceeds the length.
    pub fn advanced(&self, offset: u64, now: Moment) -> Record {
        assert!(offset >= self.offset, "an offset never decreases");
        assert!(self.length.is_none_or(|length| offset <= length));
        Record {
            offset,
            ..self.next(now)
        }
    }

    /// The next state, with a length that was not known before.
    pub fn with_length(&self, length: u64, now: Moment) -> Record {
        assert!(self.length.is_none(), "a length never changes");
        assert!(length >= self.offset);
        Record {
            length: Some(length),
            ..self.next(now)
        }
    }

    /// The next state of a final upload: complete.
    pub fn completed(&self, length: u64, now: Moment) -> Record {
        assert!(self.kind == Kind::Final && self.length.is_none());
        Record {
            offset: length,
            length: Some(length),
            ..self.next(now)
        }
    }

    /// The next state of a partial upload: joined.
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

    /// Whether all bytes are durable.
    pub fn is_finished(&self) -> bool {
        self.length == Some(self.offset)
    }

    /// Whether all bytes are durable and the upload can be transcribed: it is not
    /// a partial one.
    pub fn is_recording(&self) -> bool {
        self.is_finished() && !self.kind.is_partial()
    }

    /// The position of this state's slot in the file.
    pub fn position(&self) -> u64 {
        (self.sequence % 2) * SLOT_BYTES as u64
    }

    /// The position of the next state's slot in the file.
    pub fn next_position(&self) -> u64 {
        SLOT_BYTES as u64 - self.position()
    }

    /// Encodes the state as a slot.
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

    /// The file of a new upload: this state and an empty slot.
    pub fn encode_file(&self) -> Vec<u8> {
        let mut file = vec![0; FILE_BYTES];
        let at = self.position() as usize;
        file[at..at + SLOT_BYTES].copy_from_slice(&self.encode());
        file
    }

    /// The newest state in a file, `None` if no slot is valid.
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
    fn a_damaged_slot_is_never_decoded() {
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
