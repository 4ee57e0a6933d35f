//! Ogg files as encoders make them, and as they become on their way here.

use std::fs::File;

use symphonia::core::packet::Packet as CodecPacket;
use symphonia::core::units::{Duration, Timestamp};

use super::*;
use crate::media::codec;
use crate::testing::{self, converted};

const PHRASE: &str = "hello world please open the door, and one more sentence for good measure";

/// What a file sounds like, mixed to one channel.
#[derive(Debug, Default)]
struct Heard {
    /// From the start of the recording, gaps as silence.
    samples: Vec<f32>,
    rate: u32,
    /// Changes of the decoder.
    changes: usize,
    /// What was reported as lost.
    lost: Vec<String>,
    /// Frames that no decoder could decode.
    damaged: usize,
    cut_short: bool,
    end_bytes: Option<u64>,
}

impl Heard {
    fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate)
    }

    /// From second to second.
    fn part(&self, from_s: f64, to_s: f64) -> &[f32] {
        let at = |s: f64| ((s * f64::from(self.rate)) as usize).min(self.samples.len());
        &self.samples[at(from_s)..at(to_s)]
    }
}

fn open(content: &[u8]) -> Result<OggReader, MediaError> {
    let file = testing::file(content);
    OggReader::open(Source::new(file, content.len() as u64))
}

fn heard(content: &[u8]) -> Heard {
    play(open(content).unwrap(), 0)
}

/// Decodes as another part of this program will: places by times, trims.
fn play(mut reader: OggReader, track: usize) -> Heard {
    let mut heard = Heard::default();
    let mut decoder = codec::decoder(&reader.tracks()[track].parameters).unwrap();
    let mut planes: Vec<Vec<f32>> = Vec::new();
    reader.select(track);
    // A bounded number of steps for any file of a test.
    for _ in 0..1_000_000 {
        match reader.step().unwrap() {
            Step::Packet(packet) => {
                let data = CodecPacket::new(0, Timestamp::ZERO, Duration::ZERO, packet.data);
                let Ok(buffer) = decoder.decode(&data) else {
                    heard.damaged += 1;
                    continue;
                };
                if let Some(time_s) = packet.time_s
                    && heard.rate > 0
                {
                    let at = (time_s * f64::from(heard.rate)).round() as i64;
                    let at = usize::try_from(at).unwrap_or(0);
                    assert!(at < 100_000_000, "{time_s} s");
                    heard.samples.resize(at, 0.0);
                }
                if buffer.is_empty() {
                    continue;
                }
                // One rate for all, the first: files of tests do not differ in it
                // or are compared by length only.
                if heard.rate == 0 {
                    heard.rate = buffer.spec().rate();
                    if let Some(time_s) = packet.time_s {
                        let silence = (time_s * f64::from(heard.rate)).round().max(0.0);
                        heard.samples.resize(silence as usize, 0.0);
                    }
                }
                buffer.copy_to_vecs_planar(&mut planes);
                let frames = planes[0].len();
                let from = frames.min(packet.trim_start_frames as usize);
                let to = frames
                    .saturating_sub(packet.trim_end_frames as usize)
                    .max(from);
                let ratio = f64::from(heard.rate) / f64::from(buffer.spec().rate());
                let wanted = ((to - from) as f64 * ratio).round() as usize;
                heard.samples.extend((0..wanted).map(|at| {
                    let at = (from + (at as f64 / ratio) as usize).min(to - 1);
                    planes.iter().map(|plane| plane[at]).sum::<f32>() / planes.len() as f32
                }));
            }
            Step::Changed(parameters) => {
                heard.changes += 1;
                decoder = codec::decoder(&parameters).unwrap();
            }
            Step::Lost { reason, .. } => heard.lost.push(reason),
            Step::Nothing => {}
            Step::End => {
                heard.cut_short = reader.is_cut_short();
                heard.end_bytes = reader.end_bytes();
                return heard;
            }
        }
    }
    panic!("no end");
}

