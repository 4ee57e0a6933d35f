//! Heads of AU, also called SND (Sun, NeXT), and of its little-endian twin (DEC).

use symphonia::core::codecs::audio::well_known::*;

use super::super::MediaError;
use super::super::forward::Forward;
use super::data::Extent;
use super::head::Head;
use super::signal::{self, Endian, Signal};

const HEAD_BYTES: u32 = 24;

fn endian(head: &[u8]) -> Option<Endian> {
    match head.get(..4)? {
        b".snd" => Some(Endian::Big),
        b"dns." => Some(Endian::Little),
        _ => None,
    }
}

/// Whether a file that begins so is one.
pub fn recognise(head: &[u8]) -> bool {
    endian(head).is_some()
}

/// Reads to the start of the sound.
pub fn read_head(input: &mut Forward) -> Result<Head, MediaError> {
    let Some(head) = input.take::<{ HEAD_BYTES as usize }>()? else {
        return Err(MediaError::Truncated);
    };
    let endian = endian(&head).unwrap_or(Endian::Big);
    let field = |index: usize| {
        let bytes = &head[index * 4..][..4];
        endian.u32([bytes[0], bytes[1], bytes[2], bytes[3]])
    };
    let [offset_bytes, size_bytes, encoding, rate, count] = [1, 2, 3, 4, 5].map(field);
    signal::check(count, rate)?;
    let channels = signal::channels(count, 0);
    let sample = match encoding {
        1 => Some((CODEC_ID_PCM_MULAW, 1)),
        2..=5 => endian
            .signed(encoding - 1)
            .map(|codec| (codec, encoding - 1)),
        6 => endian.float(4).map(|codec| (codec, 4)),
        7 => endian.float(8).map(|codec| (codec, 8)),
        27 => Some((CODEC_ID_PCM_ALAW, 1)),
        _ => None,
    };
    let signal = match sample {
        Some((codec, bytes)) => Signal::pcm(codec, bytes, channels, rate),
        None => Signal::named(name(encoding), channels, rate),
    };
    // An annotation of any length, which ends with zeros.
    input.skip(u64::from(offset_bytes.saturating_sub(HEAD_BYTES)))?;
    let nothing_follows = input.peek(1)?.is_empty();
    let extent = Extent::from_u32(size_bytes, nothing_follows, input);
    Ok(Head::new("au", signal, extent, input))
}

fn name(encoding: u32) -> String {
    match encoding {
        23 => "G.721 ADPCM (AU)".to_owned(),
        24 => "G.722".to_owned(),
        25 => "G.723 ADPCM of 3 bits".to_owned(),
        26 => "G.723 ADPCM of 5 bits".to_owned(),
        encoding => format!("an unknown codec (AU encoding {encoding})"),
    }
}
