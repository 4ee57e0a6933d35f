//! Streams as found in practice, without a decoder.

use super::*;

const HEADER: [u8; 4] = [0xff, 0xfb, 0x90, 0x00];
const FRAME_BYTES: usize = 417;

/// Frames of 44.1 kHz stereo, each filled with its number.
fn mp3(frames: std::ops::Range<u8>) -> Vec<u8> {
    stream(HEADER, FRAME_BYTES, frames)
}

fn stream(header: [u8; 4], length_bytes: usize, frames: std::ops::Range<u8>) -> Vec<u8> {
    frames
        .flat_map(|number| {
            let mut frame = vec![number & 0x7f; length_bytes];
            frame[..4].copy_from_slice(&header);
            frame
        })
        .collect()
}

fn info(frames: u32, bytes: u32) -> Vec<u8> {
    let mut frame = vec![0; FRAME_BYTES];
    frame[..4].copy_from_slice(&HEADER);
    frame[36..40].copy_from_slice(b"Xing");
    frame[43] = 3;
    frame[44..48].copy_from_slice(&frames.to_be_bytes());
    frame[48..52].copy_from_slice(&bytes.to_be_bytes());
    frame
}

fn source(content: &[u8]) -> Source {
    Source::new(crate::testing::file(content), content.len() as u64)
}

/// Numbers of the frames returned, with `c` for a change and `l` for a loss; and
/// whether the stream is truncated.
fn read(content: &[u8]) -> (String, bool) {
    let mut reader = FrameReader::<Mpeg>::open(source(content)).expect("a stream");
    let mut found = Vec::new();
    loop {
        match reader.step().unwrap() {
            Step::Packet(packet) => found.push(packet.data.last().unwrap().to_string()),
            Step::Changed(_) => found.push("c".to_owned()),
            Step::Lost { .. } => found.push("l".to_owned()),
            Step::Nothing => {}
            Step::End => return (found.join(" "), reader.is_cut_short()),
        }
    }
}

#[test]
fn all_frames_are_returned_despite_other_data() {
    let mono = |frames| stream([0xff, 0xfb, 0x90, 0xc0], FRAME_BYTES, frames);
    let tag = b"ID3\x04\0\0\0\0\x02\0".iter().copied().chain([0xff; 256]);
    let picture: Vec<u8> = tag.collect();
    let mut title = b"TAG".to_vec();
    title.resize(128, b' ');
    let noise: Vec<u8> = (0..3000_u32)
        .map(|index| ((index * index) >> 3) as u8)
        .collect();
    for (name, parts, expected) in [
        ("plain", vec![mp3(1..6)], ("1 2 3 4 5", false)),
        (
            "tags around",
            vec![picture.clone(), mp3(1..5), title.clone()],
            ("1 2 3 4", false),
        ),
        (
            "joined",
            vec![picture.clone(), mp3(1..5), title, picture, mp3(5..8)],
            ("1 2 3 4 5 6 7", false),
        ),
        (
            "noise first",
            vec![noise.clone(), mp3(1..8)],
            ("1 2 3 4 5 6 7", false),
        ),
        (
            "noise between",
            vec![mp3(1..4), noise, mp3(4..8)],
            ("1 2 3 l 4 5 6 7", false),
        ),
        (
            "zeros between",
            vec![mp3(1..4), vec![0; 100_000], mp3(4..8)],
            ("1 2 3 4 5 6 7", false),
        ),
        (
            "a change",
            vec![mp3(1..4), mono(4..6)],
            ("1 2 3 c 4 5", false),
        ),
        (
            "cut",
            vec![mp3(1..4), mp3(4..5)[..300].to_vec()],
            ("1 2 3", true),
        ),
        (
            "informed",
            vec![info(3, 4 * 417), mp3(1..4)],
            ("1 2 3", false),
        ),
        (
            "informed and cut",
            vec![info(9, 10 * 417), mp3(1..4)],
            ("1 2 3", true),
        ),
        (
            "informed of nothing",
            vec![info(0, 0), mp3(1..4)],
            ("1 2 3", false),
        ),
        (
            "informed, then appended",
            vec![info(2, 3 * 417), mp3(1..5)],
            ("1 2 3 4", false),
        ),
    ] {
        let content = parts.concat();
        assert!(
            recognise::<Mpeg>(&content[..content.len().min(64 * 1024)]),
            "{name}"
        );
        let (found, cut_short) = read(&content);
        assert_eq!((found.as_str(), cut_short), expected, "{name}");
    }
}

#[test]
fn a_length_that_contradicts_the_file_is_ignored() {
    let duration_s = |content: Vec<u8>| {
        let reader = FrameReader::<Mpeg>::open(source(&content)).unwrap();
        reader.tracks()[0].duration_s
    };
    let whole = duration_s([info(3, 4 * 417), mp3(1..4)].concat());
    assert!((whole.unwrap() - 3.0 * 1152.0 / 44_100.0).abs() < 1e-9);
    assert_eq!(duration_s([info(2, 3 * 417), mp3(1..9)].concat()), None);
    assert_eq!(duration_s([info(0, 0), mp3(1..9)].concat()), None);
    assert_eq!(duration_s(mp3(1..9)), None);
}

#[test]
fn other_files_are_not_detected_as_streams() {
    let noise: Vec<u8> = (0..60_000_u32)
        .map(|index| (index.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    assert!(!recognise::<Mpeg>(&noise));
    assert!(!recognise::<Adts>(&noise));
    assert!(!recognise::<Adts>(&mp3(1..9)));
    assert!(!recognise::<Mpeg>(b"Dear Sir or Madam"));
    assert!(!recognise::<Mpeg>(&HEADER));
}

#[test]
fn encoder_delay_and_padding_are_trimmed_across_frames() {
    let lame = [&b"LAME3.100"[..], &[0; 12], &[0x44, 0x08, 0x11]].concat();
    let mut tag = info(4, 5 * 417);
    tag[52..52 + lame.len()].copy_from_slice(&lame);
    let content = [tag, mp3(1..5)].concat();
    let mut reader = FrameReader::<Mpeg>::open(source(&content)).unwrap();
    let mut trims = Vec::new();
    while let Step::Packet(packet) = reader.step().unwrap() {
        trims.push((packet.trim_start_frames, packet.trim_end_frames));
    }
    // 0x440 and 529 samples at the start; 0x811 less 529 at the end.
    assert_eq!(trims, [(1152, 0), (465, 0), (0, 384), (0, 1152)]);
    assert_eq!(
        reader.tracks()[0].duration_s,
        Some((1152 - 465 + 768) as f64 / 44_100.0)
    );
}
