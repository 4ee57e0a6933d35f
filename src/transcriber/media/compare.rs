//! For reader tests: compares decoded packets with the output of ffmpeg.

use std::io::Write;
use std::panic::{self, AssertUnwindSafe};
use std::process::{Command, Stdio};

use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

use super::codec;
use super::reader::{Reader, Step};

/// Most steps a test takes; more means that the reader does not terminate.
const STEPS_MAX: usize = 2_000_000;

/// A packet this far from the end of the one before it is a gap; less is rounding
/// in the container.
const GAP_MIN_S: f64 = 0.04;

/// Decoded output of a reader.
#[derive(Debug, Default)]
pub struct Output {
    /// Interleaved, from the start of the timeline, gaps filled with zeros.
    pub samples: Vec<f32>,
    pub channels: usize,
    pub rate: u32,
    pub packets: usize,
    /// Reasons of losses, and of packets that failed to decode.
    pub lost: Vec<String>,
    pub changes: usize,
}

impl Output {
    pub fn duration_s(&self) -> f64 {
        (self.samples.len() / self.channels.max(1)) as f64 / f64::from(self.rate.max(1))
    }
}

/// Decodes the default track (else the first) to its end.
pub fn decode(reader: &mut dyn Reader) -> Output {
    let tracks = reader.tracks();
    let track = tracks.iter().position(|track| track.default).unwrap_or(0);
    let mut parameters = tracks[track].parameters.clone();
    reader.select(track);
    let mut decoder = codec::decoder(&parameters).ok();
    let mut output = Output::default();
    for _ in 0..STEPS_MAX {
        let packet = match reader.step() {
            Ok(Step::Packet(packet)) => packet,
            Ok(Step::Changed(changed)) => {
                output.changes += 1;
                parameters = *changed;
                decoder = codec::decoder(&parameters).ok();
                continue;
            }
            Ok(Step::Lost { reason, .. }) => {
                output.lost.push(reason);
                continue;
            }
            Ok(Step::Nothing) => continue,
            Ok(Step::End) => return output,
            Err(error) => {
                output.lost.push(error.to_string());
                return output;
            }
        };
        output.packets += 1;
        let frames = parameters.max_frames_per_packet.unwrap_or(0);
        let coded = Packet::new(0, Timestamp::new(0), Duration::new(frames), packet.data);
        let Some(working) = &mut decoder else {
            continue;
        };
        // symphonia's arithmetic overflows on damaged packets, which panics in
        // debug builds; these tests cover the readers only.
        let decoding = AssertUnwindSafe(|| {
            let buffer = working.decode(&coded).map_err(|error| error.to_string())?;
            let mut decoded = Vec::new();
            buffer.copy_to_vec_interleaved::<f32>(&mut decoded);
            Ok((
                buffer.spec().rate(),
                buffer.spec().channels().count(),
                decoded,
            ))
        });
        let decoded = panic::catch_unwind(decoding).unwrap_or_else(|_| {
            decoder = None;
            Err("the decoder panicked".to_owned())
        });
        let decoded = match decoded {
            Ok((rate, channels, decoded)) => {
                (output.rate, output.channels) = (rate, channels.max(1));
                decoded
            }
            Err(reason) => {
                output.lost.push(reason);
                continue;
            }
        };
        let frames = decoded.len() / output.channels;
        let start = (packet.trim_start_frames as usize).min(frames);
        let end = frames
            .saturating_sub(packet.trim_end_frames as usize)
            .max(start);
        let kept = &decoded[start * output.channels..end * output.channels];
        if let Some(time_s) = packet.time_s {
            let late_s = time_s - output.duration_s();
            if late_s > GAP_MIN_S {
                let silence = (late_s * f64::from(output.rate)).round() as usize * output.channels;
                output.samples.resize(output.samples.len() + silence, 0.0);
            }
        }
        output.samples.extend_from_slice(kept);
    }
    panic!("the reader does not end");
}

