//! Maps Matroska codec ids (RFC 9559 and draft-ietf-cellar-codec) to decoder
//! parameters.

use symphonia::core::codecs::audio::well_known::*;
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters, CODEC_ID_NULL_AUDIO};

use super::super::aac::RATES;
use super::super::codec;
use super::super::opus_packet::claimed_frames;
use super::super::pcm_files::{Endian, Framing, WaveFormat, channels};

/// Opus is always decoded at this rate; the track's rate is that of the original
/// input.
const OPUS_RATE: u32 = 48_000;

/// The audio fields of a track entry.
#[derive(Debug, Clone, Default)]
pub struct AudioEntry {
    pub codec_id: String,
    pub private: Box<[u8]>,
    pub rate: u32,
    pub channels: u32,
    pub bits: u32,
}

/// Decoder parameters and the display name of the codec.
pub fn parameters(entry: &AudioEntry) -> (AudioCodecParameters, String) {
    let mut parameters = AudioCodecParameters::new();
    parameters
        .with_sample_rate(entry.rate)
        .with_channels(channels(entry.channels, 0));
    let name = match known(entry, &mut parameters) {
        Some(codec) => {
            parameters.for_codec(codec);
            codec::name(codec)
        }
        None => {
            parameters.for_codec(CODEC_ID_NULL_AUDIO);
            name(entry)
        }
    };
    (parameters, name)
}

/// The codec id, if symphonia has one; completes `parameters`.
fn known(entry: &AudioEntry, parameters: &mut AudioCodecParameters) -> Option<AudioCodecId> {
    let private = &entry.private;
    Some(match entry.codec_id.as_str() {
        "A_OPUS" => {
            parameters.with_sample_rate(OPUS_RATE);
            if let Some(count) = opus_channels(private) {
                parameters.with_channels(channels(count, 0));
            }
            // The reader trims the pre-skip; the decoder must not trim it again.
            let mut header = private.clone();
            if let Some(pre_skip) = header.get_mut(10..12) {
                pre_skip.fill(0);
                parameters.with_extra_data(header);
            }
            CODEC_ID_OPUS
        }
        "A_VORBIS" => {
            parameters.with_extra_data(vorbis_headers(private)?);
            CODEC_ID_VORBIS
        }
        "A_FLAC" => {
            parameters.with_extra_data(flac_stream_info(private)?);
            CODEC_ID_FLAC
        }
        "A_ALAC" => {
            parameters.with_extra_data(private.clone());
            CODEC_ID_ALAC
        }
        "A_MPEG/L3" => CODEC_ID_MP3,
        "A_MPEG/L2" => CODEC_ID_MP2,
        "A_MPEG/L1" => CODEC_ID_MP1,
        // The ids before 2004 contain the profile; with SBR the rate is that of
        // the core.
        id if id == "A_AAC" || id.starts_with("A_AAC/") => {
            let config = if private.len() >= 2 {
                private.clone()
            } else {
                aac_config(id, entry.rate, entry.channels)?
            };
            parameters.with_extra_data(config);
            CODEC_ID_AAC
        }
        "A_PCM/INT/LIT" if entry.bits == 8 => CODEC_ID_PCM_U8,
        "A_PCM/INT/LIT" => Endian::Little.signed(entry.bits.div_ceil(8))?,
        "A_PCM/INT/BIG" => Endian::Big.signed(entry.bits.div_ceil(8))?,
        "A_PCM/FLOAT/IEEE" => Endian::Little.float(entry.bits.div_ceil(8))?,
        "A_MS/ACM" => return acm(private, parameters),
        _ => return None,
    })
}

/// CodecPrivate is a WAVEFORMATEX. ADPCM is left to the second decoder: a packet
/// may hold any number of blocks.
fn acm(private: &[u8], parameters: &mut AudioCodecParameters) -> Option<AudioCodecId> {
    let format = WaveFormat::parse(private, Endian::Little).ok()?;
    let signal = format.signal().ok()?;
    match signal.framing {
        Framing::Units { frames: 1, .. } | Framing::Mpeg => {}
        _ if format.is_raw_aac() && format.extra().len() >= 2 => {
            parameters.with_extra_data(format.extra().into());
            return Some(CODEC_ID_AAC);
        }
        _ => return None,
    }
    *parameters = signal.parameters;
    Some(parameters.codec)
}

