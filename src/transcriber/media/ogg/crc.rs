//! The checksum of Ogg pages (RFC 3533, section 6): CRC-32 with the polynomial
//! 04C11DB7, most significant bit first, start and final value 0.

const POLYNOMIAL: u32 = 0x04c1_1db7;

/// Bytes processed at once.
const SLICES: usize = 8;

/// `TABLES[n][byte]`: contribution of `byte` to the checksum when `n` bytes
/// follow it.
static TABLES: [[u32; 256]; SLICES] = tables();

const fn tables() -> [[u32; 256]; SLICES] {
    let mut tables = [[0; 256]; SLICES];
    let mut byte = 0;
    while byte < 256 {
        let mut value = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 0x8000_0000 == 0 {
                value << 1
            } else {
                (value << 1) ^ POLYNOMIAL
            };
            bit += 1;
        }
        tables[0][byte] = value;
        byte += 1;
    }
    let mut slice = 1;
    while slice < SLICES {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[slice - 1][byte];
            tables[slice][byte] = (before << 8) ^ tables[0][(before >> 24) as usize];
            byte += 1;
        }
        slice += 1;
    }
    tables
}

/// The checksum of `bytes` appended to bytes with checksum `crc` (initially 0).
pub fn update(mut crc: u32, bytes: &[u8]) -> u32 {
    let mut chunks = bytes.chunks_exact(SLICES);
    for chunk in &mut chunks {
        let head = crc ^ u32::from_be_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
        crc = TABLES[7][(head >> 24) as usize]
            ^ TABLES[6][(head >> 16 & 0xff) as usize]
            ^ TABLES[5][(head >> 8 & 0xff) as usize]
            ^ TABLES[4][(head & 0xff) as usize]
            ^ TABLES[3][chunk[4] as usize]
            ^ TABLES[2][chunk[5] as usize]
            ^ TABLES[1][chunk[6] as usize]
            ^ TABLES[0][chunk[7] as usize];
    }
    for byte in chunks.remainder() {
        crc = (crc << 8) ^ TABLES[0][((crc >> 24) as u8 ^ byte) as usize];
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_matches_the_catalogue_in_pieces_of_any_size() {
        // CRC-32/MPEG-2 with start value 0 is CRC-32/CKSUM without its length
        // and final inversion: "123456789" gives the value below.
        let bytes = b"123456789";
        assert_eq!(update(0, bytes), 0x89a1_897f);
        for cut in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(cut);
            assert_eq!(update(update(0, head), tail), 0x89a1_897f, "{cut}");
        }
    }
}
