//! Identifies the content of a logical stream by its first packet, and determines
//! packet durations.

use symphonia::core::audio::{Channels, layouts};
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_FLAC, CODEC_ID_OPUS, CODEC_ID_VORBIS};

use super::opus;
use super::packets::RawPacket;
use super::video::Clock;
use super::vorbis_setup::{self, Identification, Modes};
use crate::media::MediaError;
use crate::media::flac::frame as flac_frame;

/// Content of a logical stream.
#[derive(Debug, Clone)]
pub enum Content {
    /// Audio.
    Audio(Codec),
    /// Video, with its clock if known.
    Video(Option<Clock>),
    /// Subtitles.
    Text,
    /// Data about the other streams (Skeleton).
    Metadata,
    /// A first packet of no known codec.
    Unknown,
}

/// An audio codec with the headers read so far.
#[derive(Debug, Clone)]
pub enum Codec {
    /// RFC 7845.
    Opus(opus::Head),
    /// Vorbis I.
    Vorbis(Box<Vorbis>),
    /// RFC 9639, section 10.1.
    Flac(flac_frame::StreamInfo),
    /// Speex manual, section 5.
    Speex(Speex),
    /// Identified only by its name.
    Named(&'static str),
}

/// A Vorbis stream.
#[derive(Debug, Clone)]
pub struct Vorbis {
    identification: Identification,
    /// The identification header, then the setup header.
    extra_data: Vec<u8>,
    modes: Option<Modes>,
    /// Block size of the previous packet, in samples.
    previous: Option<u32>,
}

/// A Speex stream.
#[derive(Debug, Clone)]
pub struct Speex {
    header: Box<[u8]>,
    rate: u32,
    channels: u8,
    packet_frames: u64,
    extra_headers: u32,
}

/// Kind of a packet at the start of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// A header; another one follows.
    More,
    /// The last header.
    Last,
    /// Not a header: audio.
    Data,
}

/// Duration of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    /// Decoded frames that count on the stream's clock.
    pub frames: u64,
    /// Frames before them that a decoder may output but that do not count.
    pub lead_in: u64,
}

/// Magic numbers of streams that are identified but not decoded.
const AUDIO: &[(&[u8], &str)] = &[
    (b"CELT    ", "CELT"),
    (b"PCM     ", "PCM in Ogg"),
    (b"fLaC", "FLAC in Ogg of before 2004"),
    (b"\x01audio\0\0\0", "OGM audio"),
];
const VIDEO: &[&[u8]] = &[
    b"\x80theora",
    b"OVP80\x01",
    b"BBCD\0",
    b"\x80daala",
    b"\x01video\0\0\0",
];
const TEXT: &[&[u8]] = &[b"\x80kate\0\0\0", b"CMML\0\0\0\0", b"\x01text\0\0\0\0"];

impl Content {
    /// Identifies a stream by its first packet. Fails for a known codec with a
    /// damaged header.
    pub fn identify(packet: &[u8]) -> Result<Self, MediaError> {
        let damaged = |codec| MediaError::Damaged(format!("the {codec} header is damaged"));
        if packet.starts_with(b"OpusHead") {
            let head = opus::Head::parse(packet).ok_or_else(|| damaged("Opus"))?;
            return Ok(Self::Audio(Codec::Opus(head)));
        }
        if packet.starts_with(b"\x01vorbis") {
            let identification = vorbis_setup::identification(packet).map_err(MediaError::from)?;
            return Ok(Self::Audio(Codec::Vorbis(Box::new(Vorbis {
                identification,
                extra_data: packet[..vorbis_setup::IDENTIFICATION_BYTES].to_vec(),
                modes: None,
                previous: None,
            }))));
        }
        if packet.starts_with(b"\x7fFLAC") {
            let info = flac_stream_info(packet).ok_or_else(|| damaged("FLAC"))?;
            return Ok(Self::Audio(Codec::Flac(info)));
        }
        if packet.starts_with(b"Speex   ") {
            let speex = Speex::parse(packet).ok_or_else(|| damaged("Speex"))?;
            return Ok(Self::Audio(Codec::Speex(speex)));
        }
        if let Some((_, name)) = AUDIO.iter().find(|(start, _)| packet.starts_with(start)) {
            return Ok(Self::Audio(Codec::Named(name)));
        }
        if VIDEO.iter().any(|start| packet.starts_with(start)) {
            return Ok(Self::Video(match packet[0] {
                0x80 => Clock::theora(packet),
                b'O' => Clock::vp8(packet),
                _ => None,
            }));
        }
        if TEXT.iter().any(|start| packet.starts_with(start)) {
            return Ok(Self::Text);
        }
        if packet.starts_with(b"fishead\0") {
            return Ok(Self::Metadata);
        }
        Ok(Self::Unknown)
    }
}