/// Display name of a codec that symphonia does not have.
fn name(entry: &AudioEntry) -> String {
    let id = entry.codec_id.as_str();
    let name = match id {
        "A_MS/ACM" => match WaveFormat::parse(&entry.private, Endian::Little) {
            Ok(format) => return format.name(),
            Err(_) => "an unknown codec (A_MS/ACM without its format)",
        },
        "A_QUICKTIME" => {
            let sample_type = entry.private.get(4..8).unwrap_or_default();
            return format!(
                "QuickTime audio \"{}\"",
                String::from_utf8_lossy(sample_type).escape_debug()
            );
        }
        "A_VORBIS" => "Vorbis without its headers",
        "A_FLAC" => "FLAC without its stream information",
        "A_EAC3" => "E-AC-3 (Dolby Digital Plus)",
        "A_MLP" => "MLP (Meridian)",
        "A_TRUEHD" => "TrueHD (Dolby)",
        "A_TTA1" => "True Audio",
        "A_WAVPACK4" => "WavPack",
        "A_MPC" => "Musepack",
        "A_ATRAC/AT1" => "ATRAC1",
        "A_REAL/14_4" => "RealAudio 1.0 (14.4)",
        "A_REAL/28_8" => "RealAudio 2.0 (28.8)",
        "A_REAL/COOK" => "RealAudio Cook",
        "A_REAL/SIPR" => "RealAudio Sipro",
        "A_REAL/RALF" => "RealAudio Lossless",
        "A_REAL/ATRC" => "ATRAC3 (RealAudio)",
        _ if id.starts_with("A_PCM/") => return format!("PCM of {} bits", entry.bits),
        _ if id.starts_with("A_AC3") => "AC-3 (Dolby Digital)",
        _ if id.starts_with("A_DTS") => "DTS",
        _ if id.starts_with("A_AAC") => "AAC",
        _ if id.starts_with("A_QUICKTIME/QDM") => "QDesign Music",
        _ => {
            let id: String = id.chars().take(40).collect();
            return format!("an unknown codec (\"{}\")", id.escape_debug());
        }
    };
    name.to_owned()
}

/// Channel count of an OpusHead (RFC 7845, section 5.1).
fn opus_channels(private: &[u8]) -> Option<u32> {
    if !private.starts_with(b"OpusHead") {
        return None;
    }
    private
        .get(9)
        .map(|count| u32::from(*count))
        .filter(|count| *count > 0)
}

/// Pre-skip of an OpusHead, in frames.
pub fn opus_pre_skip(private: &[u8]) -> Option<u64> {
    if !private.starts_with(b"OpusHead") {
        return None;
    }
    let bytes = private.get(10..12)?;
    Some(u64::from(u16::from_le_bytes([bytes[0], bytes[1]])))
}

/// Identification and setup header, concatenated, from CodecPrivate, which also
/// has the comment header, in Xiph lacing.
fn vorbis_headers(private: &[u8]) -> Option<Box<[u8]>> {
    let headers = super::block::frames(private, super::block::Lacing::Xiph)?;
    let of_type = |kind: u8| {
        headers
            .iter()
            .find(|header| header.first() == Some(&kind) && header.get(1..7) == Some(b"vorbis"))
    };
    Some([*of_type(1)?, *of_type(5)?].concat().into())
}

/// The STREAMINFO block from CodecPrivate, which holds the start of a FLAC file.
fn flac_stream_info(private: &[u8]) -> Option<Box<[u8]>> {
    let mut blocks = private.strip_prefix(b"fLaC")?;
    loop {
        let ([kind, a, b, c], rest) = blocks.split_first_chunk()?;
        let size = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let block = rest.get(..size)?;
        if kind & 0x7f == 0 {
            return (size == 34).then(|| block.into());
        }
        blocks = &rest[size..];
    }
}

/// An AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1) for the old ids, which have
/// no CodecPrivate.
fn aac_config(id: &str, rate: u32, channels: u32) -> Option<Box<[u8]>> {
    let object_type: u16 = match id.rsplit('/').find(|part| *part != "SBR")? {
        "MAIN" => 1,
        "SSR" => 3,
        "LTP" => 4,
        _ => 2,
    };
    let index = RATES.iter().position(|known| *known == rate)? as u16;
    let channels = u16::try_from(channels).ok().filter(|count| *count <= 7)?;
    let config = object_type << 11 | index << 7 | channels << 3;
    Some(config.to_be_bytes().into())
}

