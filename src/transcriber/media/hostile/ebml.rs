//! Matroska.

use miniz_oxide::deflate::compress_to_vec_zlib;

use super::caf::alac_cookie;
use super::ogg::vorbis_bomb;
use super::{Anything, DecodedUpTo, Refused, check};
use crate::media::matroska::ids;

fn element(id: u32, body: &[u8]) -> Vec<u8> {
    let bytes = id.to_be_bytes();
    let id = &bytes[bytes.iter().position(|byte| *byte != 0).unwrap()..];
    [id, &(body.len() as u64 | 1 << 56).to_be_bytes(), body].concat()
}

fn number(id: u32, value: u64) -> Vec<u8> {
    element(id, &value.to_be_bytes())
}

fn track(codec: &[u8], rate: f64, channels: u64, extra: &[Vec<u8>]) -> Vec<u8> {
    let audio = [
        element(ids::SAMPLING_FREQUENCY, &rate.to_be_bytes()),
        number(ids::CHANNELS, channels),
        number(ids::BIT_DEPTH, 16),
    ];
    let entry = [
        number(ids::TRACK_NUMBER, 1),
        number(ids::TRACK_TYPE, 2),
        element(ids::CODEC_ID, codec),
        element(ids::AUDIO, &audio.concat()),
        extra.concat(),
    ];
    element(ids::TRACK_ENTRY, &entry.concat())
}

fn pcm(extra: &[Vec<u8>]) -> Vec<u8> {
    track(b"A_PCM/INT/LIT", 8000.0, 1, extra)
}

fn block(relative: i16, flags: u8, body: &[u8]) -> Vec<u8> {
    let [high, low] = relative.to_be_bytes();
    // A short header, so that a file can hold many of them.
    let content = [&[0x81, high, low, flags], body].concat();
    let size = (content.len() as u32 | 1 << 28).to_be_bytes();
    [&[ids::SIMPLE_BLOCK as u8], &size[..], &content].concat()
}

fn cluster(timestamp: u64, blocks: &[u8]) -> Vec<u8> {
    element(
        ids::CLUSTER,
        &[&number(ids::TIMESTAMP, timestamp), blocks].concat(),
    )
}

fn file(tracks: &[u8], clusters: &[u8]) -> Vec<u8> {
    let content = [element(ids::TRACKS, tracks), clusters.to_vec()].concat();
    [
        element(ids::EBML, &element(ids::DOC_TYPE, b"matroska")),
        element(ids::SEGMENT, &content),
    ]
    .concat()
}

/// 10 ms.
const SOUND: [u8; 160] = [0x33; 160];

#[test]
fn lacing() {
    const XIPH: u8 = 2;
    const FIXED: u8 = 4;
    let nothing = [
        block(0, FIXED, &[255]).repeat(20_000),
        block(0, XIPH, &[255]).repeat(10),
    ]
    .concat();
    check(
        "256 frames of nothing",
        &file(&pcm(&[]), &cluster(0, &nothing)),
        Anything,
    );
    let zeros = [&[255][..], &[0; 255], &SOUND].concat();
    check(
        "255 frames of nothing and one",
        &file(&pcm(&[]), &cluster(0, &block(0, XIPH, &zeros).repeat(1000))),
        DecodedUpTo(10.1),
    );
}

fn encodings(settings: Vec<Vec<u8>>) -> Vec<u8> {
    let compression = element(ids::CONTENT_COMPRESSION, &settings.concat());
    element(
        ids::CONTENT_ENCODINGS,
        &element(ids::CONTENT_ENCODING, &compression),
    )
}

#[test]
fn compression_bombs() {
    const FIXED: u8 = 4;
    let zlib = encodings(vec![number(ids::CONTENT_COMP_ALGO, 0)]);
    for size in [4 << 20, 4 << 20 | 1, 64 << 20] {
        let bomb = compress_to_vec_zlib(&vec![0x11; size], 6);
        let laced = [&[255][..], &bomb.repeat(256)].concat();
        check(
            "zlib",
            &file(
                &pcm(std::slice::from_ref(&zlib)),
                &cluster(0, &block(0, 0, &bomb)),
            ),
            Anything,
        );
        check(
            "zlib, laced",
            &file(
                &pcm(std::slice::from_ref(&zlib)),
                &cluster(0, &block(0, FIXED, &laced)),
            ),
            Anything,
        );
        // Compressed repeatedly.
        let twice = compress_to_vec_zlib(&compress_to_vec_zlib(&bomb, 6), 6);
        let many = element(
            ids::CONTENT_ENCODINGS,
            &element(
                ids::CONTENT_ENCODING,
                &element(ids::CONTENT_COMPRESSION, &number(ids::CONTENT_COMP_ALGO, 0)),
            )
            .repeat(8),
        );
        check(
            "zlib, deep",
            &file(&pcm(&[many]), &cluster(0, &block(0, 0, &twice))),
            Anything,
        );
    }
    let stripped = encodings(vec![
        number(ids::CONTENT_COMP_ALGO, 3),
        element(ids::CONTENT_COMP_SETTINGS, &vec![0x22; 3 << 20]),
    ]);
    check(
        "header stripping",
        &file(
            &pcm(&[stripped]),
            &cluster(0, &block(0, FIXED, &[255]).repeat(50)),
        ),
        Anything,
    );
}

