//! Files written by ffmpeg and by hand, compared with ffmpeg's output.

use miniz_oxide::deflate::compress_to_vec_zlib;

use std::sync::OnceLock;

use super::super::Source;
use super::super::compare::{self, Output, decode, is_same};
use super::super::reader::Reader;
use super::*;
use crate::testing::{self, PHRASE};

fn open(content: &[u8]) -> Matroska {
    Matroska::open(Source::new(testing::file(content), content.len() as u64)).unwrap()
}

fn output(content: &[u8]) -> (Matroska, Output) {
    let mut file = open(content);
    let output = decode(&mut file);
    (file, output)
}

fn converted(arguments: &[&str]) -> Vec<u8> {
    static SPOKEN: OnceLock<std::fs::File> = OnceLock::new();
    let spoken = SPOKEN.get_or_init(|| testing::spoken(PHRASE));
    // A separate descriptor: tests run in parallel, and the offset is shared.
    let spoken = testing::file(&testing::bytes(spoken));
    testing::bytes(&testing::converted(&spoken, arguments))
}

/// An element.
fn element(id: u32, body: &[u8]) -> Vec<u8> {
    let size = (body.len() as u64 | 1 << 56).to_be_bytes();
    [&id_bytes(id), &size[..], body].concat()
}

/// An element of unknown size.
fn endless(id: u32, body: &[u8]) -> Vec<u8> {
    [
        &id_bytes(id),
        &[0x01, 255, 255, 255, 255, 255, 255, 255][..],
        body,
    ]
    .concat()
}

fn id_bytes(id: u32) -> Vec<u8> {
    let bytes = id.to_be_bytes();
    bytes[bytes.iter().position(|byte| *byte != 0).unwrap()..].to_vec()
}

fn number(id: u32, value: u64) -> Vec<u8> {
    element(id, &value.to_be_bytes())
}

/// A track of 16-bit samples at 8 kHz.
fn track(number_: u64, extra: &[Vec<u8>]) -> Vec<u8> {
    let audio = [
        element(ids::SAMPLING_FREQUENCY, &8000_f64.to_be_bytes()),
        number(ids::BIT_DEPTH, 16),
    ]
    .concat();
    let mut entry = [
        number(ids::TRACK_NUMBER, number_),
        number(ids::TRACK_TYPE, 2),
        element(ids::CODEC_ID, b"A_PCM/INT/LIT"),
        element(ids::AUDIO, &audio),
    ]
    .concat();
    entry.extend(extra.concat());
    element(ids::TRACK_ENTRY, &entry)
}

fn header() -> Vec<u8> {
    element(ids::EBML, &element(ids::DOC_TYPE, b"matroska"))
}

/// A block of a track below 127: its header and `body`.
fn block(track: u8, relative: i16, flags: u8, body: &[u8]) -> Vec<u8> {
    let [high, low] = relative.to_be_bytes();
    [&[0x80 | track, high, low, flags], body].concat()
}

fn simple(track: u8, relative: i16, body: &[u8]) -> Vec<u8> {
    element(ids::SIMPLE_BLOCK, &block(track, relative, 0x80, body))
}

fn cluster(timestamp: u64, blocks: &[Vec<u8>]) -> Vec<u8> {
    let body = [number(ids::TIMESTAMP, timestamp), blocks.concat()].concat();
    element(ids::CLUSTER, &body)
}

fn segment(tracks: &[Vec<u8>], clusters: &[Vec<u8>]) -> Vec<u8> {
    let body = [element(ids::TRACKS, &tracks.concat()), clusters.concat()].concat();
    [header(), element(ids::SEGMENT, &body)].concat()
}

/// 100 ms of a constant.
fn sound(value: i16) -> Vec<u8> {
    value.to_le_bytes().repeat(800)
}

fn packets(content: &[u8]) -> (Vec<Packet>, Vec<String>, Matroska) {
    let mut file = open(content);
    file.select(0);
    let (mut packets, mut lost) = (Vec::new(), Vec::new());
    for _ in 0..10_000 {
        match file.step().unwrap() {
            Step::Packet(packet) => packets.push(packet),
            Step::Lost { reason, .. } => lost.push(reason),
            Step::Nothing => {}
            Step::Changed(_) => panic!("nothing changes"),
            Step::End => return (packets, lost, file),
        }
    }
    panic!("without end");
}

fn times(content: &[u8]) -> Vec<Option<f64>> {
    packets(content)
        .0
        .iter()
        .map(|packet| packet.time_s)
        .collect()
}

