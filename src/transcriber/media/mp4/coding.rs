//! Audio codecs in mp4 and CAF: decoder parameters, and how the data is divided
//! into packets.

use symphonia::core::audio::{Channels, Position, layouts};
use symphonia::core::codecs::audio::{
    AudioCodecId, AudioCodecParameters, CODEC_ID_NULL_AUDIO, well_known::*,
};

use super::aac_config::*;
use super::boxes::{Fields, Kind};
use super::frames::Frames;
use super::pcm::Pcm;
use crate::media::limits::{CHANNELS_MAX, PACKET_FRAMES_MAX};

/// PCM frames in one packet.
pub const PCM_PACKET_FRAMES: u32 = 4096;

/// Frames of an IMA4 block (Apple's QuickTime File Format, "IMA 4:1").
const IMA4_BLOCK_FRAMES: u32 = 64;
const IMA4_BLOCK_BYTES: u32 = 34;

/// Default frames in an ALAC packet.
const ALAC_FRAMES: u32 = 4096;

/// How data is divided into packets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Layout {
    /// Each sample of the container is a packet for the decoder.
    Packets(Frames),
    /// Any number of consecutive blocks of one size.
    Blocks {
        /// Bytes in a block.
        bytes: u32,
        /// Frames in a block: 1 for PCM.
        frames: u32,
    },
}

/// The coding of a sample entry or of a CAF description.
#[derive(Debug, Clone)]
pub struct Coding {
    /// Parameters for the decoder.
    pub parameters: AudioCodecParameters,
    /// Display name.
    pub name: String,
    /// How data is divided into packets.
    pub layout: Layout,
    /// Frames that must be decoded before a position for correct output there.
    pub preroll_frames: u32,
}

impl Coding {
    fn new(codec: AudioCodecId, name: &str, rate: u32, channels: u32, layout: Layout) -> Self {
        let mut parameters = AudioCodecParameters::new();
        parameters.for_codec(codec).with_sample_rate(rate);
        if let Some(channels) = channel_set(channels) {
            parameters.with_channels(channels);
        }
        Self {
            parameters,
            name: name.to_owned(),
            layout,
            preroll_frames: 0,
        }
    }

    /// Frames per second of the decoder's output.
    pub fn rate(&self) -> u32 {
        self.parameters.sample_rate.unwrap_or(0).max(1)
    }

    /// Whether a decoder for `self` cannot decode `other`.
    pub fn differs(&self, other: &Self) -> bool {
        let (a, b) = (&self.parameters, &other.parameters);
        (a.codec, a.sample_rate, &a.channels, &a.extra_data)
            != (b.codec, b.sample_rate, &b.channels, &b.extra_data)
            || self.layout != other.layout
            || self.name != other.name
    }

    /// A codec with a display name and no decoder.
    pub fn named(name: &str, rate: u32, channels: u32) -> Self {
        Self::new(
            CODEC_ID_NULL_AUDIO,
            name,
            rate,
            channels,
            Layout::Packets(Frames::Duration),
        )
    }

    /// PCM; `None` if there is no decoder for this kind.
    pub fn pcm(pcm: Pcm, rate: u32, channels: u32) -> Option<Self> {
        let (codec, name) = pcm.codec()?;
        let layout = Layout::Blocks {
            bytes: pcm.bytes.checked_mul(channels).filter(|bytes| *bytes > 0)?,
            frames: 1,
        };
        let mut coding = Self::new(codec, name, rate, channels, layout);
        coding
            .parameters
            .with_max_frames_per_packet(PCM_PACKET_FRAMES.into());
        Some(coding)
    }

    /// IMA ADPCM in blocks of 64 frames.
    pub fn ima4(rate: u32, channels: u32) -> Self {
        let layout = Layout::Blocks {
            bytes: IMA4_BLOCK_BYTES.saturating_mul(channels.max(1)),
            frames: IMA4_BLOCK_FRAMES,
        };
        Self::new(
            CODEC_ID_ADPCM_IMA_QT,
            "adpcm_ima_qt",
            rate,
            channels,
            layout,
        )
        .in_blocks(IMA4_BLOCK_FRAMES)
    }

