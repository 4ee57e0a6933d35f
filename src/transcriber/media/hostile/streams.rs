//! Raw streams: mp3, AAC, FLAC.

use super::{Anything, Refused, check};

/// An ID3v2 tag with `body` bytes.
fn tag(body: usize) -> Vec<u8> {
    let size = [21, 14, 7, 0].map(|shift| (body >> shift & 0x7f) as u8);
    [&b"ID3\x04\0\0"[..], &size, &vec![0; body]].concat()
}

fn frames(count: usize) -> Vec<u8> {
    [&[0xff, 0xfb, 0x90, 0x64][..], &[0; 413]]
        .concat()
        .repeat(count)
}

#[test]
fn mp3() {
    check(
        "zeros after a tag",
        &[tag(100), vec![0; 20 << 20]].concat(),
        Anything,
    );
    check(
        "zeros after frames",
        &[frames(10), vec![0; 20 << 20]].concat(),
        Anything,
    );
    check(
        "ones after frames",
        &[frames(10), vec![0xff; 5 << 20]].concat(),
        Anything,
    );
    let heads = [0xff, 0xfb, 0x90, 0x64].repeat(1 << 20);
    check(
        "headers after frames",
        &[frames(10), heads].concat(),
        Anything,
    );
    check("tags", &tag(0).repeat(500_000), Anything);
    check(
        "tags after frames",
        &[frames(10), tag(0).repeat(500_000)].concat(),
        Anything,
    );
    check(
        "a tag between frames",
        &[frames(1), tag(0)].concat().repeat(5000),
        Anything,
    );
    check(
        "a tag that claims much",
        &[&tag(0)[..6], &[0x7f; 4], &frames(10)].concat(),
        Anything,
    );
    check(
        "ape tags",
        &[
            frames(10),
            b"APETAGEX\xd0\x07\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".repeat(100_000),
        ]
        .concat(),
        Anything,
    );
    // An information frame that claims billions of frames.
    let mut info = frames(1);
    info[36..40].copy_from_slice(b"Xing");
    info[40..44].copy_from_slice(&[0, 0, 0, 1]);
    info[44..48].copy_from_slice(&[0xff; 4]);
    check(
        "billions of frames",
        &[info, frames(10)].concat(),
        Refused("max_duration"),
    );
    // The parameters change with each frame.
    let other = [&[0xff, 0xf3, 0x90, 0x64][..], &[0; 517]].concat();
    check(
        "changes",
        &[frames(4), other.repeat(4)].concat().repeat(300),
        Anything,
    );
}

#[test]
fn adts() {
    let frame = |rate: u8, channels: u8| {
        let mut frame = vec![
            0xff,
            0xf1,
            0x40 | rate << 2 | channels >> 2,
            (channels & 3) << 6,
            0,
            0,
            0,
        ];
        frame[4] = (15 >> 3) as u8;
        frame[5] = (15 << 5 & 0xff) as u8 | 0x1f;
        frame[6] = 0xfc;
        frame.extend([0x21, 0x1b, 0x80, 0, 0, 0, 0, 0x0e]);
        frame
    };
    let mut content = Vec::new();
    for index in 0..20_000_u32 {
        content.extend(frame((index % 12) as u8, (index % 7) as u8 + 1));
    }
    check("changes with each", &content, Anything);
    let mut content = Vec::new();
    for index in 0..20_000_u32 {
        content.extend(frame((index / 3 % 12) as u8, 2));
    }
    check("changes with the third", &content, Anything);
}

/// A FLAC header for `total` samples.
fn flac_head(block: [u16; 2], rate: u32, channels: u32, bits: u32, total: u64) -> Vec<u8> {
    let mut file = b"fLaC\x80\0\0\x22".to_vec();
    file.extend(block.iter().flat_map(|size| size.to_be_bytes()));
    file.extend([0; 6]);
    let word =
        u64::from(rate) << 44 | u64::from(channels - 1) << 41 | u64::from(bits - 1) << 36 | total;
    file.extend(word.to_be_bytes());
    file.extend([0; 16]);
    file
}

#[test]
fn flac() {
    for (rate, channels, bits, total) in [
        (0, 1, 16, 0),
        (1, 1, 16, 0),
        (1_048_575, 8, 32, (1 << 36) - 1),
        (44_100, 8, 4, (1 << 36) - 1),
    ] {
        for block in [[0, 0], [16, 65_535], [65_535, 65_535], [1, 1]] {
            let head = flac_head(block, rate, channels, bits, total);
            check("no frames", &head, Anything);
            check(
                "zeros",
                &[head.clone(), vec![0; 1 << 20]].concat(),
                Anything,
            );
            check(
                "heads",
                &[head, [0xff, 0xf8, 0xc9, 0x08, 0, 0].repeat(100_000)].concat(),
                Anything,
            );
        }
    }
    let mut blocks = b"fLaC".to_vec();
    blocks.extend([1, 0, 0, 0].repeat(500_000));
    check("blocks", &blocks, Refused("metadata"));
    let joined = [flac_head([4096, 4096], 44_100, 1, 16, 0), vec![0; 64]].concat();
    check("joined", &joined.repeat(5000), Anything);
    let tags = [
        flac_head([4096, 4096], 44_100, 1, 16, 0),
        tag(0).repeat(50_000),
    ]
    .concat();
    check("tags", &tags, Anything);
}
