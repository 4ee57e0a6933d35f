//! FLAC files as encoders write them, and damaged, cut and joined ones.

use symphonia::core::packet::Packet as CodecPacket;
use symphonia::core::units::{Duration, Timestamp};

use super::*;
use crate::media::codec;
use crate::testing::{self, converted};

const PHRASE: &str = "hello world please open the door, and one more sentence for good measure";

/// Result of reading a file.
#[derive(Debug, Default, PartialEq)]
struct Output {
    /// The first channel, gaps filled with silence.
    samples: Vec<f32>,
    /// Seconds reported as lost.
    lost: Vec<f64>,
    /// Frames that failed to decode.
    damaged: usize,
    /// Steps without a result.
    nothing: usize,
    cut_short: bool,
    end_bytes: Option<u64>,
}

fn open(content: &[u8]) -> Result<FlacReader, MediaError> {
    FlacReader::open(Source::new(testing::file(content), content.len() as u64))
}

fn output(content: &[u8]) -> Output {
    play(open(content).unwrap())
}

fn play(mut reader: FlacReader) -> Output {
    let mut output = Output::default();
    let track = &reader.tracks()[0];
    let rate = f64::from(track.parameters.sample_rate.unwrap());
    let mut decoder = codec::decoder(&track.parameters).unwrap();
    let mut planes: Vec<Vec<f32>> = Vec::new();
    reader.select(0);
    for _ in 0..1_000_000 {
        match reader.step().unwrap() {
            Step::Packet(packet) => {
                let at = (packet.time_s.unwrap() * rate).round() as usize;
                output.samples.resize(at, 0.0);
                let data = CodecPacket::new(0, Timestamp::ZERO, Duration::ZERO, packet.data);
                let Ok(buffer) = decoder.decode(&data) else {
                    output.damaged += 1;
                    continue;
                };
                buffer.copy_to_vecs_planar(&mut planes);
                output.samples.extend(&planes[0]);
            }
            Step::Lost { duration_s, .. } => output.lost.push(duration_s.unwrap()),
            Step::Nothing => output.nothing += 1,
            Step::End => {
                output.cut_short = reader.is_cut_short();
                output.end_bytes = reader.end_bytes();
                return output;
            }
            Step::Changed(_) => panic!("it does not change"),
        }
    }
    panic!("no end");
}

fn flac(arguments: &[&str]) -> Vec<u8> {
    let mut all = vec!["-f", "flac"];
    all.extend(arguments);
    testing::bytes(&converted(&testing::spoken(PHRASE), &all))
}

/// The first channel, decoded by ffmpeg.
fn ffmpeg(content: &[u8]) -> Vec<f32> {
    let arguments = ["-f", "f32le", "-af", "pan=mono|c0=c0"];
    let bytes = testing::bytes(&converted(&testing::file(content), &arguments));
    let samples = bytes.chunks_exact(4);
    samples
        .map(|sample| f32::from_le_bytes(sample.try_into().unwrap()))
        .collect()
}

#[track_caller]
fn assert_same(output: &[f32], expected: &[f32], name: &str) {
    assert_eq!(output.len(), expected.len(), "{name}");
    let mut pairs = output.iter().zip(expected);
    let differs = pairs.position(|(left, right)| (left - right).abs() > 1e-4);
    assert_eq!(differs, None, "{name}");
}

/// Offset of the first frame.
fn frames_at(content: &[u8]) -> usize {
    let source = Source::new(testing::file(content), content.len() as u64);
    metadata(source, 0).unwrap().1 as usize
}

/// The file with other metadata blocks after its STREAMINFO.
fn with_blocks(content: &[u8], blocks: &[(u8, usize)]) -> Vec<u8> {
    let mut changed = content[..42].to_vec();
    changed[4] &= 0x7f;
    for (at, (kind, length)) in blocks.iter().enumerate() {
        let last = if at + 1 == blocks.len() { 0x80 } else { 0 };
        changed.push(kind | last);
        changed.extend(&(*length as u32).to_be_bytes()[1..]);
        changed.resize(changed.len() + length, 0xff);
    }
    changed.extend(&content[frames_at(content)..]);
    changed
}

fn id3v2(length: usize) -> Vec<u8> {
    let size = [21, 14, 7, 0].map(|shift| (length >> shift & 0x7f) as u8);
    let mut tag = b"ID3\x04\0\0".to_vec();
    tag.extend(size);
    tag.resize(10 + length, 0);
    tag
}

fn id3v1() -> Vec<u8> {
    let mut tag = b"TAG".to_vec();
    tag.resize(128, b' ');
    tag
}

fn ape() -> Vec<u8> {
    let mut tag = b"APETAGEX\xd0\x07\0\0\x2a\0\0\0\x01\0\0\0\0\0\0\xa0".to_vec();
    tag.resize(32, 0);
    tag.extend([b'x'; 10]);
    tag.extend(b"APETAGEX\xd0\x07\0\0\x2a\0\0\0\x01\0\0\0\0\0\0\x80");
    tag.resize(32 + 10 + 32, 0);
    tag
}

