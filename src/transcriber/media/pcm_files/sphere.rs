//! Heads of NIST SPHERE, the format of speech corpora: lines of text, then samples.

use symphonia::core::codecs::audio::well_known::*;

use super::super::MediaError;
use super::super::forward::{AHEAD_MAX_BYTES, Forward};
use super::data::Extent;
use super::head::Head;
use super::signal::{self, Endian, Signal};

/// The first line and the second, which tells the length of the head.
const START: &[u8] = b"NIST_1A\n";
const START_BYTES: usize = 16;

/// Whether a file that begins so is one.
pub fn recognise(head: &[u8]) -> bool {
    head.starts_with(START)
}

/// Reads to the start of the sound.
pub fn read_head(input: &mut Forward) -> Result<Head, MediaError> {
    let head_bytes = std::str::from_utf8(input.peek(START_BYTES)?)
        .ok()
        .and_then(|start| start.get(START.len()..)?.trim().parse::<usize>().ok())
        .filter(|head_bytes| (START_BYTES..=AHEAD_MAX_BYTES).contains(head_bytes))
        .ok_or_else(|| damaged("length"))?;
    let head = input.take_up_to(head_bytes)?;
    if head.len() < head_bytes {
        return Err(MediaError::Truncated);
    }
    let head = String::from_utf8_lossy(&head);
    // Lines of `name -type value`, up to `end_head`.
    let field = |name: &str| {
        head.lines()
            .take_while(|line| line.trim() != "end_head")
            .find_map(|line| {
                let (found, value) = line.trim().split_once(' ')?;
                let (_type, value) = value.trim().split_once(' ')?;
                (found == name).then(|| value.trim())
            })
    };
    let number = |name: &str| field(name)?.parse::<u32>().ok();
    let rate = number("sample_rate").ok_or_else(|| damaged("sample rate"))?;
    let count = number("channel_count").unwrap_or(1);
    signal::check(count, rate)?;
    let channels = signal::channels(count, 0);
    let coding = field("sample_coding").unwrap_or("pcm");
    let bytes = number("sample_n_bytes").unwrap_or(2);
    let endian = match field("sample_byte_format") {
        Some("01" | "0123") => Endian::Little,
        _ => Endian::Big,
    };
    let sample = match coding {
        "pcm" => endian.signed(bytes).map(|codec| (codec, bytes)),
        "ulaw" | "mu-law" => Some((CODEC_ID_PCM_MULAW, 1)),
        "alaw" => Some((CODEC_ID_PCM_ALAW, 1)),
        _ => None,
    };
    let signal = match sample {
        Some((codec, bytes)) => Signal::pcm(codec, bytes, channels, rate),
        None if coding.contains("shorten") => Signal::named("Shorten", channels, rate),
        None => Signal::named(
            format!(
                "an unknown codec (SPHERE coding \"{}\")",
                coding.escape_debug()
            ),
            channels,
            rate,
        ),
    };
    // Frames, to be exact. Behind them the file should end; it is the end that counts
    // where it comes first.
    let size_bytes = match (number("sample_count"), sample) {
        (Some(frames), Some((_, bytes))) => u64::from(frames) * u64::from(count) * u64::from(bytes),
        _ => 0,
    };
    let nothing_follows = input.peek(1)?.is_empty();
    let extent = Extent::from_u64(size_bytes, nothing_follows);
    Ok(Head::new("sphere", signal, extent, input))
}

fn damaged(what: &str) -> MediaError {
    MediaError::Damaged(format!("its SPHERE head tells no {what}"))
}
