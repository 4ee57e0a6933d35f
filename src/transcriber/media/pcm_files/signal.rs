//! Sample format and layout of a PCM file's data.

use symphonia::core::audio::{Channels, Position};
use symphonia::core::codecs::audio::well_known::*;
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters, CODEC_ID_NULL_AUDIO};

use super::super::limits::CHANNELS_MAX;
use super::super::{MediaError, codec};

/// Frames in a packet if all samples have the same size.
const PACKET_FRAMES: u32 = 4096;

/// Codec and framing of a file's only track.
#[derive(Debug, Clone)]
pub struct Signal {
    /// For its decoder.
    pub parameters: AudioCodecParameters,
    /// Display name.
    pub codec: String,
    /// How the data is divided into packets.
    pub framing: Framing,
}

/// How data is divided into packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Units of constant size: a frame of all channels, or an ADPCM block.
    Units {
        /// Bytes of one unit, not 0.
        bytes: u32,
        /// Frames of a decoded unit.
        frames: u32,
        /// Units in a packet.
        per_packet: u32,
    },
    /// A stream of MPEG audio frames (layers I to III), delimited by their own
    /// headers.
    Mpeg,
    /// AAC in ADTS frames, likewise.
    Adts,
    /// Unknown, since there is no decoder.
    Other,
}

/// Refuses unrealistic formats before memory is allocated for them.
pub fn check(channels: u32, rate: u32) -> Result<(), MediaError> {
    if channels == 0 || channels > u32::from(CHANNELS_MAX) {
        return Err(MediaError::Excessive(format!(
            "it claims {channels} channels"
        )));
    }
    if rate == 0 {
        return Err(MediaError::SampleRate(rate));
    }
    Ok(())
}

/// A channel set with the positions in `mask` (dwChannelMask of
/// WAVEFORMATEXTENSIBLE; 0: none) if it names `count` of them.
pub fn channels(count: u32, mask: u32) -> Channels {
    match Position::from_wave_channel_mask(mask) {
        Some(positions) if positions.bits().count_ones() == count => {
            Channels::Positioned(positions)
        }
        _ => match count {
            1 => Channels::Positioned(Position::FRONT_LEFT),
            2 => Channels::Positioned(Position::FRONT_LEFT | Position::FRONT_RIGHT),
            _ => Channels::Discrete(u16::try_from(count).unwrap_or(u16::MAX)),
        },
    }
}

impl Signal {
    /// Interleaved samples of `sample_bytes` each.
    pub fn pcm(codec: AudioCodecId, sample_bytes: u32, channels: Channels, rate: u32) -> Self {
        let bytes = sample_bytes * channels.count() as u32;
        let mut signal = Self::named(codec::name(codec), channels, rate);
        signal
            .parameters
            .for_codec(codec)
            .with_max_frames_per_packet(u64::from(PACKET_FRAMES));
        signal.framing = Framing::Units {
            bytes,
            frames: 1,
            per_packet: PACKET_FRAMES,
        };
        signal
    }

    /// ADPCM blocks, each a packet of its own: the decoder needs the number of
    /// frames of a packet, which must be constant (`max_frames_per_packet`).
    pub fn blocks(
        codec: AudioCodecId,
        bytes: u32,
        frames: u32,
        channels: Channels,
        rate: u32,
    ) -> Self {
        let mut signal = Self::named(codec::name(codec), channels, rate);
        signal
            .parameters
            .for_codec(codec)
            .with_frames_per_block(u64::from(frames))
            .with_max_frames_per_packet(u64::from(frames));
        signal.framing = Framing::Units {
            bytes,
            frames,
            per_packet: 1,
        };
        signal
    }

    /// A codec that symphonia does not have.
    pub fn named(codec: impl Into<String>, channels: Channels, rate: u32) -> Self {
        let mut parameters = AudioCodecParameters::new();
        parameters
            .for_codec(CODEC_ID_NULL_AUDIO)
            .with_sample_rate(rate)
            .with_channels(channels);
        Self {
            parameters,
            codec: codec.into(),
            framing: Framing::Other,
        }
    }

    /// Frames in `data_bytes` of data, if they can be calculated.
    pub fn frames(&self, data_bytes: u64) -> Option<u64> {
        match self.framing {
            Framing::Units { bytes, frames, .. } => {
                Some((data_bytes / u64::from(bytes)).saturating_mul(u64::from(frames)))
            }
            Framing::Mpeg | Framing::Adts | Framing::Other => None,
        }
    }
}

/// Byte order of numbers and samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endian {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl Endian {
    /// Two bytes.
    pub fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    /// Four bytes.
    pub fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    /// Signed integers of this size.
    pub fn signed(self, sample_bytes: u32) -> Option<AudioCodecId> {
        Some(match (sample_bytes, self) {
            (1, _) => CODEC_ID_PCM_S8,
            (2, Self::Little) => CODEC_ID_PCM_S16LE,
            (2, Self::Big) => CODEC_ID_PCM_S16BE,
            (3, Self::Little) => CODEC_ID_PCM_S24LE,
            (3, Self::Big) => CODEC_ID_PCM_S24BE,
            (4, Self::Little) => CODEC_ID_PCM_S32LE,
            (4, Self::Big) => CODEC_ID_PCM_S32BE,
            _ => return None,
        })
    }

    /// Floating point of this size.
    pub fn float(self, sample_bytes: u32) -> Option<AudioCodecId> {
        Some(match (sample_bytes, self) {
            (4, Self::Little) => CODEC_ID_PCM_F32LE,
            (4, Self::Big) => CODEC_ID_PCM_F32BE,
            (8, Self::Little) => CODEC_ID_PCM_F64LE,
            (8, Self::Big) => CODEC_ID_PCM_F64BE,
            _ => return None,
        })
    }
}
