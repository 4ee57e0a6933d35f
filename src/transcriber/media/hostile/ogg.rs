//! Ogg.

use super::{Anything, Refused, check};
use crate::media::ogg::crc;

fn page(
    serial: u32,
    sequence: u32,
    flags: u8,
    granule: i64,
    lacing: &[u8],
    body: &[u8],
) -> Vec<u8> {
    let mut page = [
        &b"OggS\0"[..],
        &[flags],
        &granule.to_le_bytes(),
        &serial.to_le_bytes(),
        &sequence.to_le_bytes(),
        &[0; 4],
        &[lacing.len() as u8],
        lacing,
        body,
    ]
    .concat();
    let sum = crc::update(0, &page);
    page[22..26].copy_from_slice(&sum.to_le_bytes());
    page
}

fn packet(serial: u32, sequence: u32, flags: u8, granule: i64, packet: &[u8]) -> Vec<u8> {
    let mut lacing = vec![255; packet.len() / 255];
    lacing.push((packet.len() % 255) as u8);
    page(serial, sequence, flags, granule, &lacing, packet)
}

const FIRST: u8 = 2;
const LAST: u8 = 4;

fn opus_head(channels: u8, skip: u16) -> Vec<u8> {
    let [low, high] = skip.to_le_bytes();
    [
        b"OpusHead\x01",
        &[channels, low, high, 0x80, 0xbb, 0, 0, 0, 0, 0][..],
    ]
    .concat()
}

const OPUS_TAGS: &[u8] = b"OpusTags\0\0\0\0\0\0\0\0";

fn opus(serial: u32) -> Vec<u8> {
    [
        packet(serial, 0, FIRST, 0, &opus_head(1, 0)),
        packet(serial, 1, 0, 0, OPUS_TAGS),
    ]
    .concat()
}

/// Bit fields, least significant bit first.
#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn put(&mut self, value: u32, count: usize) {
        self.0.extend((0..count).map(|bit| value >> bit & 1 == 1));
    }

    fn bytes(&self) -> Vec<u8> {
        let byte = |bits: &[bool]| {
            bits.iter()
                .rev()
                .fold(0, |byte, bit| byte << 1 | u8::from(*bit))
        };
        self.0.chunks(8).map(byte).collect()
    }
}

/// Vorbis identification and setup headers whose codebooks take gigabytes.
pub fn vorbis_bomb() -> [Vec<u8>; 2] {
    let mut identification = b"\x01vorbis\0\0\0\0\x01".to_vec();
    identification.extend(44_100_u32.to_le_bytes());
    identification.extend([0; 12]);
    identification.extend([0xb8, 1]);
    let mut bits = Bits::default();
    bits.put(255, 8);
    for _ in 0..256 {
        bits.put(0x56_43_42, 24);
        bits.put(65_535, 16);
        bits.put(0xff_ffff, 24);
        // Ordered: all codewords have the same length.
        bits.put(1, 1);
        bits.put(23, 5);
        bits.put(0xff_ffff, 24);
        bits.put(0, 4);
    }
    let setup = [&b"\x05vorbis"[..], &bits.bytes()].concat();
    [identification, setup]
}

#[test]
fn codebooks() {
    let [identification, setup] = vorbis_bomb();
    let content = [
        packet(1, 0, FIRST, 0, &identification),
        packet(1, 1, 0, 0, b"\x03vorbis\0\0\0\0\0\0\0\0\x01"),
        packet(1, 2, 0, 0, &setup),
        packet(1, 3, LAST, 1000, &[0; 100]),
    ];
    check("vorbis", &content.concat(), Refused("codebooks"));
}

#[test]
fn pages_of_a_byte() {
    let mut content = opus(1);
    // 20 ms of silence a page, each packet with an empty segment.
    for index in 0..50_000 {
        content.extend(page(
            1,
            index + 2,
            0,
            i64::from(index) * 960,
            &[2],
            &[0xf8, 0xff],
        ));
    }
    check("a packet a page", &content, Anything);
    let mut content = opus(1);
    for index in 0..50_000 {
        content.extend(page(
            1,
            index + 2,
            u8::from(index > 0),
            -1,
            &[255],
            &[0xf8; 255],
        ));
    }
    check("one packet", &content, Anything);
    let mut content = opus(1);
    for index in 0..3000 {
        content.extend(page(1, index + 2, 0, i64::from(index), &[0; 255], &[]));
    }
    check("255 packets of nothing", &content, Anything);
}

