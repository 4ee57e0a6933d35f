//! mp4 and related formats.

use super::caf::alac_cookie;
use super::{Anything, DecodedUpTo, Refused, check};

fn boxed(kind: &[u8; 4], content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let length = content.len() as u32 + 8;
    [&length.to_be_bytes(), &kind[..], &content].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// A sound description: its channels, bits and rate, then boxes.
fn entry(kind: &[u8; 4], channels: u16, bits: u16, rate: u32, boxes: &[u8]) -> Vec<u8> {
    let mut content = vec![0; 16];
    content.extend(channels.to_be_bytes());
    content.extend(bits.to_be_bytes());
    content.extend([0; 4]);
    content.extend((rate << 16).to_be_bytes());
    boxed(kind, &[&content, boxes])
}

/// A movie with one audio track.
struct Movie {
    timescale: u32,
    entry: Vec<u8>,
    edits: Option<Vec<u8>>,
    /// Contents of the tables after version and flags.
    times: Vec<u32>,
    chunks: Vec<u32>,
    sizes: Vec<u32>,
    places: Vec<u32>,
    data: Vec<u8>,
}

/// Offset of the content of `mdat`.
const DATA_AT: u32 = 16 + 8;

impl Movie {
    /// 16-bit samples at 8 kHz in one chunk.
    fn sound(data: Vec<u8>) -> Self {
        let frames = data.len() as u32 / 2;
        Self {
            timescale: 8000,
            entry: entry(b"sowt", 1, 16, 8000, &[]),
            edits: None,
            times: vec![1, frames, 1],
            chunks: vec![1, 1, frames, 1],
            sizes: vec![2, frames],
            places: vec![1, DATA_AT],
            data,
        }
    }

    fn track(&self) -> Vec<u8> {
        let full = |kind, content: &[u32]| boxed(kind, &[&[0; 4], &words(content)]);
        let tables = [
            boxed(b"stsd", &[&words(&[0, 1]), &self.entry]),
            full(b"stts", &self.times),
            full(b"stsc", &self.chunks),
            full(b"stsz", &self.sizes),
            full(b"stco", &self.places),
        ];
        let media = [
            boxed(b"mdhd", &[&words(&[0, 0, 0, self.timescale, 0, 0])]),
            boxed(b"hdlr", &[&[0; 8], b"soun", &[0; 12]]),
            boxed(b"minf", &[&boxed(b"stbl", &[&tables.concat()])]),
        ];
        let edits = match &self.edits {
            Some(edits) => boxed(b"edts", &[&boxed(b"elst", &[edits])]),
            None => Vec::new(),
        };
        boxed(
            b"trak",
            &[
                &boxed(b"tkhd", &[&words(&[1, 0, 0, 1, 0, 0])]),
                &edits,
                &boxed(b"mdia", &[&media.concat()]),
            ],
        )
    }

    fn file(&self, tracks: usize) -> Vec<u8> {
        let head = boxed(b"mvhd", &[&words(&[0, 0, 0, 1000, 0])]);
        [
            boxed(b"ftyp", &[b"qt  \0\0\0\0"]),
            boxed(b"mdat", &[&self.data]),
            boxed(b"moov", &[&head, &self.track().repeat(tracks)]),
        ]
        .concat()
    }
}

fn noise(bytes: u32) -> Vec<u8> {
    (0..bytes)
        .map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

#[test]
fn the_base_file_is_valid() {
    check(
        "movie",
        &Movie::sound(noise(16_000)).file(1),
        DecodedUpTo(1.001),
    );
    assert!(
        super::outcome(&Movie::sound(noise(16_000)).file(1))
            .unwrap()
            .0
            > 0.99
    );
}

#[test]
fn many_tracks_and_deep_boxes() {
    let movie = Movie::sound(noise(1600));
    check(
        "64 silent tracks",
        &Movie::sound(vec![0; 16_000]).file(64),
        DecodedUpTo(1.001),
    );
    check("50,000 tracks", &movie.file(50_000), DecodedUpTo(0.2));
    let head = boxed(b"mvhd", &[&words(&[0, 0, 0, 1000, 0])]);
    let empty = boxed(b"trak", &[]).repeat(1_000_000);
    let content = [
        boxed(b"ftyp", &[b"qt  \0\0\0\0"]),
        boxed(b"moov", &[&head, &empty]),
    ]
    .concat();
    check("a million tracks", &content, Refused("no audio track"));
    for kind in [
        b"moov", b"trak", b"mdia", b"stbl", b"wave", b"udta", b"meta",
    ] {
        let heads: Vec<u8> = (0..100_000_u32)
            .rev()
            .flat_map(|depth| [&(8 * depth + 8).to_be_bytes(), &kind[..]].concat())
            .collect();
        check(
            "deep",
            &[&boxed(b"ftyp", &[b"qt  \0\0\0\0"]), &heads[..]].concat(),
            Anything,
        );
        let moov = boxed(b"moov", &[&boxed(b"trak", &[&heads])]);
        check("deep in a track", &moov, Anything);
    }
    let mut waves = Vec::new();
    for _ in 0..500 {
        waves = boxed(b"wave", &[&waves]);
    }
    let deep = Movie {
        entry: entry(b"mp4a", 2, 16, 8000, &waves),
        ..Movie::sound(noise(100))
    };
    check("deep in a description", &deep.file(1), Anything);
}

#[test]
fn tables_that_claim_much() {
    let count = u32::MAX;
    let base = || Movie::sound(noise(16_000));
    for (name, movie) in [
        (
            "times",
            Movie {
                times: vec![count, count, count],
                ..base()
            },
        ),
        (
            "chunks",
            Movie {
                chunks: vec![count, 1, count, 1],
                ..base()
            },
        ),
        (
            "one size",
            Movie {
                sizes: vec![2, count],
                ..base()
            },
        ),
        (
            "no size",
            Movie {
                sizes: vec![0, count],
                ..base()
            },
        ),
        (
            "sizes",
            Movie {
                sizes: vec![0, count, count, count],
                ..base()
            },
        ),
        (
            "places",
            Movie {
                places: vec![count, DATA_AT],
                ..base()
            },
        ),
        (
            "all",
            Movie {
                times: vec![count, count, 1],
                chunks: vec![count, 1, count, 1],
                sizes: vec![1, count],
                places: vec![count, DATA_AT],
                ..base()
            },
        ),
        (
            "zero lasts",
            Movie {
                times: vec![1, count, 0],
                sizes: vec![2, count],
                ..base()
            },
        ),
    ] {
        check(name, &movie.file(1), Anything);
    }
}

#[test]
fn data_referenced_repeatedly() {
    const CHUNKS: u32 = 500_000;
    let mut places = vec![CHUNKS];
    places.extend(std::iter::repeat_n(DATA_AT, CHUNKS as usize));
    let frames = 8000;
    let movie = Movie {
        times: vec![1, u32::MAX, 1],
        chunks: vec![1, 1, frames, 1],
        sizes: vec![2, u32::MAX],
        places,
        ..Movie::sound(noise(16_000))
    };
    check("chunks", &movie.file(1), Refused("max_duration"));
    // The same without a duration.
    let movie = Movie {
        times: vec![1, 8000, 1],
        ..movie
    };
    check(
        "chunks, unknown duration",
        &movie.file(1),
        DecodedUpTo(3600.0),
    );
    let edit = words(&[1000, 0, 0x0001_0000]);
    for count in [4000, 60_000, 70_000, u32::MAX] {
        let edits = [words(&[0, count]), edit.repeat(count.min(65_536) as usize)].concat();
        let movie = Movie {
            edits: Some(edits),
            ..Movie::sound(noise(16_000))
        };
        check("edits", &movie.file(1), Anything);
    }
    // Backwards through many samples, an edit for each.
    let mut edits = words(&[0, 100]);
    for index in (0..100_u32).rev() {
        edits.extend(words(&[1, index * 3900, 0x0001_0000]));
    }
    let movie = Movie {
        edits: Some(edits),
        times: [vec![400_000], [1, 1].repeat(400_000)].concat(),
        chunks: vec![1, 1, 1, 1],
        sizes: [vec![0, 400_000], vec![2; 400_000]].concat(),
        places: [vec![400_000], vec![DATA_AT; 400_000]].concat(),
        entry: entry(b"ulaw", 1, 8, 8000, &[]),
        ..Movie::sound(noise(16_000))
    };
    check("edits backwards", &movie.file(1), Anything);
}

#[test]
fn long_silence_in_a_few_bytes() {
    // A hundred years of silence, then audio.
    let edits = words(&[0, 2, u32::MAX, u32::MAX, 0x0001_0000, 1000, 0, 0x0001_0000]);
    let movie = Movie {
        edits: Some(edits),
        ..Movie::sound(noise(16_000))
    };
    check("late", &movie.file(1), Refused("max_duration"));
    let movie = Movie {
        times: vec![2, 10, u32::MAX, 7990, 1],
        ..Movie::sound(noise(16_000))
    };
    check("slow", &movie.file(1), Anything);
}

#[test]
fn rates_and_channels() {
    for (timescale, rate) in [(0, 0), (1, 1), (u32::MAX, 0), (1, 65_535), (0, 1)] {
        let movie = Movie {
            timescale,
            entry: entry(b"sowt", 1, 16, rate, &[]),
            ..Movie::sound(noise(16_000))
        };
        check("rate", &movie.file(1), Anything);
    }
    for channels in [0, 255, 65_535] {
        for kind in [b"sowt", b"mp4a", b"ima4", b".mp3", b"ulaw"] {
            let movie = Movie {
                entry: entry(kind, channels, 16, 8000, &[]),
                ..Movie::sound(noise(16_000))
            };
            check("channels", &movie.file(1), Anything);
        }
    }
    for frames in [65_536, 65_537, u32::MAX] {
        let cookie = boxed(b"alac", &[&[0; 4], &alac_cookie(frames, 8, 44_100)]);
        let movie = Movie {
            entry: entry(b"alac", 8, 16, 44_100, &cookie),
            sizes: vec![20, 800],
            chunks: vec![1, 1, 800, 1],
            ..Movie::sound(noise(16_000))
        };
        check("alac", &movie.file(1), Anything);
    }
}