/// The same by ffmpeg; with libopus, for its own decoder shifts noise a little.
fn ffmpeg(content: &[u8], rate: u32) -> Vec<f32> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("content");
    std::fs::write(&path, content).unwrap();
    let is_opus = content
        .get(28..)
        .is_some_and(|at| at.starts_with(b"OpusHead"));
    let decoder: &[&str] = if is_opus { &["-c:a", "libopus"] } else { &[] };
    let output = std::process::Command::new("ffmpeg")
        .args(["-v", "error"])
        .args(decoder)
        .arg("-i")
        .arg(&path)
        .args(["-f", "f32le", "-ac", "1", "-ar", &rate.to_string(), "-"])
        .output()
        .unwrap();
    let samples = output.stdout.chunks_exact(4);
    samples
        .map(|sample| f32::from_le_bytes(sample.try_into().unwrap()))
        .collect()
}

fn correlation(left: &[f32], right: &[f32]) -> f64 {
    let product = |left: &[f32], right: &[f32]| -> f64 {
        let pairs = left.iter().zip(right);
        pairs
            .map(|(left, right)| f64::from(*left) * f64::from(*right))
            .sum()
    };
    let power = product(left, left).sqrt() * product(right, right).sqrt();
    if power == 0.0 {
        return 0.0;
    }
    product(left, right) / power
}

/// The best correlation within a shift of so many samples, and that shift.
fn aligned(left: &[f32], right: &[f32], most: u32) -> (f64, i64) {
    let most = i64::from(most);
    let shifted = |shift: i64| match usize::try_from(shift) {
        Ok(shift) => correlation(left.get(shift..).unwrap_or_default(), right),
        Err(_) => correlation(
            left,
            right
                .get(shift.unsigned_abs() as usize..)
                .unwrap_or_default(),
        ),
    };
    let at_once = shifted(0);
    if at_once > 0.995 {
        return (at_once, 0);
    }
    (-most..=most)
        .map(|shift| (shifted(shift), shift))
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .unwrap()
}

#[track_caller]
fn assert_same(heard: &[f32], expected: &[f32], rate: u32, name: &str) {
    let difference_s = (heard.len() as f64 - expected.len() as f64) / f64::from(rate);
    assert!(difference_s.abs() < 0.05, "{name}: {difference_s} s longer");
    let (correlation, shift) = aligned(heard, expected, rate / 100);
    assert!(correlation > 0.99, "{name}: {correlation} at {shift}");
    assert!(
        shift.unsigned_abs() * 1_000 <= u64::from(rate),
        "{name}: shifted by {shift}"
    );
}

fn spoken() -> File {
    testing::spoken(PHRASE)
}

fn ogg(arguments: &[&str]) -> Vec<u8> {
    let mut all = vec!["-f", "ogg"];
    all.extend(arguments);
    testing::bytes(&converted(&spoken(), &all))
}

/// The pages of a file, to be changed.
fn pages(content: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = content;
    let mut pages = Vec::new();
    while !rest.is_empty() {
        assert!(rest.starts_with(b"OggS"));
        let segments = usize::from(rest[26]);
        let body: usize = rest[27..27 + segments]
            .iter()
            .map(|l| usize::from(*l))
            .sum();
        let (page, behind) = rest.split_at(27 + segments + body);
        pages.push(page.to_vec());
        rest = behind;
    }
    pages
}

/// One page with a right checksum, of whole packets.
fn page(serial: u32, sequence: u32, flags: u8, granule: i64, packets: &[&[u8]]) -> Vec<u8> {
    let mut lacing = Vec::new();
    for packet in packets {
        lacing.extend(std::iter::repeat_n(255, packet.len() / 255));
        lacing.push((packet.len() % 255) as u8);
    }
    raw_page(serial, sequence, flags, granule, &lacing, &packets.concat())
}

fn raw_page(
    serial: u32,
    sequence: u32,
    flags: u8,
    granule: i64,
    lacing: &[u8],
    body: &[u8],
) -> Vec<u8> {
    let mut page = b"OggS\0".to_vec();
    page.push(flags);
    page.extend(granule.to_le_bytes());
    page.extend(serial.to_le_bytes());
    page.extend(sequence.to_le_bytes());
    page.extend([0; 4]);
    page.push(u8::try_from(lacing.len()).unwrap());
    page.extend(lacing);
    page.extend(body);
    seal(&mut page);
    page
}

fn seal(page: &mut [u8]) {
    page[22..26].fill(0);
    let crc = crc::update(0, page);
    page[22..26].copy_from_slice(&crc.to_le_bytes());
}

