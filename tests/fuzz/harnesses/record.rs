//! The offset record.

use std::time::Duration;

use crate::store::moment::Moment;
use crate::store::record::{FILE_BYTES, MAGIC, Record, SLOT_BYTES, USED_BYTES};

const CRC_BYTES: usize = 4;

/// Whatever is decoded is sound; also what has a right checksum, which chance
/// does not find.
pub fn record(input: &[u8]) {
    check(input);
    let mut file = vec![0; FILE_BYTES];
    let content_bytes = USED_BYTES - CRC_BYTES;
    let slots = input.chunks(content_bytes - MAGIC.len());
    for (slot, numbers) in file.chunks_mut(SLOT_BYTES).zip(slots) {
        slot[..MAGIC.len()].copy_from_slice(&MAGIC);
        slot[MAGIC.len()..][..numbers.len()].copy_from_slice(numbers);
        // Half as many commits as can be counted are more than ever happen.
        slot[MAGIC.len() + 7] &= 0x7f;
        let crc = crc32c::crc32c(&slot[..content_bytes]);
        slot[content_bytes..USED_BYTES].copy_from_slice(&crc.to_le_bytes());
    }
    check(&file);
}

fn check(file: &[u8]) {
    let Some(found) = Record::decode_file(file) else {
        return;
    };
    assert!(found.length.is_none_or(|length| found.offset <= length));
    assert_eq!(Record::decode_file(&found.encode_file()), Some(found));
    // Any time gives an expiry.
    let week = Duration::from_secs(7 * 24 * 3600);
    found.committed_at.end_of(week, Moment::now());
    // The next state counts more, wherever both lie.
    let next = found.advanced(found.offset, Moment::now());
    assert_ne!(next.position(), found.position());
    let mut both = found.encode_file();
    let at = next.position() as usize;
    both[at..at + SLOT_BYTES].copy_from_slice(&next.encode());
    assert_eq!(Record::decode_file(&both), Some(next));
}
