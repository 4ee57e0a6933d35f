//! wav and AIFF.

use super::{Anything, DecodedUpTo, Refused, check};

/// A wav file of this format whose `data` claims `claimed` bytes.
fn wav(
    tag: u16,
    channels: u16,
    rate: u32,
    block: u16,
    bits: u16,
    claimed: u32,
    data: &[u8],
) -> Vec<u8> {
    let mut file = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0".to_vec();
    file.extend(tag.to_le_bytes());
    file.extend(channels.to_le_bytes());
    file.extend(rate.to_le_bytes());
    file.extend(rate.wrapping_mul(block.into()).to_le_bytes());
    file.extend(block.to_le_bytes());
    file.extend(bits.to_le_bytes());
    file.extend(b"data");
    file.extend(claimed.to_le_bytes());
    file.extend(data);
    file
}

fn aiff(channels: u16, bits: u16, rate: [u8; 10], data: &[u8]) -> Vec<u8> {
    let mut file = b"FORM\x7f\xff\xff\xffAIFFCOMM\0\0\0\x12".to_vec();
    file.extend(channels.to_be_bytes());
    file.extend(u32::MAX.to_be_bytes());
    file.extend(bits.to_be_bytes());
    file.extend(rate);
    file.extend(b"SSND\x7f\xff\xff\xff\0\0\0\0\0\0\0\0");
    file.extend(data);
    file
}

const RATE_8000: [u8; 10] = [0x40, 0x0b, 0xfa, 0, 0, 0, 0, 0, 0, 0];

#[test]
fn headers_that_claim_much() {
    let data: Vec<u8> = (0..40_000_u32).map(|index| (index * 7) as u8).collect();
    for channels in [255, 65_535] {
        let words = "channels";
        check(
            "wav",
            &wav(
                1,
                channels,
                8000,
                channels.wrapping_mul(2),
                16,
                u32::MAX,
                &data,
            ),
            Refused(words),
        );
        check(
            "aiff",
            &aiff(channels, 16, RATE_8000, &data),
            Refused(words),
        );
        check(
            "adpcm",
            &wav(17, channels, 8000, 65_535, 4, u32::MAX, &data),
            Anything,
        );
    }
    for rate in [0, 1, u32::MAX] {
        check(
            "wav rate",
            &wav(1, 1, rate, 2, 16, 40_000, &data),
            Refused("samples per second"),
        );
    }
    for rate in [
        [0; 10],
        [0xff; 10],
        [0x7f; 10],
        [0x3f, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0],
    ] {
        check(
            "aiff rate",
            &aiff(1, 16, rate, &data),
            Refused("samples per second"),
        );
    }
    for (tag, block, bits) in [
        (2, 65_535, 4),
        (17, 65_535, 4),
        (2, 1, 4),
        (17, 1, 4),
        (1, 65_535, 65_535),
        (3, 1, 1),
        (0x31, 65, 0),
        (7, 0, 0),
        (0xfffe, 2, 16),
    ] {
        check(
            "wav format",
            &wav(tag, 1, 8000, block, bits, u32::MAX, &data),
            Anything,
        );
    }
    check("no data", &wav(1, 1, 8000, 2, 16, u32::MAX, &[]), Anything);
    check(
        "claims 4 GiB",
        &wav(1, 1, 8000, 2, 16, u32::MAX - 5000, &data),
        DecodedUpTo(2.6),
    );
}

#[test]
fn sizes_of_64_bits() {
    let data = [1; 1000];
    for claimed in [1 << 63, u64::MAX, i64::MAX as u64, 1 << 40] {
        let mut rf64 = b"RF64\xff\xff\xff\xffWAVEds64\x1c\0\0\0".to_vec();
        for size in [claimed, claimed, claimed] {
            rf64.extend(u64::to_le_bytes(size));
        }
        rf64.extend([0; 4]);
        rf64.extend(&wav(1, 1, 8000, 2, 16, u32::MAX, &data)[12..]);
        check("rf64", &rf64, DecodedUpTo(0.1));
    }
}

#[test]
fn many_chunks() {
    let mut file = b"RIFF\xff\xff\xff\xffWAVE".to_vec();
    file.extend(b"JUNK\0\0\0\0".repeat(500_000));
    check("chunks before", &file, Refused("header"));
    let mut file = wav(1, 1, 8000, 2, 16, 2, &[1, 1]);
    file.extend(b"data\x02\0\0\0\x01\x01".repeat(300_000));
    check("a chunk for each sample", &file, DecodedUpTo(40.0));
    let mut file = wav(1, 1, 8000, 2, 16, 2, &[1, 1]);
    for _ in 0..20_000 {
        file.extend(wav(1, 1, 8000, 2, 16, 20, &[1; 20]));
    }
    check("files joined", &file, Anything);
    let rates = [8000, 8001, 44_101, 383_987, 11_025];
    let mut file = Vec::new();
    for index in 0..500 {
        file.extend(wav(
            1,
            1,
            rates[index % rates.len()],
            2,
            16,
            40,
            &[index as u8 | 1; 40],
        ));
    }
    check("files joined of all rates", &file, Refused("too often"));
}