fn granule(page: &[u8]) -> i64 {
    i64::from_le_bytes(page[6..14].try_into().unwrap())
}

fn set_granule(page: &mut [u8], granule: i64) {
    page[6..14].copy_from_slice(&granule.to_le_bytes());
    seal(page);
}

#[test]
fn it_sounds_as_ffmpeg_decodes_it() {
    for (arguments, rate) in [
        (&["-c:a", "libopus"][..], 48_000),
        (
            &["-c:a", "libopus", "-ac", "2", "-frame_duration", "60"],
            48_000,
        ),
        (&["-c:a", "libopus", "-frame_duration", "2.5"], 48_000),
        (&["-c:a", "libopus", "-page_duration", "20000"], 48_000),
        (&["-c:a", "libvorbis"], 22_050),
        (
            &["-c:a", "libvorbis", "-ac", "2", "-ar", "44100", "-q:a", "6"],
            44_100,
        ),
        (&["-c:a", "libvorbis", "-page_duration", "10000"], 22_050),
        (&["-c:a", "flac"], 22_050),
        (
            &["-c:a", "flac", "-ac", "2", "-page_duration", "100000"],
            22_050,
        ),
    ] {
        let content = ogg(arguments);
        let heard = heard(&content);
        let expected = ffmpeg(&content, rate);
        let name = format!("{arguments:?}");
        assert_eq!(heard.rate, rate, "{name}");
        assert_same(&heard.samples, &expected, rate, &name);
        assert!(heard.lost.is_empty() && heard.damaged == 0, "{heard:?}");
        assert!(!heard.cut_short && heard.end_bytes.is_none());
        let reader = open(&content).unwrap();
        let claimed_s = reader.tracks()[0].duration_s.unwrap();
        assert!(
            (claimed_s - heard.seconds()).abs() < 0.001,
            "{name}: {claimed_s}"
        );
        assert_eq!(reader.others(), "");
    }
}

const OPUS: &[&str] = &["-c:a", "libopus", "-page_duration", "100000"];
const VORBIS: &[&str] = &["-c:a", "libvorbis", "-page_duration", "100000"];
const FLAC: &[&str] = &["-c:a", "flac", "-page_duration", "100000"];

#[test]
fn a_gap_in_the_granule_positions_is_silence() {
    for arguments in [OPUS, VORBIS, FLAC] {
        let whole = ogg(arguments);
        let whole_heard = heard(&whole);
        let rate = whole_heard.rate;
        let all = pages(&whole);
        let middle = all.len() / 2;
        // Pages that a recorder left out (numbers run on) and pages that were lost.
        for numbers_run_on in [true, false] {
            let mut content = all[..middle].concat();
            let lost = 5;
            for page in &all[middle + lost..] {
                let mut page = page.clone();
                if numbers_run_on {
                    let number = u32::from_le_bytes(page[18..22].try_into().unwrap());
                    page[18..22].copy_from_slice(&(number - lost as u32).to_le_bytes());
                }
                seal(&mut page);
                content.extend(page);
            }
            let name = format!("{arguments:?} {numbers_run_on}");
            let heard = heard(&content);
            assert_eq!(heard.lost.is_empty(), numbers_run_on, "{name}: {heard:?}");
            let skip = granule(&all[middle - 1]) as f64 / f64::from(rate);
            let back = granule(&all[middle + lost - 1]) as f64 / f64::from(rate);
            let whole_s = whole_heard.seconds();
            assert!((heard.seconds() - whole_s).abs() < 0.001, "{name}");
            assert_same(
                heard.part(back + 0.1, whole_s),
                whole_heard.part(back + 0.1, whole_s),
                rate,
                &name,
            );
            assert_same(
                heard.part(0.0, skip),
                whole_heard.part(0.0, skip),
                rate,
                &name,
            );
            let silent = heard.part(skip + 0.05, back - 0.1);
            assert!(silent.iter().all(|sample| *sample == 0.0), "{name}");
        }
    }
}

