//! The `fmt ` chunk of wav: WAVEFORMAT (14 bytes), PCMWAVEFORMAT (16),
//! WAVEFORMATEX (18 and more) and WAVEFORMATEXTENSIBLE (40) of the Multimedia
//! Programming Interface; also in Matroska (`A_MS/ACM`) and AVI.
//!
//! Recorders write contradictory fields. What is used:
//! - integers: the bits per sample, rounded up to bytes; a larger container
//!   (20 bits in 4 bytes) only if `nBlockAlign` and `nAvgBytesPerSec` agree on
//!   it; without usable bits, `nBlockAlign`. Valid bits are the most significant
//!   ones of their container, so their number does not matter;
//! - A-law and mu-law: one byte per sample, whatever other fields state;
//! - the rate, unless it is impossible and other fields imply another;
//! - ADPCM: `nBlockAlign`, from which the frames of a block follow.

use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::well_known::*;

use super::super::MediaError;
use super::super::limits::RATES;
use super::signal::{self, Endian, Framing, Signal};
use super::wave_tags;

/// Only this much of the chunk is read: the extensions in use are shorter.
pub const READ_MAX_BYTES: usize = 4096;

const TAG_PCM: u16 = 0x0001;
const TAG_ADPCM_MS: u16 = 0x0002;
const TAG_FLOAT: u16 = 0x0003;
const TAG_ALAW: u16 = 0x0006;
const TAG_MULAW: u16 = 0x0007;
const TAG_ADPCM_IMA: u16 = 0x0011;
const TAG_MPEG: u16 = 0x0050;
const TAG_MP3: u16 = 0x0055;
const TAG_AAC: u16 = 0x00ff;
const TAG_ADTS: u16 = 0x1600;
const TAG_EXTENSIBLE: u16 = 0xfffe;

/// KSDATAFORMAT_SUBTYPE_*: the bytes after the format tag, which is in the first
/// two.
const SUBTYPE_OF_TAG: &[u8] = &[
    0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x80, 0x00, 0x00, 0xaa, 0x00, 0x38, 0x9b, 0x71,
];
/// The same for Ambisonic B-format files.
const SUBTYPE_OF_AMBISONIC: &[u8] = &[
    0x00, 0x00, 0x21, 0x07, 0xd3, 0x11, 0x86, 0x44, 0xc8, 0xc1, 0xca, 0x00, 0x00, 0x00,
];

/// The fields of a `fmt ` chunk.
#[derive(Debug, Clone)]
pub struct WaveFormat {
    endian: Endian,
    /// Format tag; for WAVEFORMATEXTENSIBLE that of the sub-format, or `Err` with
    /// the first bytes of a sub-format without a tag.
    tag: Result<u16, u32>,
    channels: u16,
    rate: u32,
    bytes_per_second: u32,
    block_bytes: u16,
    /// Bits of a sample in its container; 0: not given.
    bits: u16,
    channel_mask: u32,
    /// The bytes after WAVEFORMATEX, without WAVEFORMATEXTENSIBLE.
    extra: Vec<u8>,
}

impl WaveFormat {
    /// Parses a chunk, of which [`READ_MAX_BYTES`] are enough.
    pub fn parse(chunk: &[u8], endian: Endian) -> Result<Self, MediaError> {
        let half = |offset: usize| {
            let bytes = chunk.get(offset..offset + 2)?;
            Some(endian.u16([bytes[0], bytes[1]]))
        };
        let word = |offset: usize| {
            let bytes = chunk.get(offset..offset + 4)?;
            Some(endian.u32([bytes[0], bytes[1], bytes[2], bytes[3]]))
        };
        let fields = || {
            Some(Self {
                endian,
                tag: Ok(half(0)?),
                channels: half(2)?,
                rate: word(4)?,
                bytes_per_second: word(8)?,
                block_bytes: half(12)?,
                bits: half(14).unwrap_or(0),
                channel_mask: 0,
                extra: chunk.get(18..).unwrap_or_default().to_vec(),
            })
        };
        let mut format = fields().ok_or_else(|| {
            MediaError::Damaged(format!("its `fmt ` chunk has only {} bytes", chunk.len()))
        })?;
        if matches!(format.tag, Ok(TAG_PCM | TAG_FLOAT | TAG_ALAW | TAG_MULAW)) {
            format.rate = format.corrected_rate();
        }
        if format.tag == Ok(TAG_EXTENSIBLE) {
            format.extend(word(20).unwrap_or(0), chunk.get(24..40).unwrap_or_default());
            format.extra = chunk.get(40..).unwrap_or_default().to_vec();
        }
        Ok(format)
    }