#[test]
fn many_streams() {
    let firsts: Vec<u8> = (0..20_000)
        .flat_map(|serial| packet(serial, 0, FIRST, 0, &opus_head(1, 0)))
        .collect();
    check("first pages", &firsts, Anything);
    let tags: Vec<u8> = (0..20_000)
        .flat_map(|serial| packet(serial, 1, 0, 0, OPUS_TAGS))
        .collect();
    let ends: Vec<u8> = (0..20_000)
        .flat_map(|serial| packet(serial, 2, LAST, 960, &[0xf8, 0xff]))
        .collect();
    check("side by side", &[firsts, tags, ends].concat(), Anything);
    let links: Vec<u8> = (0..5000)
        .flat_map(|serial| [opus(serial), packet(serial, 2, LAST, 960, &[0xf8, 0xff])].concat())
        .collect();
    check("behind each other", &links, Anything);
    let begun: Vec<u8> = (0..20_000).flat_map(opus).collect();
    check("begun only", &begun, Anything);
    let unknown: Vec<u8> = (0..20_000)
        .flat_map(|serial| packet(serial, 0, FIRST, 0, b"unknown!"))
        .collect();
    check("unknown", &unknown, Anything);
}

#[test]
fn granules_of_years() {
    let year = 48_000 * 365 * 86_400_i64;
    let mut content = opus(1);
    for index in 0..2000 {
        content.extend(packet(
            1,
            index + 2,
            0,
            i64::from(index % 2) * year + i64::from(index) * 960,
            &[0xf8, 0xff],
        ));
    }
    check("forth and back", &content, Anything);
    let mut content = opus(1);
    for index in 0..2000 {
        content.extend(packet(
            1,
            index + 2,
            0,
            i64::from(index) * 48_000 * 3600,
            &[0xf8, 0xff],
        ));
    }
    check("an hour with each", &content, Refused("max_duration"));
    for granule in [i64::MAX, i64::MIN, -2, 1 << 62] {
        let content = [
            opus(1),
            packet(1, 2, 0, 960, &[0xf8, 0xff]),
            packet(1, 3, LAST, granule, &[0xf8, 0xff]),
        ]
        .concat();
        check("the end of time", &content, Anything);
    }
}

#[test]
fn stream_headers() {
    let sound: Vec<u8> = (0..20)
        .flat_map(|index| packet(1, index + 2, 0, i64::from(index + 1) * 960, &[0xf8, 0xff]))
        .collect();
    for channels in [0, 3, 255] {
        for skip in [0, u16::MAX] {
            let head = packet(1, 0, FIRST, 0, &opus_head(channels, skip));
            check(
                "opus",
                &[head, packet(1, 1, 0, 0, OPUS_TAGS), sound.clone()].concat(),
                Anything,
            );
        }
    }
    for (channels, rate) in [
        (255, 44_100_u32),
        (1, 0),
        (1, 1),
        (1, u32::MAX),
        (0, 44_100),
    ] {
        let mut head = b"\x01vorbis\0\0\0\0".to_vec();
        head.push(channels);
        head.extend(rate.to_le_bytes());
        head.extend([0; 12]);
        head.extend([0xb8, 1]);
        check(
            "vorbis",
            &[packet(1, 0, FIRST, 0, &head), sound.clone()].concat(),
            Anything,
        );
        let mut head = b"Speex   1.2.0".to_vec();
        head.resize(36, 0);
        head.extend(rate.to_le_bytes());
        head.extend([0, 0, 0, 0, 0, 0, 0, 0, channels, 0, 0, 0]);
        head.extend([0xff; 20]);
        head.resize(80, 0);
        check(
            "speex",
            &[
                packet(1, 0, FIRST, 0, &head),
                packet(1, 1, 0, 0, b"x"),
                sound.clone(),
            ]
            .concat(),
            Anything,
        );
    }
}