#[test]
fn every_codec_matches_ffmpeg() {
    for (container, arguments, codec) in [
        ("webm", &["-f", "webm", "-c:a", "libopus"][..], "opus"),
        (
            "webm",
            &[
                "-f",
                "webm",
                "-c:a",
                "libopus",
                "-ac",
                "2",
                "-frame_duration",
                "2.5",
            ],
            "opus",
        ),
        (
            "webm",
            &[
                "-f",
                "webm",
                "-c:a",
                "libopus",
                "-live",
                "1",
                "-cluster_time_limit",
                "200",
            ],
            "opus",
        ),
        ("webm", &["-f", "webm", "-c:a", "libvorbis"], "vorbis"),
        (
            "mkv",
            &["-f", "matroska", "-c:a", "libvorbis", "-ac", "2"],
            "vorbis",
        ),
        (
            "mkv",
            &["-f", "matroska", "-c:a", "aac", "-ar", "44100", "-ac", "2"],
            "aac",
        ),
        ("mkv", &["-f", "matroska", "-c:a", "mp3"], "mp3"),
        ("mkv", &["-f", "matroska", "-c:a", "mp2"], "mp2"),
        ("mkv", &["-f", "matroska", "-c:a", "flac"], "flac"),
        ("mkv", &["-f", "matroska", "-c:a", "alac"], "alac"),
        (
            "mkv",
            &["-f", "matroska", "-c:a", "pcm_s16le", "-ac", "2"],
            "pcm_s16le",
        ),
        ("mkv", &["-f", "matroska", "-c:a", "pcm_s24be"], "pcm_s24be"),
        ("mkv", &["-f", "matroska", "-c:a", "pcm_f32le"], "pcm_f32le"),
        ("mkv", &["-f", "matroska", "-c:a", "pcm_u8"], "pcm_u8"),
        ("mkv", &["-f", "matroska", "-c:a", "pcm_mulaw"], "pcm_mulaw"),
    ] {
        let content = converted(arguments);
        let (file, output) = output(&content);
        assert_eq!(file.container(), container, "{arguments:?}");
        let track = &file.tracks()[0];
        assert_eq!(track.codec, codec, "{arguments:?}");
        assert!(output.lost.is_empty(), "{arguments:?}: {:?}", output.lost);
        assert!(!file.is_cut_short(), "{arguments:?}");
        assert_eq!(file.end_bytes(), None);
        is_same(
            &format!("{arguments:?}"),
            &output,
            &compare::ffmpeg(&content, &[]),
        );
        if let Some(duration_s) = track.duration_s {
            assert!(
                (duration_s - output.duration_s()).abs() < 0.05,
                "{arguments:?}"
            );
        } else {
            assert!(arguments.contains(&"-live"), "{arguments:?}");
        }
    }
}

#[test]
fn names_of_codecs_left_to_ffmpeg() {
    for (codec, name) in [
        ("ac3", "AC-3 (Dolby Digital)"),
        ("eac3", "E-AC-3 (Dolby Digital Plus)"),
        ("wavpack", "WavPack"),
        ("adpcm_ms", "Microsoft ADPCM"),
        ("g722", "G.722"),
    ] {
        let content = converted(&["-f", "matroska", "-c:a", codec, "-ar", "48000"]);
        let file = open(&content);
        let track = &file.tracks()[0];
        assert_eq!(track.codec, name);
        assert!(crate::media::codec::decoder(&track.parameters).is_err());
    }
}

#[test]
fn frames_in_blocks_of_all_kinds() {
    let two = [sound(1), sound(2)].concat();
    let sizes = 1600_u16.to_be_bytes();
    for (name, blocks) in [
        (
            "simple",
            vec![simple(1, 0, &sound(1)), simple(1, 100, &sound(2))],
        ),
        (
            "fixed",
            vec![element(
                ids::SIMPLE_BLOCK,
                &block(1, 0, 0x04, &[&[1], &two[..]].concat()),
            )],
        ),
        (
            "xiph",
            vec![element(
                ids::SIMPLE_BLOCK,
                &block(
                    1,
                    0,
                    0x02,
                    &[&[1, 255, 255, 255, 255, 255, 255, 70], &two[..]].concat(),
                ),
            )],
        ),
        (
            "ebml, in a group",
            vec![element(
                ids::BLOCK_GROUP,
                &element(
                    ids::BLOCK,
                    &block(
                        1,
                        0,
                        0x06,
                        &[&[1, 0x40 | sizes[0], sizes[1]], &two[..]].concat(),
                    ),
                ),
            )],
        ),
    ] {
        let (found, lost, _) = packets(&segment(&[track(1, &[])], &[cluster(50, &blocks)]));
        assert!(lost.is_empty(), "{name}");
        let found: Vec<_> = found.iter().map(|packet| &packet.data[..]).collect();
        assert_eq!(found, [&sound(1)[..], &sound(2)], "{name}");
    }
}

