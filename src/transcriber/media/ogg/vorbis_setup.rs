//! Checks the headers of a Vorbis stream (Vorbis I, sections 4.2 and 3.2.1)
//! before a decoder is created: a few hundred bytes may describe codebooks that
//! take gigabytes once unpacked.
//!
//! What encoders use, measured with libvorbis 1.3.7 (all qualities, 8 to 192 kHz,
//! 1 to 8 channels) and the encoder of ffmpeg: at most 49 books; in one of them
//! at most 6,561 entries of 8 dimensions; in a whole stream 19,413 entries,
//! 85,928 values and 876,800 table slots as estimated here. aoTuV uses the books
//! of libvorbis. The limits allow several times as much.

use super::bits::{Bits, Ended};
use crate::media::MediaError;

/// Most entries of one codebook.
const BOOK_ENTRIES_MAX: u32 = 32 * 1024;

/// Most dimensions of an entry.
const DIMENSIONS_MAX: u32 = 64;

/// Most entries of all codebooks of a stream.
const ENTRIES_MAX: u64 = 256 * 1024;

/// Most values (entries times dimensions) that a decoder unpacks, of all
/// codebooks.
const VALUES_MAX: u64 = 1024 * 1024;

/// Most slots in the decoder's codeword lookup tables, of all codebooks; a
/// codeword of 32 bits may take several tables of 256 slots.
const TABLE_SLOTS_MAX: u64 = 8 * 1024 * 1024;

/// Slots of one lookup table.
const TABLE_SLOTS: u64 = 256;

/// Length of the identification header.
pub const IDENTIFICATION_BYTES: usize = 30;

/// Why a Vorbis stream cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VorbisRefusal {
    #[error("a Vorbis header is incomplete")]
    Incomplete,
    #[error("a Vorbis header is damaged: {0}")]
    Damaged(&'static str),
    /// Codebooks far beyond those of any encoder.
    #[error("its Vorbis codebooks are larger than any encoder's ({0})")]
    TooLarge(String),
}

impl From<VorbisRefusal> for MediaError {
    fn from(refusal: VorbisRefusal) -> Self {
        match refusal {
            TooLarge(_) => Self::Excessive(refusal.to_string()),
            Incomplete | Damaged(_) => Self::Damaged(refusal.to_string()),
        }
    }
}

impl From<Ended> for VorbisRefusal {
    fn from(_: Ended) -> Self {
        Self::Incomplete
    }
}

use VorbisRefusal::{Damaged, Incomplete, TooLarge};

/// The parsed identification header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identification {
    /// 1 to 255.
    pub channels: u8,
    /// Samples per second, not 0.
    pub rate: u32,
    /// Samples in a short and in a long block.
    pub block_samples: [u32; 2],
}

/// Data from the headers that determines packet durations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modes {
    /// The identification header.
    pub identification: Identification,
    /// Whether each mode uses long blocks.
    pub long: Vec<bool>,
}

/// Parses the identification header, a packet of 30 bytes.
pub fn identification(packet: &[u8]) -> Result<Identification, VorbisRefusal> {
    if packet.len() < IDENTIFICATION_BYTES {
        return Err(Incomplete);
    }
    if !packet.starts_with(b"\x01vorbis\0\0\0\0") {
        return Err(Damaged("it is not an identification header of version 0"));
    }
    let exponents = [packet[28] & 0x0f, packet[28] >> 4];
    let identification = Identification {
        channels: packet[11],
        rate: u32::from_le_bytes([packet[12], packet[13], packet[14], packet[15]]),
        block_samples: exponents.map(|exponent| 1 << exponent),
    };
    if identification.channels == 0 || identification.rate == 0 {
        return Err(Damaged("no channels or no sample rate"));
    }
    if exponents[0] > exponents[1] || exponents.iter().any(|size| !(6..=13).contains(size)) {
        return Err(Damaged("invalid block sizes"));
    }
    Ok(identification)
}

