//! Heads of wav: RIFF and RIFX, RF64 and BW64 (EBU Tech 3306, ITU-R BS.2088),
//! Sony Wave64.

use std::io;

use super::super::MediaError;
use super::super::forward::Forward;
use super::chunks::{Chunk, Style};
use super::data::Extent;
use super::head::{Head, Next};
use super::signal::Endian;
use super::wave_format::{self, WaveFormat};

/// Chunks before the sound; more are no recording but a trap.
const CHUNKS_MAX: usize = 4096;

/// Bytes 4 to 16 of the GUID that begins a Wave64 file, after `riff`.
const WAVE64_FILE: &[u8] = &[
    0x2e, 0x91, 0xcf, 0x11, 0xa5, 0xd6, 0x28, 0xdb, 0x04, 0xc1, 0x00, 0x00,
];

/// Container and chunks of a file that begins so; 40 bytes are enough.
pub fn recognise(head: &[u8]) -> Option<(&'static str, Style)> {
    let form = head.get(8..12);
    let riff = match head.get(..4)? {
        b"RIFF" => ("wav", Style::Riff(Endian::Little)),
        b"RIFX" => ("rifx", Style::Riff(Endian::Big)),
        b"RF64" => ("rf64", Style::Riff(Endian::Little)),
        b"BW64" => ("bw64", Style::Riff(Endian::Little)),
        b"riff" if head.get(4..16) == Some(WAVE64_FILE) && head.get(24..28) == Some(b"wave") => {
            return Some(("w64", Style::Wave64));
        }
        _ => return None,
    };
    (form == Some(b"WAVE")).then_some(riff)
}

/// What was read on the way to the sound.
#[derive(Default)]
struct Found {
    format: Option<WaveFormat>,
    /// Size of the data from `ds64`.
    long_size_bytes: Option<u64>,
    /// Frames from `fact`.
    fact_frames: Option<u32>,
    /// Sound that came before its `fmt `: where, and what its chunk claimed.
    early: Option<(u64, u64)>,
}

/// Reads to the start of the sound.
pub fn read_head(
    input: &mut Forward,
    container: &'static str,
    style: Style,
) -> Result<Head, MediaError> {
    input.skip(match style {
        Style::Riff(_) => 12,
        Style::Wave64 => 40,
    })?;
    let mut found = Found::default();
    let mut size_bytes = None;
    for _ in 0..CHUNKS_MAX {
        let Some(chunk) = style.take(input)? else {
            if style != Style::Wave64 && style.resync(input)? {
                continue;
            }
            break;
        };
        if chunk.id == *b"data" {
            if found.format.is_some() {
                size_bytes = Some(chunk.size_bytes);
                break;
            }
            if !input.is_file() || found.early.is_some() {
                break;
            }
            found.early = Some((input.position(), chunk.size_bytes));
        }
        if !read_chunk(input, style, chunk, &mut found)? {
            break;
        }
        if let (Some(_), Some((position, early_bytes))) = (&found.format, found.early) {
            input.go_to(position)?;
            size_bytes = Some(early_bytes);
            break;
        }
    }
    let format = found.format.ok_or_else(|| ended(input, "`fmt `"))?;
    let size_bytes = size_bytes.ok_or_else(|| ended(input, "`data`"))?;
    let signal = format.signal()?;
    let extent = extent(input, style, size_bytes, found.long_size_bytes)?;
    let mut head = Head::new(container, signal, extent, input);
    // Of other codecs only an average is known: believed if two agree.
    if let (None, Some(frames), Some(data_bytes)) = (
        head.duration_s,
        found.fact_frames,
        extent.present_bytes(input),
    ) {
        let fact_s = f64::from(frames) / f64::from(format.rate());
        let average_s = data_bytes as f64 / f64::from(format.bytes_per_second());
        if (fact_s - average_s).abs() < 0.02 * fact_s + 0.1 {
            head.duration_s = Some(fact_s);
        }
    }
    head.chunks = Some(style);
    Ok(head)
}

fn ended(input: &mut Forward, chunk: &str) -> MediaError {
    match input.peek(1) {
        Ok([]) => MediaError::Truncated,
        _ => MediaError::Damaged(format!("no {chunk} chunk was found in its head")),
    }
}

/// False where the chunk claims more than there is, so that nothing follows it.
fn read_chunk(
    input: &mut Forward,
    style: Style,
    chunk: Chunk,
    found: &mut Found,
) -> Result<bool, MediaError> {
    let size_bytes = usize::try_from(chunk.size_bytes).unwrap_or(usize::MAX);
    let endian = match style {
        Style::Riff(endian) => endian,
        Style::Wave64 => Endian::Little,
    };
    let mut taken = Vec::new();
    match &chunk.id {
        b"fmt " => {
            taken = input.take_up_to(size_bytes.min(wave_format::READ_MAX_BYTES))?;
            found.format = Some(WaveFormat::parse(&taken, endian)?);
        }
        // riffSize, dataSize, sampleCount
        b"ds64" => {
            taken = input.take_up_to(size_bytes.min(24))?;
            found.long_size_bytes = taken
                .get(8..16)
                .and_then(|size| size.try_into().ok())
                .map(u64::from_le_bytes);
        }
        b"fact" => {
            taken = input.take_up_to(size_bytes.min(4))?;
            found.fact_frames = taken.first_chunk().map(|frames| endian.u32(*frames));
        }
        _ => {
            let beyond = input
                .left_bytes()
                .is_some_and(|left_bytes| chunk.size_bytes > left_bytes);
            if beyond {
                return Ok(style != Style::Wave64 && style.resync(input)?);
            }
        }
    }
    style.finish(input, chunk, taken.len() as u64)?;
    Ok(true)
}

/// At the start of the content of `data`.
fn extent(
    input: &mut Forward,
    style: Style,
    size_bytes: u64,
    long_size_bytes: Option<u64>,
) -> Result<Extent, MediaError> {
    let nothing_follows = input.peek(1)?.is_empty() || style.is_known_ahead(input)?;
    Ok(match (style, u32::try_from(size_bytes)) {
        (Style::Riff(_), Ok(u32::MAX)) => {
            Extent::from_u64(long_size_bytes.unwrap_or(0), nothing_follows)
        }
        (Style::Riff(_), Ok(size_bytes)) => Extent::from_u32(size_bytes, nothing_follows, input),
        _ => Extent::from_u64(size_bytes, nothing_follows),
    })
}

/// What follows sound of `size_bytes` that has just been read. `is_at_file` says
/// whether another file begins at the current place.
pub fn next(
    input: &mut Forward,
    style: Style,
    size_bytes: u64,
    is_at_file: fn(&mut Forward) -> io::Result<bool>,
) -> Result<Next, MediaError> {
    let mut chunk = Chunk {
        id: *b"data",
        size_bytes,
    };
    let mut taken_bytes = size_bytes;
    for _ in 0..CHUNKS_MAX {
        style.finish(input, chunk, taken_bytes)?;
        let position = input.position();
        if is_at_file(input)? {
            return Ok(Next::AnotherFile(position));
        }
        match style.take(input)? {
            Some(found) if found.id == *b"data" => {
                return Ok(Next::MoreSound(extent(
                    input,
                    style,
                    found.size_bytes,
                    None,
                )?));
            }
            Some(found) => (chunk, taken_bytes) = (found, 0),
            None => break,
        }
    }
    Ok(Next::Nothing)
}