/// `content` decoded by ffmpeg: interleaved, in the file's channels and sample
/// rate.
pub fn ffmpeg(content: &[u8], arguments: &[&str]) -> Vec<f32> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(file.path())
        .args(arguments)
        .args(["-f", "f32le", "-"])
        .stdin(Stdio::null())
        .output()
        .expect("ffmpeg is needed for this test");
    output
        .stdout
        .chunks_exact(4)
        .map(|sample| f32::from_le_bytes([sample[0], sample[1], sample[2], sample[3]]))
        .collect()
}

/// Asserts that both are the same signal at the same times: equal in length
/// within 50 ms, and correlated by more than 0.99 when shifted by up to 10 ms,
/// either as a whole or in each half second (containers round their times).
pub fn is_same(name: &str, output: &Output, truth: &[f32]) {
    let channels = output.channels.max(1);
    let difference = output.samples.len().abs_diff(truth.len()) / channels;
    assert!(
        difference as f64 <= f64::from(output.rate) * 0.05,
        "{name}: {} samples, ffmpeg has {}; lost: {:?}",
        output.samples.len(),
        truth.len(),
        output.lost
    );
    let lag_max = output.rate as usize / 100 * channels;
    let whole = best_correlation(&output.samples, truth, 0, lag_max, channels);
    if whole > 0.99 {
        return;
    }
    let window = output.rate as usize / 2 * channels;
    let energy = |samples: &[f32]| -> f64 {
        samples
            .iter()
            .map(|sample| f64::from(sample * sample))
            .sum()
    };
    let same: f64 = output
        .samples
        .chunks(window.max(1))
        .enumerate()
        .filter(|(index, output)| {
            best_correlation(output, truth, index * window, lag_max, channels) > 0.99
        })
        .map(|(_, output)| energy(output))
        .sum();
    let share = same / energy(&output.samples);
    assert!(
        share > 0.93,
        "{name}: correlated by {whole}, in parts {share}"
    );
}

/// The best correlation of `output`, which begins near sample `start` of `truth`.
fn best_correlation(
    output: &[f32],
    truth: &[f32],
    start: usize,
    lag_max: usize,
    channels: usize,
) -> f64 {
    let mut best = 0.0;
    for lag in (0..=lag_max).step_by(channels) {
        let later = truth.get(start + lag..).unwrap_or_default();
        best = correlation(output, later).max(best);
        let earlier = match start.checked_sub(lag) {
            Some(start) => correlation(output, truth.get(start..).unwrap_or_default()),
            None => correlation(output.get(lag - start..).unwrap_or_default(), truth),
        };
        best = earlier.max(best);
        if best > 0.99 {
            break;
        }
    }
    best
}

fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let (mut both, mut of_a, mut of_b) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (f64::from(*a), f64::from(*b));
        both += a * b;
        of_a += a * a;
        of_b += b * b;
    }
    if of_a == 0.0 && of_b == 0.0 {
        return 1.0;
    }
    both / (of_a * of_b).sqrt().max(f64::MIN_POSITIVE)
}

/// A small deterministic random number generator.
pub struct Random(pub u64);

impl Random {
    /// A number less than `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

/// Asserts that a reader and its decoder survive truncated and damaged variants
/// of a file: no panic, no endless loop.
pub fn survives(content: &[u8], read: impl Fn(Vec<u8>)) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for length in (0..64).chain((0..40).map(|step| content.len() * step / 40)) {
        read(content[..length.min(content.len())].to_vec());
    }
    for round in 0..60 {
        let mut damaged = content.to_vec();
        // Half of the damage hits the headers.
        let range = if round % 2 == 0 { 400 } else { content.len() };
        for _ in 0..1 + random.below(12) {
            let at = random.below(range.min(content.len()));
            damaged[at] = random.below(256) as u8;
        }
        read(damaged);
    }
}
