//! mp4 and related formats.

use super::caf::alac_cookie;
use super::{Anything, HeardUpTo, Refused, suffer};

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
struct Film {
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

impl Film {
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
fn it_is_a_film_at_all() {
    suffer(
        "film",
        &Film::sound(noise(16_000)).file(1),
        HeardUpTo(1.001),
    );
    assert!(super::fate(&Film::sound(noise(16_000)).file(1)).unwrap().0 > 0.99);
}

#[test]
fn many_tracks_and_deep_boxes() {
    let film = Film::sound(noise(1600));
    suffer(
        "64 silent tracks",
        &Film::sound(vec![0; 16_000]).file(64),
        HeardUpTo(1.001),
    );
    suffer("50,000 tracks", &film.file(50_000), HeardUpTo(0.2));
    let head = boxed(b"mvhd", &[&words(&[0, 0, 0, 1000, 0])]);
    let empty = boxed(b"trak", &[]).repeat(1_000_000);
    let content = [
        boxed(b"ftyp", &[b"qt  \0\0\0\0"]),
        boxed(b"moov", &[&head, &empty]),
    ]
    .concat();
    suffer("a million tracks", &content, Refused("no audio track"));
    for kind in [
        b"moov", b"trak", b"mdia", b"stbl", b"wave", b"udta", b"meta",
    ] {
        let heads: Vec<u8> = (0..100_000_u32)
            .rev()
            .flat_map(|depth| [&(8 * depth + 8).to_be_bytes(), &kind[..]].concat())
            .collect();
        suffer(
            "deep",
            &[&boxed(b"ftyp", &[b"qt  \0\0\0\0"]), &heads[..]].concat(),
            Anything,
        );
        let moov = boxed(b"moov", &[&boxed(b"trak", &[&heads])]);
        suffer("deep in a track", &moov, Anything);
    }
    let mut waves = Vec::new();
    for _ in 0..500 {
        waves = boxed(b"wave", &[&waves]);
    }
    let deep = Film {
        entry: entry(b"mp4a", 2, 16, 8000, &waves),
        ..Film::sound(noise(100))
    };
    suffer("deep in a description", &deep.file(1), Anything);
}

#[test]
fn tables_that_claim_much() {
    let count = u32::MAX;
    let base = || Film::sound(noise(16_000));
    for (name, film) in [
        (
            "times",
            Film {
                times: vec![count, count, count],
                ..base()
            },
        ),
        (
            "chunks",
            Film {
                chunks: vec![count, 1, count, 1],
                ..base()
            },
        ),
        (
            "one size",
            Film {
                sizes: vec![2, count],
                ..base()
            },
        ),
        (
            "no size",
            Film {
                sizes: vec![0, count],
                ..base()
            },
        ),
        (
            "sizes",
            Film {
                sizes: vec![0, count, count, count],
                ..base()
            },
        ),
        (
            "places",
            Film {
                places: vec![count, DATA_AT],
                ..base()
            },
        ),
        (
            "all",
            Film {
                times: vec![count, count, 1],
                chunks: vec![count, 1, count, 1],
                sizes: vec![1, count],
                places: vec![count, DATA_AT],
                ..base()
            },
        ),
        (
            "zero lasts",
            Film {
                times: vec![1, count, 0],
                sizes: vec![2, count],
                ..base()
            },
        ),
    ] {
        suffer(name, &film.file(1), Anything);
    }
}

#[test]
fn sound_named_again_and_again() {
    const CHUNKS: u32 = 500_000;
    let mut places = vec![CHUNKS];
    places.extend(std::iter::repeat_n(DATA_AT, CHUNKS as usize));
    let frames = 8000;
    let film = Film {
        times: vec![1, u32::MAX, 1],
        chunks: vec![1, 1, frames, 1],
        sizes: vec![2, u32::MAX],
        places,
        ..Film::sound(noise(16_000))
    };
    suffer("chunks", &film.file(1), Refused("max_duration"));
    // The same without a duration.
    let film = Film {
        times: vec![1, 8000, 1],
        ..film
    };
    suffer("chunks, untold", &film.file(1), HeardUpTo(3600.0));
    let edit = words(&[1000, 0, 0x0001_0000]);
    for count in [4000, 60_000, 70_000, u32::MAX] {
        let edits = [words(&[0, count]), edit.repeat(count.min(65_536) as usize)].concat();
        let film = Film {
            edits: Some(edits),
            ..Film::sound(noise(16_000))
        };
        suffer("edits", &film.file(1), Anything);
    }
    // Backwards through many samples, an edit for each.
    let mut edits = words(&[0, 100]);
    for index in (0..100_u32).rev() {
        edits.extend(words(&[1, index * 3900, 0x0001_0000]));
    }
    let film = Film {
        edits: Some(edits),
        times: [vec![400_000], [1, 1].repeat(400_000)].concat(),
        chunks: vec![1, 1, 1, 1],
        sizes: [vec![0, 400_000], vec![2; 400_000]].concat(),
        places: [vec![400_000], vec![DATA_AT; 400_000]].concat(),
        entry: entry(b"ulaw", 1, 8, 8000, &[]),
        ..Film::sound(noise(16_000))
    };
    suffer("edits backwards", &film.file(1), Anything);
}

#[test]
fn silence_named_in_a_few_bytes() {
    // A hundred years of silence, then audio.
    let edits = words(&[0, 2, u32::MAX, u32::MAX, 0x0001_0000, 1000, 0, 0x0001_0000]);
    let film = Film {
        edits: Some(edits),
        ..Film::sound(noise(16_000))
    };
    suffer("late", &film.file(1), Refused("max_duration"));
    let film = Film {
        times: vec![2, 10, u32::MAX, 7990, 1],
        ..Film::sound(noise(16_000))
    };
    suffer("slow", &film.file(1), Anything);
}

#[test]
fn rates_and_channels() {
    for (timescale, rate) in [(0, 0), (1, 1), (u32::MAX, 0), (1, 65_535), (0, 1)] {
        let film = Film {
            timescale,
            entry: entry(b"sowt", 1, 16, rate, &[]),
            ..Film::sound(noise(16_000))
        };
        suffer("rate", &film.file(1), Anything);
    }
    for channels in [0, 255, 65_535] {
        for kind in [b"sowt", b"mp4a", b"ima4", b".mp3", b"ulaw"] {
            let film = Film {
                entry: entry(kind, channels, 16, 8000, &[]),
                ..Film::sound(noise(16_000))
            };
            suffer("channels", &film.file(1), Anything);
        }
    }
    for frames in [65_536, 65_537, u32::MAX] {
        let cookie = boxed(b"alac", &[&[0; 4], &alac_cookie(frames, 8, 44_100)]);
        let film = Film {
            entry: entry(b"alac", 8, 16, 44_100, &cookie),
            sizes: vec![20, 800],
            chunks: vec![1, 1, 800, 1],
            ..Film::sound(noise(16_000))
        };
        suffer("alac", &film.file(1), Anything);
    }
}