impl Codec {
    /// Display name.
    pub fn name(&self) -> String {
        match self {
            Self::Opus(head) if head.channels <= 2 && head.streams > 1 => {
                format!("opus with {} streams", head.streams)
            }
            Self::Opus(_) => "opus".to_owned(),
            Self::Vorbis(_) => "vorbis".to_owned(),
            Self::Flac(_) => "flac".to_owned(),
            Self::Speex(_) => "Speex".to_owned(),
            Self::Named(name) => (*name).to_owned(),
        }
    }

    /// Granule positions per second; they count decoded frames. 0: unknown.
    pub fn rate(&self) -> u32 {
        match self {
            Self::Opus(_) => opus::RATE,
            Self::Vorbis(vorbis) => vorbis.identification.rate,
            Self::Flac(info) => info.rate,
            Self::Speex(speex) => speex.rate,
            Self::Named(_) => 0,
        }
    }

    /// Frames to drop at the start of the stream, which granule positions
    /// include.
    pub fn pre_skip(&self) -> u64 {
        match self {
            Self::Opus(head) => head.pre_skip,
            _ => 0,
        }
    }

    /// Whether a granule position of the first page that is smaller than the
    /// page's audio trims its start (Vorbis I, section A.2).
    pub fn trims_start(&self) -> bool {
        matches!(self, Self::Vorbis(_) | Self::Speex(_))
    }

    /// Reads packet `index` of the stream while headers are expected.
    pub fn header(&mut self, index: usize, packet: &RawPacket) -> Result<Header, MediaError> {
        let data = packet.data.as_slice();
        if index == 0 {
            return Ok(match self {
                Self::Named(_) => Header::Last,
                _ => Header::More,
            });
        }
        match self {
            Self::Opus(_) if data.starts_with(b"OpusTags") => Ok(Header::Last),
            Self::Vorbis(vorbis) => vorbis.header(packet),
            Self::Flac(_) if data.first().is_some_and(|first| *first != 0xff) => {
                let last = data[0] & 0x80 != 0;
                Ok(if last { Header::Last } else { Header::More })
            }
            Self::Speex(speex) => Ok(if index as u64 > u64::from(speex.extra_headers) {
                Header::Last
            } else {
                Header::More
            }),
            Self::Opus(_) | Self::Flac(_) | Self::Named(_) => Ok(Header::Data),
        }
    }

    /// Resets the state of packet durations.
    pub fn reset(&mut self) {
        if let Self::Vorbis(vorbis) = self {
            vorbis.previous = None;
        }
    }

    /// Duration of the next packet; `None` if it is not an audio packet of this
    /// codec.
    pub fn measure(&mut self, packet: &[u8]) -> Option<Length> {
        let frames = match self {
            Self::Opus(_) => opus::frames(packet)?,
            Self::Vorbis(vorbis) => return vorbis.measure(packet),
            Self::Flac(_) => flac_frame::header(packet)?.frames,
            Self::Speex(speex) => speex.packet_frames,
            Self::Named(_) => 0,
        };
        Some(Length { frames, lead_in: 0 })
    }