    /// Applies WAVEFORMATEXTENSIBLE, which overrides the fields before it.
    fn extend(&mut self, channel_mask: u32, subtype: &[u8]) {
        self.channel_mask = channel_mask;
        self.tag = match subtype.split_at_checked(2) {
            // Truncated or left empty: presumably PCM.
            None => Ok(TAG_PCM),
            _ if subtype.iter().all(|byte| *byte == 0) => Ok(TAG_PCM),
            Some((tag, SUBTYPE_OF_TAG | SUBTYPE_OF_AMBISONIC)) => {
                Ok(u16::from_le_bytes([tag[0], tag[1]]))
            }
            Some(_) => Err(u32::from_be_bytes([
                subtype[0], subtype[1], subtype[2], subtype[3],
            ])),
        };
    }

    /// Frames per second.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// The rate implied by the other fields, if the rate field is impossible.
    fn corrected_rate(&self) -> u32 {
        let implied = self
            .bytes_per_second
            .checked_div(u32::from(self.block_bytes));
        match implied {
            Some(implied) if !RATES.contains(&self.rate) && RATES.contains(&implied) => implied,
            _ => self.rate,
        }
    }

    /// The average stated by the chunk.
    pub fn bytes_per_second(&self) -> u32 {
        self.bytes_per_second
    }

    /// Codec data after the fields.
    pub fn extra(&self) -> &[u8] {
        &self.extra
    }

    /// AAC without ADTS headers; [`WaveFormat::extra`] is its config.
    pub fn is_raw_aac(&self) -> bool {
        self.tag == Ok(TAG_AAC)
    }

    /// Display name of the codec.
    pub fn name(&self) -> String {
        match self.tag {
            Ok(tag) => wave_tags::name(tag),
            Err(subtype) => {
                format!("an unknown codec (WAVE sub-format starting with 0x{subtype:08x})")
            }
        }
    }

    /// The decoder parameters and framing.
    pub fn signal(&self) -> Result<Signal, MediaError> {
        let count = u32::from(self.channels);
        signal::check(count, self.rate)?;
        let channels = signal::channels(count, self.channel_mask);
        let named = |name: String| Signal::named(name, channels.clone(), self.rate);
        let Ok(tag) = self.tag else {
            return Ok(named(self.name()));
        };
        Ok(match tag {
            TAG_PCM => self.integers(channels),
            TAG_FLOAT => self.floats(channels),
            TAG_ALAW => Signal::pcm(CODEC_ID_PCM_ALAW, 1, channels, self.rate),
            TAG_MULAW => Signal::pcm(CODEC_ID_PCM_MULAW, 1, channels, self.rate),
            TAG_ADPCM_MS | TAG_ADPCM_IMA => self.adpcm(tag, channels)?,
            TAG_MPEG | TAG_MP3 => self.mpeg(tag, channels),
            TAG_ADTS => {
                let mut signal = named(wave_tags::name(tag));
                signal.parameters.for_codec(CODEC_ID_AAC);
                signal.framing = Framing::Adts;
                signal
            }
            tag => named(wave_tags::name(tag)),
        })
    }

    /// Bytes per sample by `nBlockAlign`, if that is a multiple of the channels.
    fn aligned_bytes(&self) -> Option<u32> {
        let bytes = self.block_bytes / self.channels;
        (bytes > 0 && self.block_bytes.is_multiple_of(self.channels)).then_some(u32::from(bytes))
    }

