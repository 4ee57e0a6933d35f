//! Complete files, compared with ffmpeg's output, and damaged ones.

mod descriptions;
mod edits;
mod files;
mod fragments;
mod hostile;
mod made;

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
                place_samples(&mut output, decoder.as_deref_mut(), &parameters, packet);
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

fn place_samples(
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

/// Offset of the first box of a type in a small file.
fn find(content: &[u8], kind: &[u8; 4]) -> usize {
    content
        .windows(4)
        .position(|word| word == kind)
        .unwrap_or_else(|| panic!("no {}", kind.escape_ascii()))
}