#[test]
fn a_stream_cut_out_of_a_broadcast_begins_at_0() {
    for (arguments, headers) in [(OPUS, 2), (VORBIS, 2), (FLAC, 2)] {
        let whole = ogg(arguments);
        let whole_heard = heard(&whole);
        let mut all = pages(&whole);
        for page in &mut all[headers..] {
            let granule = granule(page);
            set_granule(page, granule + 1_000_000_000);
        }
        let name = format!("{arguments:?}");
        let later = heard(&all.concat());
        assert!(later.lost.is_empty(), "{name}: {:?}", later.lost);
        assert_same(&later.samples, &whole_heard.samples, later.rate, &name);
        // Tapped later: headers, then pages from the middle, none the last.
        let tapped = [
            all[..headers].concat(),
            all[headers + 9..all.len() - 2].concat(),
        ]
        .concat();
        let tapped = heard(&tapped);
        assert!(tapped.lost.is_empty(), "{name}: {:?}", tapped.lost);
        assert!(!tapped.cut_short, "{name}");
        let from_s = (granule(&all[headers + 8]) - 1_000_000_000) as f64 / f64::from(later.rate);
        assert!(tapped.seconds() > 1.0, "{name}");
        // A Vorbis decoder gives nothing for its first packet: up to a block later.
        let later_s = if arguments == VORBIS { 0.047 } else { 0.0 };
        let same = (0..=47).map(|ms| f64::from(ms) / 1_000.0).any(|shift_s| {
            shift_s <= later_s && {
                let from_s = from_s + 0.1 + shift_s;
                let expected = whole_heard.part(from_s, from_s + 0.5);
                aligned(tapped.part(0.1, 0.6), expected, later.rate / 1_000).0 > 0.97
            }
        });
        assert!(same, "{name}");
    }
}

#[test]
fn files_joined_with_cat_are_heard_one_behind_the_other() {
    let vorbis: &[&str] = &["-c:a", "libvorbis", "-ac", "2", "-ar", "48000"];
    for (first, second) in [(OPUS, vorbis), (vorbis, OPUS), (OPUS, OPUS), (FLAC, FLAC)] {
        let (first, second) = (ogg(first), ogg(second));
        let (one, two) = (heard(&first), heard(&second));
        for padding in [0, 100] {
            let joined = [first.clone(), vec![0; padding], second.clone()].concat();
            let both = heard(&joined);
            assert_eq!(both.changes, 1);
            assert!(both.lost.is_empty() && !both.cut_short, "{:?}", both.lost);
            assert_eq!(both.end_bytes, None);
            let seconds = one.seconds() + two.seconds();
            assert!((both.seconds() - seconds).abs() < 0.002);
            assert_same(
                both.part(0.0, one.seconds()),
                &one.samples,
                one.rate,
                "first",
            );
            assert_same(
                both.part(one.seconds(), 1e9),
                &two.samples,
                one.rate,
                "second",
            );
        }
        let joined = [first, second].concat();
        assert_eq!(open(&joined).unwrap().tracks()[0].duration_s, None);
    }
}

#[test]
fn another_kind_of_file_behind_it_is_left_to_others() {
    let content = ogg(OPUS);
    let wav = testing::bytes(&spoken());
    let joined = [content.clone(), wav].concat();
    let heard = heard(&joined);
    assert_eq!(heard.end_bytes, Some(content.len() as u64));
    assert!(heard.lost.is_empty() && !heard.cut_short);
}

#[test]
fn a_damaged_page_costs_what_it_holds() {
    for arguments in [OPUS, VORBIS, FLAC] {
        let whole = ogg(arguments);
        let whole_heard = heard(&whole);
        let all = pages(&whole);
        let middle = all.len() / 2;
        let before: usize = all[..middle].iter().map(Vec::len).sum();
        let back = granule(&all[middle]) as f64 / f64::from(whole_heard.rate);
        // In its body, its checksum, its capture pattern, its lacing values, its
        // length; and everything.
        for damage in [200..201, 22..23, 0..1, 27..29, 26..27, 0..all[middle].len()] {
            let mut content = whole.clone();
            content[before..][damage.clone()].fill(0x55);
            let heard = heard(&content);
            let name = format!("{arguments:?} {damage:?}");
            assert_eq!(heard.lost.len(), 1, "{name}: {:?}", heard.lost);
            assert!(
                (heard.seconds() - whole_heard.seconds()).abs() < 0.001,
                "{name}"
            );
            assert_same(
                heard.part(back + 0.1, 1e9),
                whole_heard.part(back + 0.1, 1e9),
                heard.rate,
                &name,
            );
        }
    }
}

