//! Heads of AIFF and AIFF-C (Apple, Audio Interchange File Format 1.3 and the
//! AIFF-C draft of 1991).

use symphonia::core::codecs::audio::well_known::*;

use super::super::MediaError;
use super::super::forward::Forward;
use super::chunks::{Chunk, Style};
use super::data::Extent;
use super::head::Head;
use super::signal::{self, Endian, Signal};

/// Chunks before the sound.
const CHUNKS_MAX: usize = 4096;

const STYLE: Style = Style::Riff(Endian::Big);

/// A packet of `ima4`: of one channel, and the frames in it.
const IMA4_BYTES: u32 = 34;
const IMA4_FRAMES: u32 = 64;

/// Whether a file that begins so is one.
pub fn recognise(head: &[u8]) -> bool {
    head.starts_with(b"FORM") && matches!(head.get(8..12), Some(b"AIFF" | b"AIFC"))
}

/// Reads to the start of the sound.
pub fn read_head(input: &mut Forward) -> Result<Head, MediaError> {
    input.skip(12)?;
    let mut signal = None;
    let mut sound: Option<(u64, Chunk)> = None;
    for _ in 0..CHUNKS_MAX {
        if signal.is_some() && sound.is_some() {
            break;
        }
        let Some(chunk) = STYLE.take(input)? else {
            break;
        };
        let mut taken_bytes = 0;
        match &chunk.id {
            b"COMM" => {
                let wanted = usize::try_from(chunk.size_bytes).unwrap_or(usize::MAX);
                let common = input.take_up_to(wanted.min(4096))?;
                taken_bytes = common.len() as u64;
                signal = Some(read_common(&common)?);
            }
            b"SSND" => {
                sound = Some((input.position(), chunk));
                // The order of chunks is free, but a stream cannot be gone back in.
                if signal.is_some() || !input.is_file() {
                    break;
                }
            }
            _ => {}
        }
        STYLE.finish(input, chunk, taken_bytes)?;
    }
    let missing = |chunk: &str| MediaError::Damaged(format!("no {chunk} chunk was found in it"));
    let signal = signal.ok_or_else(|| match sound {
        None => MediaError::Truncated,
        Some(_) => missing("COMM"),
    })?;
    let Some((position, chunk)) = sound else {
        return Err(match input.peek(1)? {
            [] => MediaError::Truncated,
            _ => missing("SSND"),
        });
    };
    if input.position() != position {
        input.go_to(position)?;
    }
    let Some([a, b, c, d, _block @ ..]) = input.take::<8>()? else {
        return Err(MediaError::Truncated);
    };
    let offset_bytes = u32::from_be_bytes([a, b, c, d]);
    // The size counts these two fields and the offset; recorders that were killed
    // leave 0, or what they began with: 8.
    let claimed_bytes = u32::try_from(chunk.size_bytes).unwrap_or(u32::MAX);
    let counted_bytes = 8_u32.saturating_add(offset_bytes);
    input.skip(u64::from(offset_bytes))?;
    let nothing_follows = input.peek(1)?.is_empty() || STYLE.is_known_ahead(input)?;
    let extent = match claimed_bytes {
        0xffff_f000.. => Extent::ToTheEnd,
        claimed_bytes => Extent::from_u32(
            claimed_bytes.saturating_sub(counted_bytes),
            nothing_follows,
            input,
        ),
    };
    let mut head = Head::new("aiff", signal, extent, input);
    head.chunks = Some(STYLE);
    Ok(head)
}

/// The COMM chunk: channels, frames, bits of a sample, rate, in AIFF-C also a
/// compression and its name.
fn read_common(common: &[u8]) -> Result<Signal, MediaError> {
    let Some((fields, rest)) = common.split_first_chunk::<18>() else {
        return Err(MediaError::Damaged(format!(
            "its COMM chunk has only {} bytes",
            common.len()
        )));
    };
    let count = u32::from(u16::from_be_bytes([fields[0], fields[1]]));
    let bits = u32::from(u16::from_be_bytes([fields[6], fields[7]]));
    let mut extended = [0; 10];
    extended.copy_from_slice(&fields[8..]);
    let rate = rate(extended);
    signal::check(count, rate)?;
    let channels = signal::channels(count, 0);
    let compression = rest.first_chunk().unwrap_or(b"NONE");
    let bytes = match bits {
        0 => 2,
        bits => bits.div_ceil(8),
    };
    let sample = match compression {
        b"NONE" | b"twos" | b"none" => Endian::Big.signed(bytes).map(|codec| (codec, bytes)),
        b"sowt" => Endian::Little.signed(bytes).map(|codec| (codec, bytes)),
        b"raw " if bytes == 1 => Some((CODEC_ID_PCM_U8, 1)),
        b"raw " => Endian::Big.signed(bytes).map(|codec| (codec, bytes)),
        b"in24" => Some((CODEC_ID_PCM_S24BE, 3)),
        b"42ni" => Some((CODEC_ID_PCM_S24LE, 3)),
        b"in32" => Some((CODEC_ID_PCM_S32BE, 4)),
        b"23ni" => Some((CODEC_ID_PCM_S32LE, 4)),
        b"fl32" | b"FL32" => Some((CODEC_ID_PCM_F32BE, 4)),
        b"fl64" | b"FL64" => Some((CODEC_ID_PCM_F64BE, 8)),
        b"alaw" | b"ALAW" => Some((CODEC_ID_PCM_ALAW, 1)),
        b"ulaw" | b"ULAW" => Some((CODEC_ID_PCM_MULAW, 1)),
        b"ima4" if count <= 2 => {
            return Ok(Signal::blocks(
                CODEC_ID_ADPCM_IMA_QT,
                IMA4_BYTES * count,
                IMA4_FRAMES,
                channels,
                rate,
            ));
        }
        _ => None,
    };
    Ok(match sample {
        Some((codec, bytes)) => Signal::pcm(codec, bytes, channels, rate),
        None => Signal::named(name(compression, bits), channels, rate),
    })
}

fn name(compression: &[u8; 4], bits: u32) -> String {
    let name = match compression {
        b"NONE" | b"none" | b"twos" | b"sowt" | b"raw " => return format!("PCM of {bits} bits"),
        b"ima4" => "IMA ADPCM (QuickTime)",
        b"MAC3" => "MACE 3:1",
        b"MAC6" => "MACE 6:1",
        b"GSM " | b"agsm" => "GSM 6.10",
        b"G722" => "G.722",
        b"G726" => "G.726",
        b"G728" => "G.728",
        b"ADP4" => "Intel DVI ADPCM",
        b"QDM2" | b"QDMC" => "QDesign Music",
        b"Qclp" | b"QCLP" => "QCELP",
        b".mp3" => "MP3",
        _ => {
            return format!(
                "an unknown codec (\"{}\")",
                String::from_utf8_lossy(compression).escape_debug()
            );
        }
    };
    name.to_owned()
}

/// The 80 bits of an extended-precision number (IEEE 754), as a rate; 0 where it
/// is none.
fn rate(extended: [u8; 10]) -> u32 {
    let [sign_and_exponent @ .., a, b, c, d, e, f, g, h] = extended;
    let exponent = i32::from(u16::from_be_bytes(sign_and_exponent));
    let mantissa = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    // Saturates: a negative number is 0, one that is too large is refused later.
    if exponent >= 0x8000 {
        return 0;
    }
    (mantissa as f64 * 2_f64.powi(exponent - 16_383 - 63)).round() as u32
}
