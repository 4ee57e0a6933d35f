//! Core Audio Format.

use super::{Anything, Refused, check};

fn chunk(kind: &[u8; 4], size: i64, body: &[u8]) -> Vec<u8> {
    [kind, &size.to_be_bytes()[..], body].concat()
}

/// `words`: flags, bytes and frames per packet, channels, bits.
pub fn file(kind: &[u8; 4], rate: f64, words: [u32; 5], chunks: &[Vec<u8>]) -> Vec<u8> {
    let mut description = rate.to_be_bytes().to_vec();
    description.extend(kind);
    description.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    [
        &b"caff\0\x01\0\0"[..],
        &chunk(b"desc", 32, &description),
        &chunks.concat(),
    ]
    .concat()
}

/// Packets, valid frames, priming and remainder, then the lengths.
fn table(packets: i64, valid: i64, frames: [i32; 2], lengths: &[u8]) -> Vec<u8> {
    let mut body = packets.to_be_bytes().to_vec();
    body.extend(valid.to_be_bytes());
    body.extend(frames.iter().flat_map(|frames| frames.to_be_bytes()));
    body.extend(lengths);
    chunk(b"pakt", body.len() as i64, &body)
}

/// The data chunk, unfinished.
pub fn data(bytes: &[u8]) -> Vec<u8> {
    chunk(b"data", -1, &[&[0; 4], bytes].concat())
}

/// An ALAC cookie with this frame length.
pub fn alac_cookie(frames: u32, channels: u8, rate: u32) -> Vec<u8> {
    let mut cookie = frames.to_be_bytes().to_vec();
    cookie.extend([0, 16, 40, 10, 14, channels, 0, 255]);
    cookie.extend([0; 8]);
    cookie.extend(rate.to_be_bytes());
    cookie
}

#[test]
fn frames_in_a_packet() {
    let sound = data(&[0x55; 340]);
    for (bytes, frames) in [
        (34, 1 << 26),
        (34, u32::MAX),
        (0, u32::MAX),
        (u32::MAX, 64),
        (1, 64),
    ] {
        check(
            "ima4",
            &file(
                b"ima4",
                8000.0,
                [0, bytes, frames, 1, 0],
                std::slice::from_ref(&sound),
            ),
            Refused("claims"),
        );
    }
    for kind in [b"aac ", b"lpcm", b"opus", b"flac", b"ulaw", b".mp3"] {
        for (bytes, frames) in [(1, u32::MAX), (u32::MAX, u32::MAX), (0, 0), (1, 65_536)] {
            let table = table(i64::MAX, i64::MAX, [i32::MAX, i32::MAX], &[0x01; 400]);
            let content = file(
                kind,
                8000.0,
                [0, bytes, frames, 1, 16],
                &[table, sound.clone()],
            );
            check(&String::from_utf8_lossy(kind), &content, Anything);
        }
    }
}

#[test]
fn channels_and_rates() {
    let sound = data(&[0x55; 3400]);
    for channels in [0, 255, 65_535, u32::MAX] {
        check(
            "channels",
            &file(
                b"lpcm",
                8000.0,
                [0, channels.wrapping_mul(2), 1, channels, 16],
                std::slice::from_ref(&sound),
            ),
            Refused("channels"),
        );
    }
    for rate in [0.0, -1.0, 1.0, 4e9, 1e300, f64::NAN, f64::INFINITY] {
        check(
            "rate",
            &file(
                b"lpcm",
                rate,
                [0, 2, 1, 1, 16],
                std::slice::from_ref(&sound),
            ),
            Refused("samples per second"),
        );
    }
}

#[test]
fn tables_without_end() {
    // Numbers without an end, empty packets, packets that last for years.
    for lengths in [
        vec![0xff; 1 << 20],
        vec![0; 1 << 20],
        [0x01, 0xff, 0xff, 0xff, 0xff, 0x7f].repeat(100_000),
    ] {
        let content = file(
            b"aac ",
            44_100.0,
            [0, 0, 0, 2, 0],
            &[
                table(i64::MAX, -1, [0, 0], &lengths),
                data(&[0x21; 200_000]),
            ],
        );
        check("table", &content, Anything);
    }
    let content = file(
        b"aac ",
        44_100.0,
        [0, 0, 1024, 2, 0],
        &[chunk(b"pakt", i64::MAX, &[0; 100])],
    );
    check("claim", &content, Anything);
    let many = chunk(b"free", 0, &[]).repeat(500_000);
    check(
        "chunks",
        &file(b"aac ", 44_100.0, [0, 0, 1024, 2, 0], &[many]),
        Anything,
    );
}

#[test]
fn alac() {
    for frames in [65_537, 1 << 28, u32::MAX, 65_536] {
        let cookie = alac_cookie(frames, 8, 44_100);
        let content = file(
            b"alac",
            44_100.0,
            [0, 0, 4096, 8, 0],
            &[
                chunk(b"kuki", 24, &cookie),
                table(100, 409_600, [0, 0], &[20; 100]),
                data(&[0x20; 2000]),
            ],
        );
        check("alac", &content, Anything);
    }
}