    /// Cool Edit's floats are labelled as integers: 24 bits in 4 bytes, or 32
    /// bits with the number 1 after the fields. They are scaled to those bits.
    fn is_cool_edit(&self) -> bool {
        self.aligned_bytes() == Some(4)
            && match self.bits {
                24 => self.extra.is_empty() && self.channel_mask == 0,
                32 => self.extra == [1, 0],
                _ => false,
            }
    }

    fn integers(&self, channels: Channels) -> Signal {
        let from_bits = u32::from(self.bits.div_ceil(8));
        let agreed = self.bytes_per_second == self.rate.saturating_mul(self.block_bytes.into());
        if self.is_cool_edit() {
            return Signal::named("Cool Edit floating-point PCM", channels, self.rate);
        }
        let bytes = match (from_bits, self.aligned_bytes()) {
            (1..=4, Some(aligned)) if aligned > from_bits && aligned <= 4 && agreed => aligned,
            (1..=4 | 8, _) => from_bits,
            (_, aligned) => aligned.unwrap_or(2),
        };
        let codec = match bytes {
            1 => Some(CODEC_ID_PCM_U8),
            bytes => self.endian.signed(bytes),
        };
        match codec {
            Some(codec) => Signal::pcm(codec, bytes, channels, self.rate),
            None => Signal::named(
                format!("PCM of {} bits", bytes.saturating_mul(8)),
                channels,
                self.rate,
            ),
        }
    }

    fn floats(&self, channels: Channels) -> Signal {
        let bytes = match (self.bits, self.aligned_bytes()) {
            (32, _) => 4,
            (64, _) => 8,
            (16 | 24, _) => u32::from(self.bits / 8),
            (_, aligned) => aligned.unwrap_or(4),
        };
        match self.endian.float(bytes) {
            Some(codec) => Signal::pcm(codec, bytes, channels, self.rate),
            None => Signal::named(
                format!("floating-point PCM of {} bits", bytes.saturating_mul(8)),
                channels,
                self.rate,
            ),
        }
    }

    fn adpcm(&self, tag: u16, channels: Channels) -> Result<Signal, MediaError> {
        let count = u32::from(self.channels);
        let block_bytes = u32::from(self.block_bytes);
        let head_bytes = count * if tag == TAG_ADPCM_MS { 7 } else { 4 };
        // symphonia decodes only these; ffmpeg decodes the others.
        if count > 2 || !matches!(self.bits, 0 | 4) || self.endian == Endian::Big {
            return Ok(Signal::named(wave_tags::name(tag), channels, self.rate));
        }
        let Some(coded_bytes) = block_bytes.checked_sub(head_bytes) else {
            return Err(MediaError::Damaged(format!(
                "its blocks of ADPCM have only {block_bytes} bytes"
            )));
        };
        let (codec, frames) = if tag == TAG_ADPCM_MS {
            (CODEC_ID_ADPCM_MS, coded_bytes * 2 / count + 2)
        } else if count == 1 {
            (CODEC_ID_ADPCM_IMA_WAV, coded_bytes * 2 + 1)
        } else {
            // Groups of 4 bytes of each channel.
            (CODEC_ID_ADPCM_IMA_WAV, coded_bytes / 8 * 8 + 1)
        };
        Ok(Signal::blocks(
            codec,
            block_bytes,
            frames,
            channels,
            self.rate,
        ))
    }

    /// MPEGLAYER3WAVEFORMAT and MPEG1WAVEFORMAT, whose first field is the layer.
    fn mpeg(&self, tag: u16, channels: Channels) -> Signal {
        const LAYER_1: u16 = 1;
        const LAYER_3: u16 = 4;
        let layer = match self.extra.first_chunk() {
            Some(layer) if tag == TAG_MPEG => self.endian.u16(*layer),
            _ if tag == TAG_MPEG => 2,
            _ => LAYER_3,
        };
        let (codec, name) = match layer {
            LAYER_1 => (CODEC_ID_MP1, "mp1"),
            LAYER_3 => (CODEC_ID_MP3, "mp3"),
            _ => (CODEC_ID_MP2, "mp2"),
        };
        let mut signal = Signal::named(name, channels, self.rate);
        signal.parameters.for_codec(codec);
        signal.framing = Framing::Mpeg;
        signal
    }
}