#[test]
fn a_file_cut_anywhere_is_read_as_far_as_it_goes() {
    for arguments in [OPUS, VORBIS, FLAC] {
        let whole = ogg(arguments);
        let whole_s = heard(&whole).seconds();
        let borders: Vec<usize> = pages(&whole)
            .iter()
            .scan(0, |at, page| {
                *at += page.len();
                Some(*at)
            })
            .collect();
        for part in 0..60 {
            let cut = whole.len() * part / 60 + part;
            let name = format!("{arguments:?} {cut} of {}", whole.len());
            match open(&whole[..cut]) {
                Ok(reader) => {
                    let heard = play(reader, 0);
                    let at_border = borders.contains(&cut);
                    assert_eq!(heard.cut_short, !at_border, "{name}");
                    assert!(heard.lost.is_empty(), "{name}: {:?}", heard.lost);
                    let expected_s = whole_s * cut as f64 / whole.len() as f64;
                    assert!(
                        heard.rate == 0 || heard.seconds() > expected_s - 0.7,
                        "{name}"
                    );
                }
                Err(error) => assert!(cut < borders[1], "{name}: {error}"),
            }
        }
    }
}

#[test]
fn flipped_bytes_neither_panic_nor_hang() {
    let mut seed = 1_u32;
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as usize % below
    };
    for arguments in [OPUS, VORBIS, FLAC] {
        let whole = ogg(arguments);
        let all = pages(&whole);
        for round in 0..40 {
            // Half of them in pages whose checksum is right nevertheless.
            let mut content = if round % 2 == 0 {
                let mut all = all.clone();
                for _ in 0..=random(4) {
                    let page = random(all.len());
                    let at = random(all[page].len());
                    all[page][at] ^= 1 << random(8);
                    seal(&mut all[page]);
                }
                all.concat()
            } else {
                whole.clone()
            };
            for _ in 0..round % 5 {
                let at = random(content.len());
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
}

/// A file from ffmpeg with several inputs.
fn made(arguments: &[&str]) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("made.ogg");
    let speech = directory.path().join("speech.wav");
    std::fs::write(&speech, testing::bytes(&spoken())).unwrap();
    let output = std::process::Command::new("ffmpeg")
        .args(["-v", "error"])
        .args(arguments.iter().map(|argument| match *argument {
            "SPEECH" => speech.to_str().unwrap(),
            other => other,
        }))
        .arg(&path)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    std::fs::read(path).unwrap()
}

const FILM: &[&str] = &[
    "-f",
    "lavfi",
    "-i",
    "testsrc2=size=64x48:rate=10:duration=8",
];

#[test]
fn sound_that_begins_later_than_the_picture_stays_there() {
    for (video, offset_s) in [("libtheora", 6.0), ("libtheora", 0.0), ("libvpx", 3.0)] {
        for audio in ["libvorbis", "libopus"] {
            let offset = offset_s.to_string();
            let film = [
                FILM,
                &["-itsoffset", &offset, "-i", "SPEECH", "-c:v", video],
                &["-c:a", audio, "-b:v", "50k"],
            ];
            let content = made(&film.concat());
            let reader = open(&content).unwrap();
            assert_eq!(reader.others(), "1 video track");
            assert_eq!(reader.tracks().len(), 1);
            let whole = heard(&ogg(&["-c:a", audio]));
            let late = play(reader, 0);
            let name = format!("{video} {audio} {offset}");
            let claimed_s = open(&content).unwrap().tracks()[0].duration_s.unwrap();
            assert!(
                (claimed_s - late.seconds()).abs() < 0.002,
                "{name}: {claimed_s}"
            );
            let begin = late.samples.iter().position(|sample| sample.abs() > 0.02);
            let alone = whole.samples.iter().position(|sample| sample.abs() > 0.02);
            let shift_s = (begin.unwrap() as f64 - alone.unwrap() as f64) / f64::from(late.rate);
            assert!((shift_s - offset_s).abs() < 0.05, "{name}: {shift_s}");
        }
    }
}

#[test]
fn each_of_several_tracks_can_be_chosen() {
    let arguments = [
        "-i",
        "SPEECH",
        "-f",
        "lavfi",
        "-i",
        "sine=440:duration=3",
        "-map",
        "1:a",
        "-map",
        "0:a",
        "-c:a:0",
        "libvorbis",
        "-c:a:1",
        "libopus",
    ];
    let content = made(&arguments);
    let reader = open(&content).unwrap();
    let names: Vec<&str> = reader.tracks().iter().map(|track| &*track.codec).collect();
    assert_eq!(names, ["vorbis", "opus"]);
    let speech = heard(&ogg(&["-c:a", "libopus"]));
    assert_same(&play(reader, 1).samples, &speech.samples, 48_000, "second");
    let sine = play(open(&content).unwrap(), 0);
    assert!((sine.seconds() - 3.0).abs() < 0.01);
}

#[test]
fn what_cannot_be_decoded_here_is_named() {
    let speex = ogg(&["-c:a", "libspeex", "-ar", "16000"]);
    let surround = ogg(&["-c:a", "libopus", "-ac", "6"]);
    let pcm = page(
        7,
        0,
        2,
        0,
        &[b"PCM     \0\0\0\0\0\0\0\x02\0\0\xac\x44\x10\x02\0\0\0\0\0\0\0\0"],
    );
    for (content, codec, channels, known) in [
        (speex, "Speex", 1, false),
        (surround, "opus", 6, true),
        (pcm, "PCM in Ogg", 0, false),
        (page(7, 0, 2, 0, &[b"CELT    "]), "CELT", 0, false),
    ] {
        let reader = open(&content).unwrap();
        let track = &reader.tracks()[0];
        assert_eq!(track.codec, codec);
        let has = track
            .parameters
            .channels
            .as_ref()
            .map_or(0, |channels| channels.count());
        assert_eq!(has, channels, "{codec}");
        let null = symphonia::core::codecs::audio::CODEC_ID_NULL_AUDIO;
        assert_eq!(track.parameters.codec != null, known, "{codec}");
        assert!(codec::decoder(&track.parameters).is_err(), "{codec}");
    }
    let reader = open(&made(&[FILM, &["-c:v", "libtheora"]].concat())).unwrap();
    assert!(reader.tracks().is_empty());
    assert_eq!(reader.others(), "1 video track");
}

#[test]
fn speex_packets_know_their_time() {
    let content = ogg(&["-c:a", "libspeex", "-ar", "16000"]);
    let expected_s = ffmpeg(&content, 16_000).len() as f64 / 16_000.0;
    let mut reader = open(&content).unwrap();
    reader.select(0);
    let (mut frames, mut last_s) = (0, 0.0);
    loop {
        match reader.step().unwrap() {
            Step::Packet(packet) => {
                last_s = packet.time_s.unwrap_or(last_s);
                frames += 320 - packet.trim_start_frames - packet.trim_end_frames;
            }
            Step::End => break,
            _ => {}
        }
    }
    let heard_s = frames as f64 / 16_000.0;
    assert!(
        (heard_s - expected_s).abs() < 0.05,
        "{heard_s} s of {expected_s}"
    );
    assert!(last_s > expected_s - 1.1 && last_s < expected_s);
}

#[test]
fn exactly_the_pre_skip_is_cut_off() {
    let whole = ogg(&["-c:a", "libopus", "-page_duration", "20000"]);
    let mut all = pages(&whole);
    let total = granule(all.last().unwrap());
    for pre_skip in [0_u16, 312, 960, 961, 3_840, 40_000] {
        let at = 28 + 10;
        all[0][at..at + 2].copy_from_slice(&pre_skip.to_le_bytes());
        seal(&mut all[0]);
        let mut reader = open(&all.concat()).unwrap();
        reader.select(0);
        let (mut trimmed, mut first_s, mut packets) = (0, None, 0);
        while let step = reader.step().unwrap()
            && !matches!(step, Step::End)
        {
            if let Step::Packet(packet) = step {
                trimmed += packet.trim_start_frames;
                packets += 1;
                if first_s.is_none() && packet.trim_start_frames < 960 {
                    first_s = packet.time_s;
                }
            }
        }
        assert_eq!(trimmed, u64::from(pre_skip));
        assert!(packets > 50);
        assert!(first_s.unwrap().abs() < 1e-9, "{pre_skip}: {first_s:?}");
        let heard = heard(&all.concat());
        assert_eq!(heard.samples.len() as i64, total - i64::from(pre_skip));
    }
}

#[test]
fn the_start_of_vorbis_is_trimmed_where_its_first_page_says_so() {
    let whole = ogg(VORBIS);
    let whole_heard = heard(&whole);
    let mut all = pages(&whole);
    let cut = 500;
    for page in &mut all[2..] {
        let granule = granule(page);
        set_granule(page, granule - cut);
    }
    let trimmed = heard(&all.concat());
    let expected = &whole_heard.samples[cut as usize..];
    assert_eq!(trimmed.samples.len(), expected.len());
    assert!(correlation(&trimmed.samples, expected) > 0.999);
}

#[test]
fn pages_without_granule_position_follow_the_ones_before() {
    for arguments in [OPUS, VORBIS, FLAC] {
        let whole = ogg(arguments);
        let mut all = pages(&whole);
        let count = all.len();
        for page in &mut all[5..count - 1] {
            set_granule(page, -1);
        }
        let heard = heard(&all.concat());
        let expected = self::heard(&whole);
        assert_same(
            &heard.samples,
            &expected.samples,
            heard.rate,
            &format!("{arguments:?}"),
        );
    }
}

#[test]
fn long_comments_are_stepped_over() {
    let whole = ogg(OPUS);
    let all = pages(&whole);
    let serial = u32::from_le_bytes(all[0][14..18].try_into().unwrap());
    // 64 MiB in pages of 255 * 255 bytes.
    let pages_of_comment = 64 * 1024 * 1024 / 65_025;
    let mut content = all[0].clone();
    for number in 0..pages_of_comment {
        let mut body = vec![0; 65_025];
        if number == 0 {
            body[..8].copy_from_slice(b"OpusTags");
        }
        let flags = u8::from(number > 0);
        content.extend(raw_page(serial, number + 1, flags, -1, &[255; 255], &body));
    }
    content.extend(page(serial, pages_of_comment + 1, 1, 0, &[b"end"]));
    for (number, mut page) in (pages_of_comment + 2..).zip(all[2..].iter().cloned()) {
        page[18..22].copy_from_slice(&number.to_le_bytes());
        seal(&mut page);
        content.extend(page);
    }
    let long = heard(&content);
    let short = heard(&whole);
    assert!(long.lost.is_empty(), "{:?}", long.lost);
    assert_eq!(long.samples.len(), short.samples.len());
}

#[test]
fn codebooks_that_take_gigabytes_are_refused() {
    for name in ["vb8.ogg", "vb64.ogg"] {
        let Some(content) = shared(&format!("hostile/{name}")) else {
            return;
        };
        let Err(error) = open(&content) else {
            panic!("{name} is read");
        };
        assert!(
            error.to_string().contains("codebooks are larger"),
            "{error}"
        );
    }
}

/// A file of the collection of recordings, where it is there.
fn shared(name: &str) -> Option<Vec<u8>> {
    std::fs::read(shared_folder().join(name)).ok()
}

fn shared_folder() -> std::path::PathBuf {
    std::env::var_os("SCRIBED_RECORDINGS").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/speech"),
        Into::into,
    )
}

#[test]
fn all_recordings_of_the_collection_sound_as_ffmpeg_decodes_them() {
    for folder in ["", "findings"] {
        let Ok(files) = std::fs::read_dir(shared_folder().join(folder)) else {
            return;
        };
        for file in files {
            let path = file.unwrap().path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            if !matches!(extension, Some("ogg" | "opus")) {
                continue;
            }
            let content = std::fs::read(&path).unwrap();
            let name = path.display().to_string();
            let heard = heard(&content);
            assert!(heard.lost.is_empty() && heard.damaged == 0, "{name}");
            assert!(!heard.cut_short && heard.end_bytes.is_none(), "{name}");
            let expected = ffmpeg(&content, heard.rate);
            assert_same(&heard.samples, &expected, heard.rate, &name);
            let claimed_s = open(&content).unwrap().tracks()[0].duration_s;
            let claimed_s = claimed_s.unwrap_or_else(|| panic!("{name} has no length"));
            assert!(
                (claimed_s - heard.seconds()).abs() < 0.01,
                "{name}: {claimed_s}"
            );
        }
    }
}