/// Checks the identification and the setup header of a stream.
pub fn check(identification_packet: &[u8], setup: &[u8]) -> Result<Modes, VorbisRefusal> {
    let identification = identification(identification_packet)?;
    let Some(setup) = setup.strip_prefix(b"\x05vorbis") else {
        return Err(Damaged("it has no setup header"));
    };
    let mut bits = Bits::new(setup);
    codebooks(&mut bits)?;
    for _ in 0..=bits.take(6)? {
        bits.take(16)?;
    }
    for _ in 0..=bits.take(6)? {
        floor(&mut bits)?;
    }
    for _ in 0..=bits.take(6)? {
        residue(&mut bits)?;
    }
    for _ in 0..=bits.take(6)? {
        mapping(&mut bits, identification.channels)?;
    }
    let modes = bits.take(6)? + 1;
    let long = (0..modes)
        .map(|_| mode(&mut bits))
        .collect::<Result<_, _>>()?;
    Ok(Modes {
        identification,
        long,
    })
}

/// Checks the headers as stored in Matroska and mp4 (all three with the lengths
/// of the first two before them, "Xiph lacing") or by symphonia's Ogg reader (the
/// first and the third, concatenated).
pub fn check_extra_data(extra_data: &[u8]) -> Result<Modes, VorbisRefusal> {
    if extra_data.first() != Some(&2) {
        let (identification, setup) = extra_data
            .split_at_checked(IDENTIFICATION_BYTES)
            .ok_or(Incomplete)?;
        return check(identification, setup);
    }
    let mut rest = &extra_data[1..];
    let mut laced = || {
        let mut length = 0_usize;
        loop {
            let (byte, following) = rest.split_first()?;
            rest = following;
            length += usize::from(*byte);
            if *byte < 255 {
                return Some(length);
            }
        }
    };
    let identification_bytes = laced().ok_or(Incomplete)?;
    let comment_bytes = laced().ok_or(Incomplete)?;
    let (identification, rest) = rest
        .split_at_checked(identification_bytes)
        .ok_or(Incomplete)?;
    check(identification, rest.get(comment_bytes..).ok_or(Incomplete)?)
}

/// Total size of all codebooks.
#[derive(Debug, Default)]
struct Size {
    entries: u64,
    values: u64,
    slots: u64,
}

fn codebooks(bits: &mut Bits) -> Result<(), VorbisRefusal> {
    let mut size = Size::default();
    for _ in 0..=bits.take(8)? {
        codebook(bits, &mut size)?;
        if size.values > VALUES_MAX || size.entries > ENTRIES_MAX || size.slots > TABLE_SLOTS_MAX {
            return Err(TooLarge(format!(
                "{} entries, {} values, {} table slots so far",
                size.entries, size.values, size.slots
            )));
        }
    }
    Ok(())
}

fn codebook(bits: &mut Bits, size: &mut Size) -> Result<(), VorbisRefusal> {
    if bits.take(24)? != 0x56_43_42 {
        return Err(Damaged("a codebook does not begin with BCV"));
    }
    let dimensions = bits.take(16)?;
    let entries = bits.take(24)?;
    if entries > BOOK_ENTRIES_MAX || dimensions > DIMENSIONS_MAX {
        return Err(TooLarge(format!(
            "one with {entries} entries of {dimensions} values"
        )));
    }
    // Number of codewords with more than 8, 16 and 24 bits.
    let mut long = [0_u64; 3];
    let mut codewords = |count: u32, length: u32| {
        for (at, longer) in long.iter_mut().enumerate() {
            if length > 8 * (at as u32 + 1) {
                *longer += u64::from(count);
            }
        }
    };
    if bits.flag()? {
        let mut entry = 0;
        let mut length = bits.take(5)? + 1;
        while entry < entries {
            let count = bits.take(ilog(entries - entry))?;
            if count > entries - entry || length > 32 {
                return Err(Damaged("invalid codeword lengths"));
            }
            codewords(count, length);
            entry += count;
            length += 1;
        }
    } else {
        let sparse = bits.flag()?;
        for _ in 0..entries {
            if !sparse || bits.flag()? {
                codewords(1, bits.take(5)? + 1);
            }
        }
    }
    match bits.take(4)? {
        0 => {}
        lookup @ (1 | 2) => {
            bits.skip(64)?;
            let value_bits = bits.take(4)? + 1;
            bits.skip(1)?;
            let values = match lookup {
                1 => u64::from(lookup1_values(entries, dimensions)),
                _ => u64::from(entries) * u64::from(dimensions),
            };
            bits.skip((values * u64::from(value_bits)) as usize)?;
            size.values += u64::from(entries) * u64::from(dimensions);
        }
        _ => return Err(Damaged("a codebook has an unknown lookup type")),
    }
    size.entries += u64::from(entries);
    // A table below the first has at least two codewords, or the codeword tree
    // would be incomplete; and the number of prefixes is limited.
    let tables = 1 + (long[0] / 2).min(1 << 8) + (long[1] / 2).min(1 << 16) + long[2] / 2;
    size.slots += tables * TABLE_SLOTS;
    Ok(())
}