#[test]
fn many_tracks_and_deep_elements() {
    let video = element(
        ids::TRACK_ENTRY,
        &[number(ids::TRACK_NUMBER, 9), number(ids::TRACK_TYPE, 1)].concat(),
    );
    let videos = [pcm(&[]), video.repeat(300_000)].concat();
    check(
        "300,000 pictures",
        &file(
            &videos,
            &cluster(0, &block(0, 0, &SOUND[..2]).repeat(100_000)),
        ),
        DecodedUpTo(13.0),
    );
    let many: Vec<u8> = (0..50_000).flat_map(|_| pcm(&[])).collect();
    check(
        "50,000 tracks",
        &file(&many, &cluster(0, &block(0, 0, &SOUND))),
        DecodedUpTo(0.1),
    );
    let name = vec![b'A'; 4 << 20];
    check(
        "a long codec name",
        &file(
            &track(&name, 8000.0, 1, &[]),
            &cluster(0, &block(0, 0, &SOUND)),
        ),
        Anything,
    );
    for id in [
        ids::SEGMENT,
        ids::CLUSTER,
        ids::TRACKS,
        ids::BLOCK_GROUP,
        ids::TAGS,
        ids::VOID,
    ] {
        let bytes = id.to_be_bytes();
        let head = [
            &bytes[bytes.iter().position(|byte| *byte != 0).unwrap()..],
            &[0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ]
        .concat();
        let deep = head.repeat(100_000);
        check(
            "deep before",
            &[element(ids::EBML, &[]), deep.clone()].concat(),
            Anything,
        );
        check(
            "deep behind",
            &file(
                &pcm(&[]),
                &[cluster(0, &block(0, 0, &SOUND)), deep].concat(),
            ),
            DecodedUpTo(0.1),
        );
    }
    let voids = element(ids::VOID, &[]).repeat(500_000);
    check(
        "nothing",
        &file(
            &pcm(&[]),
            &[cluster(0, &block(0, 0, &SOUND)), voids].concat(),
        ),
        DecodedUpTo(0.1),
    );
}

#[test]
fn times_of_years() {
    let year_ms = 365 * 86_400_000;
    let forth_and_back: Vec<u8> = (0..2000)
        .flat_map(|index| cluster(index % 2 * year_ms, &block(0, 0, &SOUND)))
        .collect();
    check(
        "forth and back",
        &file(&pcm(&[]), &forth_and_back),
        DecodedUpTo(21.0),
    );
    let days: Vec<u8> = (0..2000)
        .flat_map(|index| cluster(index * 86_000_000, &block(0, 0, &SOUND).repeat(2)))
        .collect();
    check(
        "a day with each",
        &file(&pcm(&[]), &days),
        Refused("max_duration"),
    );
    let minutes: Vec<u8> = (0..2000)
        .flat_map(|index| cluster(index * 50_000, &block(0, 0, &SOUND).repeat(2)))
        .collect();
    check(
        "a minute with each",
        &file(&pcm(&[]), &minutes),
        Refused("max_duration"),
    );
    check(
        "the end of time",
        &file(
            &pcm(&[]),
            &[
                cluster(0, &block(0, 0, &SOUND)),
                cluster(u64::MAX, &block(i16::MAX, 0, &SOUND)),
                cluster(i64::MAX as u64, &block(i16::MIN, 0, &SOUND)),
            ]
            .concat(),
        ),
        Anything,
    );
}

#[test]
fn rates_channels_and_private_data() {
    let sound = cluster(0, &block(0, 0, &SOUND).repeat(100));
    for rate in [0.0, 1.0, -5.0, 4e9, f64::NAN, f64::INFINITY] {
        check(
            "rate",
            &file(&track(b"A_PCM/INT/LIT", rate, 1, &[]), &sound),
            Anything,
        );
    }
    for channels in [0, 255, 65_535, u64::MAX] {
        for codec in [
            &b"A_PCM/INT/LIT"[..],
            b"A_OPUS",
            b"A_AAC",
            b"A_MPEG/L3",
            b"A_FLAC",
        ] {
            check(
                "channels",
                &file(&track(codec, 8000.0, channels, &[]), &sound),
                Anything,
            );
        }
    }
    for frames in [65_537, u32::MAX] {
        let private = element(ids::CODEC_PRIVATE, &alac_cookie(frames, 8, 44_100));
        check(
            "alac",
            &file(&track(b"A_ALAC", 44_100.0, 8, &[private]), &sound),
            Anything,
        );
    }
    let [identification, setup] = vorbis_bomb();
    let private = [
        &[2, identification.len() as u8, 0][..],
        &identification,
        &setup,
    ]
    .concat();
    let private = element(ids::CODEC_PRIVATE, &private);
    check(
        "vorbis",
        &file(&track(b"A_VORBIS", 44_100.0, 1, &[private]), &sound),
        Refused("codebooks"),
    );
}