    /// Microsoft ADPCM or IMA ADPCM as in wav, in blocks of `bytes`; `None` if
    /// the codec has no blocks of that size.
    pub fn ms_adpcm(codec: AudioCodecId, rate: u32, channels: u32, bytes: u32) -> Option<Self> {
        let per_channel = bytes.checked_div(channels)?;
        let (name, frames) = match codec {
            CODEC_ID_ADPCM_MS => ("adpcm_ms", per_channel.checked_sub(7)? * 2 + 2),
            _ => ("adpcm_ima_wav", per_channel.checked_sub(4)? * 2 + 1),
        };
        let layout = Layout::Blocks { bytes, frames };
        (frames <= PACKET_FRAMES_MAX)
            .then(|| Self::new(codec, name, rate, channels, layout).in_blocks(frames))
    }

    fn in_blocks(mut self, frames: u32) -> Self {
        self.parameters
            .with_max_frames_per_packet(frames.into())
            .with_frames_per_block(frames.into());
        self
    }

    /// MPEG audio of this layer, 1 to 3.
    pub fn mpeg(layer: u8, rate: u32, channels: u32) -> Self {
        let (codec, name, frames) = match layer {
            1 => (CODEC_ID_MP1, "mp1", 384),
            2 => (CODEC_ID_MP2, "mp2", 1152),
            // MPEG-2 and 2.5 have half as many granules in a frame.
            _ if rate < 32_000 => (CODEC_ID_MP3, "mp3", 576),
            _ => (CODEC_ID_MP3, "mp3", 1152),
        };
        let mut coding = Self::new(
            codec,
            name,
            rate,
            channels,
            Layout::Packets(Frames::Fixed(frames)),
        );
        // The bit reservoir reaches back 511 bytes: nine frames at the lowest
        // rates.
        coding.preroll_frames = if layer == 3 { 9 * frames } else { frames };
        coding
    }

    /// AAC with this AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1). `rate` and
    /// `channels` are the container's, for what the config does not state.
    pub fn aac(config: Option<&[u8]>, rate: u32, channels: u32) -> Self {
        let read = config.and_then(AacConfig::read);
        let object_type = read
            .as_ref()
            .map_or(OBJECT_TYPE_LC, |read| read.object_type);
        let name = match object_type {
            OBJECT_TYPE_LD => "AAC-LD",
            OBJECT_TYPE_ELD => "AAC-ELD",
            OBJECT_TYPE_ALS => "MPEG-4 ALS",
            OBJECT_TYPE_USAC => "xHE-AAC (USAC)",
            OBJECT_TYPE_LAYER_1..=OBJECT_TYPE_LAYER_3 => {
                return Self::mpeg(
                    (object_type - OBJECT_TYPE_LAYER_1 + 1) as u8,
                    rate,
                    channels,
                );
            }
            _ => "aac",
        };
        let (rate, channels, frames) = read.map_or((rate, channels, 1024), |read| {
            (
                read.core_rate.unwrap_or(rate),
                read.channels.unwrap_or(channels),
                read.frames,
            )
        });
        if name != "aac" {
            return Self::named(name, rate, channels);
        }
        let mut coding = Self::new(
            CODEC_ID_AAC,
            name,
            rate,
            channels,
            Layout::Packets(Frames::Fixed(frames)),
        );
        coding.parameters.extra_data = config.map(Into::into);
        // A frame overlaps with the one before it.
        coding.preroll_frames = 2 * frames;
        coding
    }