#[test]
fn times_count_from_the_first_block_of_any_track() {
    let video = element(
        ids::TRACK_ENTRY,
        &[number(ids::TRACK_NUMBER, 2), number(ids::TRACK_TYPE, 1)].concat(),
    );
    let tracks = [track(1, &[]), video];
    let late = segment(
        &tracks,
        &[
            cluster(1000, &[simple(1, 30, &sound(1)), simple(2, 0, b"picture")]),
            cluster(7000, &[simple(1, 0, &sound(1)), simple(1, -100, &sound(1))]),
        ],
    );
    assert_eq!(times(&late), [Some(0.03), Some(6.0), Some(5.9)]);
    assert_eq!(open(&late).others(), "1 video track");
    // A tick of 20 ms, and audio that is late by CodecDelay.
    let delayed = track(1, &[number(ids::CODEC_DELAY, 50_000_000)]);
    let info = element(ids::INFO, &number(ids::TIMESTAMP_SCALE, 20_000_000));
    let content = segment(
        &[info[..0].to_vec(), delayed],
        &[
            info,
            cluster(5, &[simple(1, 0, &sound(1)), simple(1, 5, &sound(1))]),
        ],
    );
    let (found, _, _) = packets(&content);
    assert_eq!(found[0].trim_start_frames, 400);
    assert_eq!(found[0].time_s, Some(0.0));
    assert_eq!(found[1].trim_start_frames, 0);
    assert_eq!(found[1].time_s, Some(0.05));
}

#[test]
fn padding_is_trimmed() {
    let padded = |padding_ns: i64| {
        let group = [
            element(ids::BLOCK, &block(1, 0, 0, &sound(1))),
            element(ids::DISCARD_PADDING, &padding_ns.to_be_bytes()[2..]),
        ]
        .concat();
        let content = segment(
            &[track(1, &[])],
            &[cluster(0, &[element(ids::BLOCK_GROUP, &group)])],
        );
        let packet = packets(&content).0.remove(0);
        (
            packet.time_s,
            packet.trim_start_frames,
            packet.trim_end_frames,
        )
    };
    assert_eq!(padded(25_000_000), (Some(0.0), 0, 200));
    assert_eq!(padded(-25_000_000), (Some(0.025), 200, 0));
}

#[test]
fn compression_is_undone_and_encryption_named() {
    let encoding = |kind: Vec<u8>| {
        element(
            ids::CONTENT_ENCODINGS,
            &element(ids::CONTENT_ENCODING, &kind),
        )
    };
    let compression = |algorithm: u64, settings: &[u8]| {
        let body = [
            number(ids::CONTENT_COMP_ALGO, algorithm),
            element(ids::CONTENT_COMP_SETTINGS, settings),
        ]
        .concat();
        encoding(element(ids::CONTENT_COMPRESSION, &body))
    };
    let zlib = compress_to_vec_zlib(&sound(3), 6);
    for (name, encoding, data) in [
        ("zlib", compression(0, &[]), zlib.clone()),
        ("zlib by default", encoding(Vec::new()), zlib.clone()),
        (
            "stripped",
            compression(3, &[3, 0, 3]),
            sound(3)[3..].to_vec(),
        ),
    ] {
        let content = segment(
            &[track(1, &[encoding])],
            &[cluster(0, &[simple(1, 0, &data)])],
        );
        let (found, lost, _) = packets(&content);
        assert_eq!(found[0].data[..], sound(3), "{name}");
        assert!(lost.is_empty(), "{name}");
    }
    // Damage, and a decompression bomb.
    let bomb = compress_to_vec_zlib(&vec![0; PACKET_MAX_BYTES + 1], 9);
    for data in [&zlib[..20], &bomb] {
        let blocks = [simple(1, 0, data), simple(1, 100, &zlib)];
        let content = segment(&[track(1, &[compression(0, &[])])], &[cluster(0, &blocks)]);
        let (found, lost, _) = packets(&content);
        assert_eq!((found.len(), lost.len()), (1, 1));
        assert_eq!(found[0].time_s, Some(0.1));
    }
    for (encoding, name) in [
        (
            encoding(number(ids::CONTENT_ENCODING_TYPE, 1)),
            "pcm_s16le, encrypted",
        ),
        (compression(2, &[]), "pcm_s16le, compressed with LZO"),
    ] {
        let file = open(&segment(&[track(1, &[encoding])], &[cluster(0, &[])]));
        assert_eq!(file.tracks()[0].codec, name);
        assert!(crate::media::codec::decoder(&file.tracks()[0].parameters).is_err());
    }
}

