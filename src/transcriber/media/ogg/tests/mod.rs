//! Ogg files as encoders write them, and modified ones.

mod content;
mod damage;
mod times;

use std::fs::File;

use symphonia::core::packet::Packet as CodecPacket;
use symphonia::core::units::{Duration, Timestamp};

use super::*;
use crate::media::codec;
use crate::testing::{self, converted};

const PHRASE: &str = "hello world please open the door, and one more sentence for good measure";

/// Decoded output of a file, downmixed to mono.
#[derive(Debug, Default)]
struct Output {
    /// From the start of the recording, gaps filled with silence.
    samples: Vec<f32>,
    rate: u32,
    /// Number of decoder changes.
    changes: usize,
    /// Reasons of losses.
    lost: Vec<String>,
    /// Frames that failed to decode.
    damaged: usize,
    cut_short: bool,
    end_bytes: Option<u64>,
}

impl Output {
    fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate)
    }

    /// A range in seconds.
    fn part(&self, from_s: f64, to_s: f64) -> &[f32] {
        let at = |s: f64| ((s * f64::from(self.rate)) as usize).min(self.samples.len());
        &self.samples[at(from_s)..at(to_s)]
    }
}

fn open(content: &[u8]) -> Result<OggReader, MediaError> {
    let file = testing::file(content);
    OggReader::open(Source::new(file, content.len() as u64))
}

fn output(content: &[u8]) -> Output {
    play(open(content).unwrap(), 0)
}

/// Decodes like the recording module: applies times and trimming.
fn play(mut reader: OggReader, track: usize) -> Output {
    let mut output = Output::default();
    let mut decoder = codec::decoder(&reader.tracks()[track].parameters).unwrap();
    let mut planes: Vec<Vec<f32>> = Vec::new();
    reader.select(track);
    // A bound on the steps for any test file.
    for _ in 0..1_000_000 {
        match reader.step().unwrap() {
            Step::Packet(packet) => {
                let data = CodecPacket::new(0, Timestamp::ZERO, Duration::ZERO, packet.data);
                let Ok(buffer) = decoder.decode(&data) else {
                    output.damaged += 1;
                    continue;
                };
                if let Some(time_s) = packet.time_s
                    && output.rate > 0
                {
                    let at = (time_s * f64::from(output.rate)).round() as i64;
                    let at = usize::try_from(at).unwrap_or(0);
                    assert!(at < 100_000_000, "{time_s} s");
                    output.samples.resize(at, 0.0);
                }
                if buffer.is_empty() {
                    continue;
                }
                // The first rate for all: test files have one rate or are
                // compared by length only.
                if output.rate == 0 {
                    output.rate = buffer.spec().rate();
                    if let Some(time_s) = packet.time_s {
                        let silence = (time_s * f64::from(output.rate)).round().max(0.0);
                        output.samples.resize(silence as usize, 0.0);
                    }
                }
                buffer.copy_to_vecs_planar(&mut planes);
                let frames = planes[0].len();
                let from = frames.min(packet.trim_start_frames as usize);
                let to = frames
                    .saturating_sub(packet.trim_end_frames as usize)
                    .max(from);
                let ratio = f64::from(output.rate) / f64::from(buffer.spec().rate());
                let wanted = ((to - from) as f64 * ratio).round() as usize;
                output.samples.extend((0..wanted).map(|at| {
                    let at = (from + (at as f64 / ratio) as usize).min(to - 1);
                    planes.iter().map(|plane| plane[at]).sum::<f32>() / planes.len() as f32
                }));
            }
            Step::Changed(parameters) => {
                output.changes += 1;
                decoder = codec::decoder(&parameters).unwrap();
            }
            Step::Lost { reason, .. } => output.lost.push(reason),
            Step::Nothing => {}
            Step::End => {
                output.cut_short = reader.is_cut_short();
                output.end_bytes = reader.end_bytes();
                return output;
            }
        }
    }
    panic!("no end");
}

/// Decoded by ffmpeg; with libopus, since its own decoder shifts noise a little.
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

/// The best correlation within a shift of `most` samples, and that shift.
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
fn assert_same(output: &[f32], expected: &[f32], rate: u32, name: &str) {
    let difference_s = (output.len() as f64 - expected.len() as f64) / f64::from(rate);
    assert!(difference_s.abs() < 0.05, "{name}: {difference_s} s longer");
    let (correlation, shift) = aligned(output, expected, rate / 100);
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

/// The pages of a file, for modification.
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
        let (page, following) = rest.split_at(27 + segments + body);
        pages.push(page.to_vec());
        rest = following;
    }
    pages
}

/// A page with a valid checksum and complete packets.
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

const OPUS: &[&str] = &["-c:a", "libopus", "-page_duration", "100000"];
const VORBIS: &[&str] = &["-c:a", "libvorbis", "-page_duration", "100000"];
const FLAC: &[&str] = &["-c:a", "flac", "-page_duration", "100000"];

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

/// A shared test recording, if it exists.
fn shared(name: &str) -> Option<Vec<u8>> {
    std::fs::read(shared_folder().join(name)).ok()
}

fn shared_folder() -> std::path::PathBuf {
    std::env::var_os("SCRIBED_RECORDINGS").map_or_else(
        || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/speech"),
        Into::into,
    )
}