#[test]
fn output_matches_ffmpeg() {
    for arguments in [
        &[][..],
        &["-ac", "2", "-ar", "44100"],
        &["-ar", "96000", "-sample_fmt", "s32"],
        &["-ar", "8000", "-frame_size", "192"],
        &["-ac", "6", "-compression_level", "12"],
    ] {
        let content = flac(arguments);
        let name = format!("{arguments:?}");
        let output = output(&content);
        assert_same(&output.samples, &ffmpeg(&content), &name);
        assert!(
            output.lost.is_empty() && output.damaged == 0 && !output.cut_short,
            "{name}"
        );
        let reader = open(&content).unwrap();
        let track = &reader.tracks()[0];
        let rate = f64::from(track.parameters.sample_rate.unwrap());
        let claimed = track.duration_s.unwrap() * rate;
        assert_eq!(claimed.round() as usize, output.samples.len(), "{name}");
    }
}

#[test]
fn metadata_and_tags_are_skipped() {
    let plain = flac(&[]);
    let expected = output(&plain);
    // Padding, application, seek table, comment, cue sheet, picture, reserved.
    let blocks = [
        (1, 0),
        (2, 1_000),
        (3, 180),
        (4, 5_000),
        (5, 400),
        (6, 0xff_ffff),
        (17, 9),
    ];
    let many = vec![(6_u8, 2_000_000); 20];
    for (content, name) in [
        (with_blocks(&plain, &blocks), "blocks of all kinds"),
        (with_blocks(&plain, &many), "pictures"),
        ([id3v2(300), plain.clone()].concat(), "ID3v2"),
        (
            [id3v2(0), id3v2(70_000), plain.clone()].concat(),
            "two ID3v2",
        ),
        ([plain.clone(), id3v1()].concat(), "ID3v1"),
        ([plain.clone(), ape()].concat(), "APE"),
        ([plain.clone(), ape(), id3v1()].concat(), "APE and ID3v1"),
    ] {
        assert_eq!(output(&content), expected, "{name}");
    }
}

#[test]
fn reading_ends_at_an_appended_file() {
    let first = flac(&["-t", "2"]);
    let second = flac(&["-ar", "44100", "-ac", "2"]);
    let mut expected = output(&first);
    let begin = |length: usize| Some(length as u64);
    for (between, name) in [
        (vec![], "at once"),
        (id3v1(), "ID3v1"),
        (id3v2(100_000), "ID3v2"),
        ([id3v1(), id3v2(0)].concat(), "both"),
    ] {
        let joined = [first.clone(), between.clone(), second.clone()].concat();
        let tag = if between.starts_with(b"TAG") { 128 } else { 0 };
        expected.end_bytes = begin(first.len() + tag);
        assert_eq!(output(&joined), expected, "{name}");
    }
    // A boundary pattern within a metadata block is not a boundary.
    let mut content = with_blocks(&first, &[(2, 100)]);
    content[50..58].copy_from_slice(b"fLaC\0\0\0\x22");
    expected.end_bytes = None;
    assert_eq!(output(&content), expected);
}

#[test]
fn boundary_is_found_across_read_blocks() {
    let first = flac(&["-t", "0.3"]);
    let expected = output(&first);
    // Padding moves the frames, but reading begins with the frames: the length of
    // the first part moves the boundary instead.
    let start = frames_at(&first);
    for extra in 0..24 {
        let zeros = 32 * 1024 - (first.len() - start) - 12 + extra;
        let joined = [first.clone(), vec![0; zeros], first.clone()].concat();
        let output = output(&joined);
        assert_eq!(
            output.end_bytes,
            Some((first.len() + zeros) as u64),
            "{extra}"
        );
        let frames = output.samples.len();
        assert!(frames + 4_608 >= expected.samples.len(), "{frames}");
    }
}

#[test]
fn a_damaged_frame_is_skipped_and_reported() {
    let whole = flac(&["-frame_size", "1024"]);
    let expected = output(&whole);
    let start = frames_at(&whole);
    for part in 1..8 {
        let mut content = whole.clone();
        let at = start + (whole.len() - start) * part / 8;
        content[at..at + 20].fill(0x55);
        let output = output(&content);
        assert_eq!(output.lost.len(), 1, "{part}: {:?}", output.lost);
        let frames = output.lost[0] * 22_050.0;
        assert!(
            [1_024.0, 2_048.0]
                .iter()
                .any(|length| (length - frames).abs() < 0.01)
        );
        assert_eq!(output.samples.len(), expected.samples.len());
        let pairs = output.samples.iter().zip(&expected.samples);
        let different = pairs.filter(|(left, right)| left != right).count();
        assert!(different <= frames.round() as usize, "{part}: {different}");
    }
}