/// Bits needed for `value` (section 9.2.1).
fn ilog(value: u32) -> u32 {
    u32::BITS - value.leading_zeros()
}

/// The largest number whose power of `dimensions` does not exceed `entries`
/// (section 9.2.3).
fn lookup1_values(entries: u32, dimensions: u32) -> u32 {
    if dimensions == 0 {
        return 0;
    }
    let fits = |value: u32| {
        value
            .checked_pow(dimensions)
            .is_some_and(|power| power <= entries)
    };
    (1..)
        .find(|value| !fits(*value))
        .map_or(0, |value| value - 1)
}

fn floor(bits: &mut Bits) -> Result<(), VorbisRefusal> {
    match bits.take(16)? {
        0 => {
            bits.skip(8 + 16 + 16 + 6 + 8)?;
            let books = bits.take(4)? + 1;
            bits.skip(books as usize * 8)?;
        }
        1 => {
            let partitions = bits.take(5)?;
            let classes = (0..partitions)
                .map(|_| bits.take(4))
                .collect::<Result<Vec<_>, _>>()?;
            let mut dimensions = [0; 16];
            if let Some(last) = classes.iter().max() {
                for dimension in &mut dimensions[..=*last as usize] {
                    *dimension = bits.take(3)? as usize + 1;
                    let subclasses = bits.take(2)?;
                    if subclasses > 0 {
                        bits.skip(8)?;
                    }
                    bits.skip(8 << subclasses)?;
                }
            }
            bits.skip(2)?;
            let range_bits = bits.take(4)? as usize;
            for class in &classes {
                bits.skip(dimensions[*class as usize] * range_bits)?;
            }
        }
        _ => return Err(Damaged("an unknown type of floor")),
    }
    Ok(())
}

fn residue(bits: &mut Bits) -> Result<(), VorbisRefusal> {
    if bits.take(16)? > 2 {
        return Err(Damaged("an unknown type of residue"));
    }
    bits.skip(24 + 24 + 24)?;
    let classifications = bits.take(6)? + 1;
    bits.skip(8)?;
    let mut books = 0;
    for _ in 0..classifications {
        books += bits.take(3)?.count_ones();
        if bits.flag()? {
            books += bits.take(5)?.count_ones();
        }
    }
    bits.skip(books as usize * 8)?;
    Ok(())
}

fn mapping(bits: &mut Bits, channels: u8) -> Result<(), VorbisRefusal> {
    if bits.take(16)? != 0 {
        return Err(Damaged("an unknown type of mapping"));
    }
    let submaps = if bits.flag()? { bits.take(4)? + 1 } else { 1 };
    if bits.flag()? {
        let steps = bits.take(8)? as usize + 1;
        bits.skip(steps * 2 * ilog(u32::from(channels) - 1) as usize)?;
    }
    if bits.take(2)? != 0 {
        return Err(Damaged("a reserved field is set"));
    }
    if submaps > 1 {
        bits.skip(usize::from(channels) * 4)?;
    }
    bits.skip(submaps as usize * 24)?;
    Ok(())
}