    /// ALAC with this magic cookie, possibly within boxes.
    pub fn alac(mut cookie: &[u8], rate: u32, channels: u32) -> Self {
        for wrapper in [b"frma", b"alac"] {
            if cookie.get(4..8) == Some(wrapper) {
                cookie = &cookie[cookie.len().min(12)..];
            }
        }
        let has_channels = cookie.len() >= 48 && cookie[28..32] == *b"chan";
        let cookie = &cookie[..cookie.len().min(if has_channels { 48 } else { 24 })];
        let word = |at: usize| Fields::new(cookie.get(at..)?).u32();
        let mut coding = Self::new(
            CODEC_ID_ALAC,
            "alac",
            word(20).unwrap_or(rate),
            cookie.get(9).map_or(channels, |count| u32::from(*count)),
            Layout::Packets(Frames::Alac(word(0).unwrap_or(ALAC_FRAMES))),
        );
        coding.parameters.with_extra_data(cookie.into());
        coding
    }

    /// Opus with an identification header as in Ogg (RFC 7845, 5.1) without its
    /// magic, and its pre-skip in frames, which the reader trims: the decoder
    /// gets a header with a pre-skip of 0.
    pub fn opus(header: &[u8], is_big_endian: bool) -> Option<(Self, u16)> {
        let mut head = b"OpusHead\x01".to_vec();
        head.extend_from_slice(header.get(1..)?);
        let (channels, delay) = (*head.get(9)?, head.get(10..12)?.try_into().ok()?);
        let delay = if is_big_endian {
            head.get_mut(12..16)?.reverse();
            head.get_mut(16..18)?.reverse();
            u16::from_be_bytes(delay)
        } else {
            u16::from_le_bytes(delay)
        };
        head[10..12].fill(0);
        let mut coding = Self::opus_without_header(channels.into());
        coding.parameters.with_extra_data(head.into());
        Some((coding, delay))
    }

    /// Opus without a header: one or two channels.
    pub fn opus_without_header(channels: u32) -> Self {
        const OPUS_RATE: u32 = 48_000;
        const OPUS_PREROLL_FRAMES: u32 = OPUS_RATE * 80 / 1000;
        let layout = Layout::Packets(Frames::Opus);
        let mut coding = Self::new(CODEC_ID_OPUS, "opus", OPUS_RATE, channels, layout);
        coding.preroll_frames = OPUS_PREROLL_FRAMES;
        coding
    }

    /// FLAC with its STREAMINFO, with or without the header of that block or
    /// `fLaC` before it; `None` if it is invalid.
    pub fn flac(mut info: &[u8]) -> Option<Self> {
        const INFO_BYTES: usize = 34;
        if let Some(rest) = info.strip_prefix(b"fLaC") {
            info = rest;
        }
        if info.len() >= INFO_BYTES + 4 && info[0] & 0x7f == 0 && info[1..4] == [0, 0, 34] {
            info = &info[4..];
        }
        let info = info.get(..INFO_BYTES)?;
        let word = u32::from_be_bytes(info[10..14].try_into().ok()?);
        let (rate, channels) = (word >> 12, (word >> 9 & 7) + 1);
        let layout = Layout::Packets(Frames::Flac);
        let mut coding = Self::new(CODEC_ID_FLAC, "flac", rate, channels, layout);
        coding.parameters.with_extra_data(info.into());
        Some(coding)
    }

    /// Vorbis with its headers, laced (RFC 9559, codec mappings) or concatenated.
    pub fn vorbis(headers: &[u8], rate: u32, channels: u32) -> Self {
        let layout = Layout::Packets(Frames::Duration);
        let mut coding = Self::new(CODEC_ID_VORBIS, "vorbis", rate, channels, layout);
        coding.parameters.with_extra_data(headers.into());
        coding
    }

    /// A codec that symphonia has an id for and no decoder.
    pub fn undecoded(codec: AudioCodecId, name: &str, rate: u32, channels: u32) -> Self {
        let layout = Layout::Packets(Frames::Duration);
        Self::new(codec, name, rate, channels, layout)
    }