    /// Decoder parameters. Codecs without a symphonia decoder have
    /// `CODEC_ID_NULL_AUDIO`.
    pub fn parameters(&self) -> AudioCodecParameters {
        let mut parameters = AudioCodecParameters::new();
        if self.rate() > 0 {
            parameters.with_sample_rate(self.rate());
        }
        match self {
            Self::Opus(head) => {
                // Two streams of one channel each cannot be decoded as a single
                // stream.
                if head.channels > 2 || head.streams == 1 {
                    parameters.for_codec(CODEC_ID_OPUS);
                }
                parameters
                    .with_channels(channels(head.channels))
                    .with_extra_data(head.extra_data.clone());
            }
            Self::Vorbis(vorbis) => {
                parameters
                    .for_codec(CODEC_ID_VORBIS)
                    .with_channels(channels(vorbis.identification.channels))
                    .with_extra_data(vorbis.extra_data.clone().into());
            }
            Self::Flac(info) => {
                parameters
                    .for_codec(CODEC_ID_FLAC)
                    .with_channels(channels(info.channels))
                    .with_bits_per_sample(info.bits)
                    .with_extra_data(info.block.clone());
            }
            Self::Speex(speex) => {
                parameters
                    .with_channels(channels(speex.channels))
                    .with_extra_data(speex.header.clone());
            }
            Self::Named(_) => {}
        }
        parameters
    }
}

impl Vorbis {
    fn header(&mut self, packet: &RawPacket) -> Result<Header, MediaError> {
        match packet.data.first() {
            Some(3) => Ok(Header::More),
            Some(5) if packet.truncated => Err(MediaError::Excessive(
                "its Vorbis setup header is larger than 1 MiB".to_owned(),
            )),
            Some(5) => {
                let identification = &self.extra_data[..vorbis_setup::IDENTIFICATION_BYTES];
                let modes =
                    vorbis_setup::check(identification, &packet.data).map_err(MediaError::from)?;
                self.modes = Some(modes);
                self.extra_data.extend_from_slice(&packet.data);
                Ok(Header::Last)
            }
            _ => Err(MediaError::Damaged(
                "a header of its Vorbis stream is missing".to_owned(),
            )),
        }
    }

    /// Vorbis I, sections 4.3.1 and 4.3.8: blocks overlap, so a packet returns
    /// the samples between the centres of its block and of the previous one.
    fn measure(&mut self, packet: &[u8]) -> Option<Length> {
        let modes = self.modes.as_ref()?;
        let first = *packet.first()?;
        if first & 1 != 0 {
            return None;
        }
        let mode_bits = usize::BITS - (modes.long.len() - 1).leading_zeros();
        let mode = usize::from(first >> 1) & ((1 << mode_bits) - 1);
        let long = *modes.long.get(mode)?;
        let block = self.identification.block_samples[usize::from(long)];
        Some(match self.previous.replace(block) {
            Some(previous) => Length {
                frames: u64::from((previous + block) / 4),
                lead_in: 0,
            },
            None => Length {
                frames: 0,
                lead_in: u64::from(block / 2),
            },
        })
    }
}

impl Speex {
    fn parse(packet: &[u8]) -> Option<Self> {
        const HEADER_BYTES: usize = 80;
        let header = packet.get(..HEADER_BYTES)?;
        let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| header[at + byte]));
        let (rate, channels) = (word(36), word(48));
        let packet_frames = u64::from(word(56)) * u64::from(word(64));
        let sane = (1..=192_000).contains(&rate)
            && (1..=2).contains(&channels)
            && packet_frames <= u64::from(rate);
        sane.then(|| Self {
            header: header.into(),
            rate,
            channels: channels as u8,
            packet_frames,
            extra_headers: word(68).min(256),
        })
    }
}

/// The first packet of FLAC in Ogg: mapping version 1, the native signature, and
/// a STREAMINFO block with its header (RFC 9639, section 10.1).
fn flac_stream_info(packet: &[u8]) -> Option<flac_frame::StreamInfo> {
    let native = packet.strip_prefix(b"\x7fFLAC\x01")?.get(3..)?;
    let block = native.strip_prefix(b"fLaC")?.get(4..)?;
    flac_frame::StreamInfo::parse(block)
}

fn channels(count: u8) -> Channels {
    match count {
        1 => layouts::CHANNEL_LAYOUT_MONO,
        2 => layouts::CHANNEL_LAYOUT_STEREO,
        _ => Channels::Discrete(u16::from(count)),
    }
}
