//! Decodes a file with ffmpeg.

use std::path::Path;
use std::process::{Command, Stdio};

/// How ffmpeg handles the timestamps of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// Jumps back, and jumps ahead of more than ten seconds, are joins of files:
    /// what follows is placed directly after.
    Mended,
    /// Gaps of any length are gaps. Differs only for ogg, asf, mpeg and flv.
    Kept,
    /// Ignored. Where rate or channels change in the middle, ffmpeg restarts its
    /// filters and would replace everything before by silence.
    Ignored,
}

/// Selected channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    /// All, downmixed.
    Mixed,
    /// A single one.
    One(usize),
}

/// Mono at 16 kHz, on the timeline of the file: a late start and gaps are filled
/// with silence. Fails with ffmpeg's message.
pub fn decoded(
    path: &Path,
    track: usize,
    channels: Channels,
    times: Times,
) -> Result<Vec<f32>, String> {
    let channel = match channels {
        Channels::Mixed => String::new(),
        Channels::One(channel) => format!("pan=mono|c0=c{channel},"),
    };
    // Gaps from 30 ms on: shorter ones are rounding of timestamps.
    let follow = match times {
        Times::Mended | Times::Kept => ":async=1:min_hard_comp=0.03:first_pts=0",
        Times::Ignored => "",
    };
    let filter = format!("{channel}aresample=16000{follow}");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error"]);
    if times == Times::Kept {
        ffmpeg.args(["-copyts", "-start_at_zero"]);
    }
    ffmpeg
        .arg("-i")
        .arg(path)
        .args(["-map", &format!("0:a:{track}")])
        .args(["-af", &filter])
        .args(["-ac", "1", "-f", "f32le", "-"])
        // ffmpeg counts from the start of the earliest track that it reads.
        .args(["-map", "0", "-c", "copy", "-f", "null", "-"]);
    let output = ffmpeg
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("ffmpeg: {error}"))?;
    if output.stdout.is_empty() {
        let message = String::from_utf8_lossy(&output.stderr);
        let last = message.lines().next_back().unwrap_or("no sound");
        return Err(format!("ffmpeg: {last}"));
    }
    Ok(output
        .stdout
        .as_chunks::<4>()
        .0
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .map(|sample| if sample.is_finite() { sample } else { 0.0 })
        .collect())
}