fn mode(bits: &mut Bits) -> Result<bool, VorbisRefusal> {
    let long = bits.flag()?;
    if bits.take(16)? != 0 || bits.take(16)? != 0 {
        return Err(Damaged("an unknown window or transform"));
    }
    bits.skip(8)?;
    Ok(long)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTIFICATION: &[u8; 30] =
        b"\x01vorbis\0\0\0\0\x01\x80\x3e\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xb8\x01";

    /// Writes bits, least significant first.
    #[derive(Default)]
    struct Writer {
        bytes: Vec<u8>,
        used: u32,
    }

    impl Writer {
        fn put(&mut self, value: u64, count: u32) -> &mut Self {
            for bit in 0..count {
                if self.used.is_multiple_of(8) {
                    self.bytes.push(0);
                }
                let last = self.bytes.last_mut().unwrap();
                *last |= ((value >> bit & 1) as u8) << (self.used % 8);
                self.used += 1;
            }
            self
        }

        /// A codebook whose codewords all have the same length.
        fn book(&mut self, [dimensions, entries, length, lookup]: [u64; 4]) {
            self.put(0x56_43_42, 24)
                .put(dimensions, 16)
                .put(entries, 24);
            self.put(1, 1).put(length - 1, 5);
            self.put(entries, ilog(entries as u32)).put(lookup, 4);
            if lookup > 0 {
                self.put(0, 64).put(0, 4).put(0, 1);
                let values = lookup1_values(entries as u32, dimensions as u32);
                self.put(0, values);
            }
        }

        /// The rest of a setup header: one of each kind, the simplest.
        fn rest(&mut self) -> Vec<u8> {
            self.put(0, 6).put(0, 16);
            // Floor 1 without partitions.
            self.put(0, 6).put(1, 16).put(0, 5).put(0, 2).put(4, 4);
            self.put(0, 6)
                .put(2, 16)
                .put(0, 64)
                .put(0, 8)
                .put(0, 6)
                .put(0, 8)
                .put(0, 4);
            self.put(0, 6)
                .put(0, 16)
                .put(0, 1)
                .put(0, 1)
                .put(0, 2)
                .put(0, 24);
            // Two modes, of short and long blocks.
            self.put(1, 6).put(0, 41).put(1, 1).put(0, 40).put(1, 1);
            [b"\x05vorbis", self.bytes.as_slice()].concat()
        }
    }

    /// A setup header with `books` equal codebooks.
    fn setup(books: u64, book: [u64; 4]) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.put(books - 1, 8);
        for _ in 0..books {
            writer.book(book);
        }
        writer.rest()
    }

    #[test]
    fn codebooks_are_accepted_up_to_the_limits() {
        // The largest of libvorbis.
        let real = [8, 6_561, 13, 1];
        for (books, book, accepted) in [
            (1, real, true),
            (15, real, true),
            // Too many values in total.
            (20, real, false),
            (255, [2, 400, 8, 1], true),
            // Too many entries in total, without vectors.
            (50, [1, 6_000, 13, 0], false),
            // Too many entries or dimensions in one.
            (1, [1, 131_072, 17, 0], false),
            (1, [65, 2, 1, 1], false),
            // Lookup tables of many levels.
            (2, [1, 32_000, 32, 0], false),
        ] {
            let setup = setup(books, book);
            let checked = check(IDENTIFICATION, &setup);
            let is_large = matches!(checked, Err(TooLarge(_)));
            assert_eq!(is_large, !accepted, "{books}: {checked:?}");
            assert_eq!(checked.is_ok(), accepted, "{books}: {checked:?}");
        }
    }

    #[test]
    fn modes_are_parsed_from_all_header_layouts() {
        let setup = setup(3, [2, 16, 4, 1]);
        let modes = check(IDENTIFICATION, &setup).unwrap();
        assert_eq!(modes.long, [false, true]);
        assert_eq!(modes.identification.block_samples, [256, 2_048]);
        let joined = [IDENTIFICATION.as_slice(), &setup].concat();
        assert_eq!(check_extra_data(&joined).as_ref(), Ok(&modes));
        let comment = [b'c'; 600];
        let laced = [
            &[2, 30, 255, 255, 90],
            IDENTIFICATION.as_slice(),
            &comment,
            &setup,
        ]
        .concat();
        assert_eq!(check_extra_data(&laced).as_ref(), Ok(&modes));
        // A header truncated at any position is refused.
        for length in 0..laced.len() {
            assert!(check_extra_data(&laced[..length]).is_err(), "{length}");
        }
        for length in 0..joined.len() {
            assert!(check_extra_data(&joined[..length]).is_err(), "{length}");
        }
    }
}