    /// Codecs that their four-character code alone identifies, in sample entries
    /// as in CAF.
    pub fn by_kind(kind: Kind, rate: u32, channels: u32) -> Option<Self> {
        let g711 = |codec, name| {
            let layout = Layout::Blocks {
                bytes: channels.max(1),
                frames: 1,
            };
            let mut coding = Self::new(codec, name, rate, channels, layout);
            coding
                .parameters
                .with_max_frames_per_packet(PCM_PACKET_FRAMES.into());
            coding
        };
        Some(match &kind {
            b"ulaw" | b"ULAW" => g711(CODEC_ID_PCM_MULAW, "pcm_mulaw"),
            b"alaw" | b"ALAW" => g711(CODEC_ID_PCM_ALAW, "pcm_alaw"),
            b"ima4" => Self::ima4(rate, channels),
            b".mp1" => Self::mpeg(1, rate, channels),
            b".mp2" => Self::mpeg(2, rate, channels),
            b".mp3" | b"mp3 " | b"ms\0U" => Self::mpeg(3, rate, channels),
            b"ac-3" | b"AC-3" | b"sac3" => {
                Self::undecoded(CODEC_ID_AC3, "AC-3 (Dolby Digital)", rate, channels)
            }
            b"ec-3" | b"EC-3" => {
                Self::undecoded(CODEC_ID_EAC3, "E-AC-3 (Dolby Digital Plus)", rate, channels)
            }
            b"ac-4" => Self::undecoded(CODEC_ID_AC4, "AC-4 (Dolby)", rate, channels),
            b"mlpa" => Self::undecoded(CODEC_ID_TRUEHD, "TrueHD (Dolby)", rate, channels),
            b"dtsc" | b"dtse" | b"dtsh" | b"dtsl" | b"dtsx" | b"DTS " => {
                Self::undecoded(CODEC_ID_DCA, "DTS", rate, channels)
            }
            _ => Self::named(name_of(kind)?, rate, channels),
        })
    }
}

/// Codecs with a display name and no decoder.
fn name_of(kind: Kind) -> Option<&'static str> {
    Some(match &kind {
        b"samr" => "AMR-NB",
        b"sawb" => "AMR-WB",
        b"sawp" => "AMR-WB+",
        b"Qclp" | b"Qclq" | b"sqcp" => "QCELP",
        b"sevc" | b"secb" | b"secw" => "EVRC",
        b"agsm" | b"ms\x001" => "GSM 6.10",
        b"QDMC" | b"QDM2" => "QDesign Music",
        b"MAC3" | b"MAC6" => "MACE",
        b"ilbc" => "iLBC",
        b"spex" | b"SPXN" => "Speex",
        b"wma " => "Windows Media Audio",
        b"mha1" | b"mha2" | b"mhm1" | b"mhm2" => "MPEG-H 3D Audio",
        b"dvca" | b"vdva" => "DV audio",
        b"aacl" => "AAC-LD",
        b"aace" | b"aacf" | b"aacg" => "AAC-ELD",
        b"aach" | b"aacp" => "HE-AAC without a config",
        b"usac" => "xHE-AAC (USAC)",
        b"iamf" => "IAMF",
        b"apac" => "Apple Positional Audio",
        b"enca" | b"drms" | b"p608" => "encrypted audio",
        _ => return None,
    })
}

/// A set of `count` channels. Their positions do not matter: they are downmixed.
fn channel_set(count: u32) -> Option<Channels> {
    match u16::try_from(count).ok()? {
        0 => None,
        1 => Some(layouts::CHANNEL_LAYOUT_MONO),
        2 => Some(layouts::CHANNEL_LAYOUT_STEREO),
        3..=18 => Position::from_count(count).map(Channels::Positioned),
        19..=CHANNELS_MAX => Some(Channels::Discrete(count as u16)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