#[test]
fn a_file_cut_out_of_a_longer_one_begins_at_0() {
    let whole = flac(&["-frame_size", "1024"]);
    let expected = output(&whole).samples;
    let start = frames_at(&whole);
    // Frame 7: its header begins with the sync code and has the number 7.
    let is_frame =
        |at: &usize| frame::header(&whole[*at..]).is_some_and(|header| header.number == 7);
    let seventh = (start..whole.len()).find(is_frame).unwrap();
    let content = [&whole[..start], &whole[seventh..]].concat();
    let output = self::output(&content);
    assert_eq!(output.samples, expected[7 * 1_024..]);
    assert!(output.lost.is_empty(), "{:?}", output.lost);
    // Damage is not treated as such a file.
    for damage in [0..4, 100..110] {
        let mut content = whole.clone();
        content[start..][damage].fill(0);
        let output = self::output(&content);
        assert_eq!(output.samples[1_024..], expected[1_024..]);
        assert_eq!(output.lost.len(), 1);
    }
}

#[test]
fn lengths_in_the_header_may_be_wrong() {
    let whole = flac(&[]);
    let expected = output(&whole);
    let mut unknown = whole.clone();
    unknown[21] &= 0xf0;
    unknown[22..26].fill(0);
    assert_eq!(output(&unknown), expected);
    assert_eq!(open(&unknown).unwrap().tracks()[0].duration_s, None);
    let mut longer = whole.clone();
    longer[22] = 1;
    let longer = output(&longer);
    assert!(longer.cut_short);
    assert_eq!(longer.samples, expected.samples);
    // Block sizes that contradict the frames.
    for (smallest, largest) in [(16_u16, 4_608_u16), (0, 0), (4_608, 65_535), (16, 16)] {
        let mut content = whole.clone();
        content[8..10].copy_from_slice(&smallest.to_be_bytes());
        content[10..12].copy_from_slice(&largest.to_be_bytes());
        assert_eq!(output(&content), expected, "{smallest} {largest}");
    }
}

#[test]
fn truncated_files_are_read_to_their_end() {
    let whole = flac(&[]);
    let start = frames_at(&whole);
    let expected = output(&whole).samples;
    for part in 0..60 {
        let cut = whole.len() * part / 60 + part;
        let name = format!("{cut} of {}", whole.len());
        match open(&whole[..cut]) {
            Ok(reader) => {
                let output = play(reader);
                assert!(output.cut_short && output.lost.is_empty(), "{name}");
                assert_eq!(output.samples, expected[..output.samples.len()], "{name}");
                let frames = expected.len() * (cut - start) / (whole.len() - start);
                assert!(output.samples.len() + 3 * 4_608 > frames, "{name}");
            }
            Err(error) => {
                assert!(matches!(error, MediaError::Truncated), "{name}: {error}");
                assert!(cut < start + 16, "{name}");
            }
        }
    }
}

#[test]
fn megabytes_without_frames_are_skipped_in_steps() {
    let whole = flac(&["-frame_size", "1024"]);
    let expected = output(&whole);
    let middle = frames_at(&whole) + (whole.len() - frames_at(&whole)) / 2;
    for filler in [0x00, 0xff, 0x55] {
        let junk = vec![filler; 24 * 1024 * 1024];
        let content = [&whole[..middle], &junk, &whole[middle..]].concat();
        let output = output(&content);
        assert!(output.nothing >= 4, "{}", output.nothing);
        assert_eq!(output.samples.len(), expected.samples.len());
        assert_eq!(output.lost.len(), 1);
    }
    let none = [&whole[..frames_at(&whole)], &vec![0x55; 80 * 1024 * 1024]].concat();
    let error = open(&none).err().unwrap();
    assert!(error.to_string().contains("no FLAC frame"), "{error}");
}

#[test]
fn flipped_bytes_neither_panic_nor_hang() {
    let whole = flac(&["-t", "2"]);
    let mut seed = 1_u32;
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as usize % below
    };
    for round in 0..150 {
        let mut content = whole.clone();
        for _ in 0..=round % 6 {
            let below = if round % 2 == 0 { content.len() } else { 200 };
            let at = random(below);
            content[at] ^= 1 << random(8);
        }
        let Ok(mut reader) = open(&content) else {
            continue;
        };
        reader.select(0);
        let mut steps = 0;
        while !matches!(reader.step(), Ok(Step::End) | Err(_)) {
            steps += 1;
            assert!(steps < content.len());
        }
    }
}

#[test]
fn shared_recordings_match_ffmpeg() {
    let folder = std::env::var_os("SCRIBED_RECORDINGS").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/speech"),
        std::path::PathBuf::from,
    );
    let Ok(files) = std::fs::read_dir(folder) else {
        return;
    };
    for file in files {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "flac") {
            continue;
        }
        let content = std::fs::read(&path).unwrap();
        let name = path.display().to_string();
        let mut output = output(&content);
        let samples = std::mem::take(&mut output.samples);
        // One of them ends with a frame that ffmpeg cannot decode either.
        output.damaged = 0;
        assert_eq!(output, Output::default(), "{name}");
        assert_same(&samples, &ffmpeg(&content), &name);
    }
}