#[test]
fn default_track_is_the_first_flagged_or_unflagged() {
    let flag = |value| number(ids::FLAG_DEFAULT, value);
    let disabled = number(ids::FLAG_ENABLED, 0);
    for (tracks, expected) in [
        (vec![vec![], vec![]], [true, false]),
        (vec![vec![flag(0)], vec![]], [false, true]),
        (vec![vec![flag(0)], vec![flag(1)]], [false, true]),
        (vec![vec![flag(0)], vec![flag(0)]], [false, false]),
        (vec![vec![disabled], vec![flag(1)]], [false, true]),
    ] {
        let tracks: Vec<_> = (1..)
            .zip(tracks)
            .map(|(number, extra)| track(number, &extra))
            .collect();
        let file = open(&segment(&tracks, &[]));
        let found: Vec<_> = file.tracks().iter().map(|track| track.default).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn live_files_are_not_truncated() {
    let blocks = |first: i16| {
        [
            simple(1, 0, &sound(first)),
            simple(1, 100, &sound(first + 1)),
        ]
        .concat()
    };
    let body = [
        element(ids::TRACKS, &track(1, &[])),
        endless(
            ids::CLUSTER,
            &[number(ids::TIMESTAMP, 0), blocks(1)].concat(),
        ),
        endless(
            ids::CLUSTER,
            &[number(ids::TIMESTAMP, 200), blocks(3)].concat(),
        ),
    ]
    .concat();
    let live = [header(), endless(ids::SEGMENT, &body)].concat();
    let (found, lost, file) = packets(&live);
    assert_eq!(found.len(), 4);
    assert_eq!(found[3].time_s, Some(0.3));
    assert!(lost.is_empty() && !file.is_cut_short());
    let (found, lost, file) = packets(&live[..live.len() - 900]);
    assert_eq!(found.len(), 3);
    assert!(lost.is_empty() && !file.is_cut_short());
    // With sizes, the same end is a truncation.
    let whole = segment(
        &[track(1, &[])],
        &[cluster(0, &[blocks(1)]), cluster(200, &[blocks(3)])],
    );
    assert!(!packets(&whole).2.is_cut_short());
    let (found, lost, file) = packets(&whole[..whole.len() - 900]);
    assert_eq!((found.len(), lost.len()), (3, 0));
    assert!(file.is_cut_short());
    // Appended files are left to the caller, in both.
    for one in [live, whole] {
        let (found, _, file) = packets(&[one.clone(), one.clone()].concat());
        assert_eq!(found.len(), 4);
        assert_eq!(file.end_bytes(), Some(one.len() as u64));
        assert!(!file.is_cut_short());
    }
}

#[test]
fn after_damage_the_next_block_is_found() {
    let blocks: Vec<_> = (0..8)
        .map(|index| simple(1, index * 100, &sound(1)))
        .collect();
    let whole = segment(
        &[track(1, &[])],
        &[cluster(0, &blocks), cluster(800, &blocks)],
    );
    let second = whole
        .windows(4)
        .enumerate()
        .filter(|(_, bytes)| *bytes == ids::CLUSTER.to_be_bytes())
        .nth(1)
        .unwrap()
        .0;
    let third_block = whole
        .windows(2)
        .enumerate()
        .filter(|(_, bytes)| *bytes == [0xa3, 0x01])
        .nth(2)
        .unwrap()
        .0;
    for (name, place, damage, packets_left, lost_places) in [
        ("a block's id", third_block, &[0x00][..], 15, 1),
        ("a block's size", third_block + 1, &[0x01, 0, 0, 9], 15, 1),
        ("a block's size, a little", third_block + 7, &[0xff], 15, 1),
        ("a cluster's id", second, &[0x1f, 0x43, 0xb6, 0x76], 16, 0),
        ("a cluster's id, wholly", second, &[0x00], 16, 1),
        ("500 bytes", third_block - 100, &[0x55; 500], 15, 1),
    ] {
        let mut content = whole.clone();
        content[place..place + damage.len()].copy_from_slice(damage);
        let (found, lost, _) = packets(&content);
        assert_eq!(
            (found.len(), lost.len()),
            (packets_left, lost_places),
            "{name}: {lost:?}"
        );
        if name != "a cluster's id, wholly" {
            assert_eq!(found.last().unwrap().time_s, Some(1.5), "{name}");
        }
    }
}

#[test]
fn damaged_headers_and_times_lose_no_audio() {
    let void = element(ids::VOID, &[0; 50]);
    let body = [
        void,
        element(ids::TRACKS, &track(1, &[])),
        cluster(0, &[simple(1, 0, &sound(1))]),
        cluster(1 << 50, &[simple(1, 0, &sound(1))]),
        cluster(200, &[simple(1, 0, &sound(1))]),
    ]
    .concat();
    let whole = [header(), element(ids::SEGMENT, &body)].concat();
    let expected = [Some(0.0), None, Some(0.2)];
    assert_eq!(times(&whole), expected);
    let place = whole
        .windows(9)
        .position(|bytes| bytes == [0xec, 1, 0, 0, 0, 0, 0, 0, 50]);
    for damage in [&[0; 9][..], &[0xec, 0x7f, 0xf0], &[0xec, 0xff]] {
        let mut content = whole.clone();
        content[place.unwrap()..][..damage.len()].copy_from_slice(damage);
        assert_eq!(times(&content), expected, "{damage:02x?}");
    }
}

#[test]
fn the_list_of_tracks_may_come_last_and_claims_are_bounded() {
    let body = [
        cluster(0, &[simple(1, 0, &sound(1))]),
        element(ids::TRACKS, &track(1, &[])),
    ]
    .concat();
    let content = [header(), element(ids::SEGMENT, &body)].concat();
    assert_eq!(times(&content), [Some(0.0)]);
    let refused = |content: &[u8]| {
        Matroska::open(Source::new(testing::file(content), content.len() as u64))
            .err()
            .unwrap()
            .to_string()
    };
    let mut large = header();
    large.extend(endless(ids::SEGMENT, &id_bytes(ids::TRACKS)));
    large.extend((1_u64 << 56 | 1 << 40).to_be_bytes());
    assert!(refused(&large).contains("list of tracks claims 1099511627776 bytes"));
    assert!(refused(&header()).contains("truncated"));
    let entry = track(1, &[element(ids::AUDIO, &number(ids::CHANNELS, 1 << 40))]);
    let file = open(&segment(&[entry], &[]));
    assert_eq!(
        file.tracks()[0].codec,
        "pcm_s16le with 4294967295 channels at 8000 Hz"
    );
}

#[test]
fn shared_recordings_match_ffmpeg() {
    for directory in [
        concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/speech"),
        concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/speech/findings"),
    ] {
        let Ok(entries) = std::fs::read_dir(directory) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            let Ok(content) = std::fs::read(&path) else {
                continue;
            };
            if !content.starts_with(&ids::EBML.to_be_bytes()) {
                continue;
            }
            let name = path.display().to_string();
            let (file, output) = output(&content);
            let index = file
                .tracks()
                .iter()
                .position(|track| track.default)
                .unwrap_or(0);
            println!(
                "{name}: {}/{} {:.2} s, {:?}, lost {:?}",
                file.container(),
                file.tracks()[index].codec,
                output.duration_s(),
                file.tracks()[index].duration_s,
                output.lost,
            );
            if output.rate == 0 {
                continue;
            }
            assert!(output.lost.is_empty(), "{name}: {:?}", output.lost);
            let truth = compare::ffmpeg(
                &content,
                &[
                    "-map",
                    &format!("0:a:{index}"),
                    "-af",
                    "aresample=async=1:first_pts=0",
                ],
            );
            is_same(&name, &output, &truth);
        }
    }
}

#[test]
fn damaged_and_truncated_files_end() {
    let read = |content: Vec<u8>| {
        let source = Source::new(testing::file(&content), content.len() as u64);
        if let Ok(mut file) = Matroska::open(source)
            && !file.tracks().is_empty()
        {
            decode(&mut file);
        }
    };
    for arguments in [
        &["-f", "webm", "-c:a", "libopus"][..],
        &["-f", "webm", "-c:a", "libopus", "-live", "1"],
        &["-f", "matroska", "-c:a", "pcm_s16le", "-ar", "8000"],
        &["-f", "matroska", "-c:a", "mp3"],
    ] {
        compare::survives(&converted(arguments), read);
    }
}
