//! Whole files, compared with what ffmpeg decodes, and damaged ones.

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

/// What is heard of a file.
#[derive(Default)]
pub struct Heard {
    /// Mixed to one channel, each frame at its time.
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

/// Plays a track of a reader to its end.
pub fn play(reader: &mut dyn Reader, track: usize) -> Heard {
    let mut heard = Heard::default();
    let mut parameters = reader.tracks()[track].parameters.clone();
    let mut decoder = codec::decoder(&parameters).ok();
    heard.rate = parameters.sample_rate.unwrap_or(0);
    reader.select(track);
    loop {
        match reader.step() {
            Ok(Step::Packet(packet)) => {
                heard.packets += 1;
                heard.bytes += packet.data.len();
                place(&mut heard, decoder.as_deref_mut(), &parameters, packet);
            }
            Ok(Step::Changed(changed)) => {
                heard.changes += 1;
                parameters = *changed;
                decoder = codec::decoder(&parameters).ok();
            }
            Ok(Step::Lost { reason, .. }) => heard.losses.push(reason),
            Ok(Step::Nothing) => {}
            Ok(Step::End) => {
                heard.ended = true;
                break;
            }
            Err(error) => {
                heard.losses.push(error.to_string());
                break;
            }
        }
    }
    heard.cut_short = reader.is_cut_short();
    heard.end_bytes = reader.end_bytes();
    heard
}

fn place(
    heard: &mut Heard,
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
            heard.errors += 1;
            return;
        }
    };
    heard.rate = buffer.spec().rate();
    let mut planes: Vec<Vec<f32>> = Vec::new();
    buffer.copy_to_vecs_planar(&mut planes);
    let frames = planes.first().map_or(0, Vec::len);
    let from = frames.min(packet.trim_start_frames as usize);
    let to = frames.saturating_sub(packet.trim_end_frames as usize);
    if from >= to {
        return;
    }
    let time_s = packet.time_s.unwrap_or(0.0);
    heard.first_s.get_or_insert(time_s);
    let at = (time_s * f64::from(heard.rate)).round().max(0.0) as usize;
    assert!(at < 200_000_000, "{time_s}");
    // Times that are rounded to milliseconds do not tear the sound apart.
    let at = match heard.samples.len().abs_diff(at) * 500 < heard.rate as usize {
        true => heard.samples.len(),
        false => at,
    };
    if heard.samples.len() < at + to - from {
        heard.samples.resize(at + to - from, 0.0);
    }
    for (index, sample) in heard.samples[at..at + to - from].iter_mut().enumerate() {
        let sum: f32 = planes.iter().map(|plane| plane[from + index]).sum();
        *sample = sum / planes.len() as f32;
    }
}

pub fn opened(content: &[u8]) -> Result<Mp4, MediaError> {
    Mp4::open(Source::new(testing::file(content), content.len() as u64))
}

pub fn heard(content: &[u8]) -> Heard {
    play(&mut opened(content).unwrap(), 0)
}

/// What ffmpeg decodes, one channel, gaps filled with silence.
pub fn reference(content: &[u8], rate: u32) -> Vec<f32> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    reference_of(file.path(), rate)
}

pub fn reference_of(path: &Path, rate: u32) -> Vec<f32> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-map", "0:a:0", "-ac", "1", "-ar", &rate.to_string()])
        .args(["-af", "aresample=async=1:min_hard_comp=0.05:first_pts=0"])
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

/// How many samples `a` is behind `b`, and how alike they are then.
pub fn alignment(a: &[f32], b: &[f32], reach: i64) -> (i64, f64) {
    let best = (-reach..=reach)
        .map(|lag| (lag, correlation(a, b, lag, 7)))
        .max_by(|x, y| x.1.total_cmp(&y.1))
        .unwrap();
    (best.0, correlation(a, b, best.0, 1))
}

/// `heard` is what ffmpeg decodes, at the same times.
pub fn assert_alike(name: &str, heard: &Heard, expected: &[f32], slack_samples: i64) {
    let reach = i64::from(heard.rate / 50);
    let (lag, alike) = alignment(&heard.samples, expected, reach);
    let (length, expected_length) = (heard.samples.len(), expected.len());
    let summary = format!(
        "{name}: {length} samples of {expected_length}, {lag} late, alike {alike:.4}, {} packets, {} errors, {:?}",
        heard.packets, heard.errors, heard.losses
    );
    assert!(heard.ended && heard.losses.is_empty(), "{summary}");
    assert!(heard.errors <= 1, "{summary}");
    assert!(
        length.abs_diff(expected_length) <= heard.rate as usize / 20,
        "{summary}"
    );
    assert!(alike > 0.99 && lag.abs() <= slack_samples, "{summary}");
}

fn ffmpeg(recording: &File, arguments: &[&str]) -> Vec<u8> {
    bytes(&converted(recording, arguments))
}

#[test]
fn all_that_ffmpeg_writes_sounds_as_there() {
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
            let arguments = [
                "-c:a", codec, "-ac", channels, "-strict", "-2", "-f", container,
            ];
            let content = ffmpeg(&spoken, &arguments);
            let name = format!("{codec} in {container}, {channels} channels");
            let mut reader = opened(&content).unwrap();
            let track = reader.tracks()[0].clone();
            assert_ne!(track.parameters.codec, CODEC_ID_NULL_AUDIO, "{name}");
            let heard = play(&mut reader, 0);
            let expected = reference(&content, heard.rate);
            assert_alike(&name, &heard, &expected, slack);
            let duration_s = track.duration_s.unwrap();
            let heard_s = heard.samples.len() as f64 / f64::from(heard.rate);
            assert!(
                (duration_s - heard_s).abs() < 0.05,
                "{name}: {duration_s} and {heard_s} s"
            );
            assert!(!heard.cut_short, "{name}");
            if codec.starts_with("pcm") {
                assert!(heard.packets <= heard.samples.len() / 2048 + 1, "{name}");
            }
        }
    }
}
