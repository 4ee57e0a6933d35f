//! What ffmpeg makes of a file.

use std::path::Path;
use std::process::{Command, Stdio};

/// How ffmpeg follows the timestamps of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// Jumps back, and jumps ahead of more than ten seconds, are those of joined
    /// files: what follows is heard right behind.
    Mended,
    /// Gaps of any length are gaps. Only ogg, asf, mpeg and flv differ.
    Kept,
}

/// Which channels are heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channels {
    /// All.
    Mixed,
    /// This one.
    One(usize),
}

/// Mono at 16 kHz, on the timeline of the file: what begins late or has gaps is
/// filled up with silence. Fails with ffmpeg's own words.
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
    // Gaps from 30 ms on: what is shorter is the rounding of timestamps.
    let filter = format!("{channel}aresample=16000:async=1:min_hard_comp=0.03:first_pts=0");
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
        .args(["-ac", "1", "-f", "f32le", "-"]);
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