/// Decoded frames of a packet, if easily determined.
pub fn packet_frames(parameters: &AudioCodecParameters, packet: &[u8]) -> Option<u64> {
    match parameters.codec {
        CODEC_ID_OPUS => claimed_frames(packet),
        CODEC_ID_AAC => Some(1024),
        CODEC_ID_MP3 => match parameters.sample_rate {
            Some(..32_000) => Some(576),
            _ => Some(1152),
        },
        CODEC_ID_MP2 => Some(1152),
        CODEC_ID_MP1 => Some(384),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(codec_id: &str, private: &[u8], rate: u32, channels: u32, bits: u32) -> AudioEntry {
        AudioEntry {
            codec_id: codec_id.to_owned(),
            private: private.into(),
            rate,
            channels,
            bits,
        }
    }

    #[test]
    fn codecs_and_their_names() {
        let mu_law = b"\x07\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0\0\0";
        let gsm = b"\x31\0\x01\0\x40\x1f\0\0\x59\x06\0\0\x41\0\0\0\0\0";
        for (entry, codec, name) in [
            (entry("A_MPEG/L3", b"", 44_100, 2, 0), CODEC_ID_MP3, "mp3"),
            (
                entry("A_PCM/INT/LIT", b"", 44_100, 2, 8),
                CODEC_ID_PCM_U8,
                "pcm_u8",
            ),
            (
                entry("A_PCM/INT/BIG", b"", 44_100, 2, 24),
                CODEC_ID_PCM_S24BE,
                "pcm_s24be",
            ),
            (
                entry("A_PCM/FLOAT/IEEE", b"", 44_100, 2, 64),
                CODEC_ID_PCM_F64LE,
                "pcm_f64le",
            ),
            (
                entry("A_MS/ACM", mu_law, 8000, 1, 8),
                CODEC_ID_PCM_MULAW,
                "pcm_mulaw",
            ),
            (
                entry("A_MS/ACM", gsm, 8000, 1, 0),
                CODEC_ID_NULL_AUDIO,
                "GSM 6.10",
            ),
            (
                entry("A_AC3/BSID9", b"", 48_000, 6, 0),
                CODEC_ID_NULL_AUDIO,
                "AC-3 (Dolby Digital)",
            ),
            (
                entry("A_DTS/EXPRESS", b"", 48_000, 6, 0),
                CODEC_ID_NULL_AUDIO,
                "DTS",
            ),
            (
                entry("A_QUICKTIME", b"\0\0\0\x24QDM2", 8000, 1, 0),
                CODEC_ID_NULL_AUDIO,
                "QuickTime audio \"QDM2\"",
            ),
            (
                entry("A_FLAC", b"", 48_000, 1, 16),
                CODEC_ID_NULL_AUDIO,
                "FLAC without its stream information",
            ),
            (
                entry("A_PCM/INT/LIT", b"", 48_000, 1, 64),
                CODEC_ID_NULL_AUDIO,
                "PCM of 64 bits",
            ),
            (
                entry("A_NEW", b"", 48_000, 1, 64),
                CODEC_ID_NULL_AUDIO,
                "an unknown codec (\"A_NEW\")",
            ),
        ] {
            let (parameters, found) = parameters(&entry);
            assert_eq!((parameters.codec, found.as_str()), (codec, name));
        }
    }

    #[test]
    fn old_aac_ids_yield_a_config() {
        for (id, rate, channels, expected) in [
            ("A_AAC/MPEG4/LC", 44_100, 2, Some([0x12, 0x10])),
            ("A_AAC/MPEG4/LC/SBR", 22_050, 2, Some([0x13, 0x90])),
            ("A_AAC/MPEG2/MAIN", 48_000, 1, Some([0x09, 0x88])),
            ("A_AAC", 12_345, 1, None),
        ] {
            let config = aac_config(id, rate, channels);
            assert_eq!(
                config.as_deref(),
                expected.as_ref().map(|bytes| &bytes[..]),
                "{id}"
            );
        }
    }

    #[test]
    fn durations_of_opus_packets() {
        for (packet, frames) in [
            (&[0b0000_1000][..], Some(960)),
            (&[0b1111_1000], Some(960)),
            (&[0b1000_0001], Some(240)),
            (&[0b0111_1011, 3], Some(2880)),
            (&[0b0111_1011], None),
            (&[], None),
        ] {
            assert_eq!(claimed_frames(packet), frames, "{packet:02x?}");
        }
    }
}
