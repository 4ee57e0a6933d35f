//! The audio description chunk, and the coding that it and the magic cookie describe.

use super::super::MediaError;
use super::super::limits::{CHANNELS_MAX, PACKET_FRAMES_MAX};
use super::super::mp4::coding::{Coding, Layout};
use super::super::mp4::descriptors::decoder_config;
use super::super::mp4::pcm::Pcm;

/// Length of the chunk's content.
pub const DESCRIPTION_BYTES: usize = 32;

/// The audio description chunk.
#[derive(Debug, Clone)]
pub struct Description {
    /// Frames per second.
    pub rate: u32,
    /// `mFormatID`.
    pub kind: [u8; 4],
    /// `mFormatFlags`.
    pub flags: u32,
    /// Bytes per packet; 0: variable.
    pub packet_bytes: u32,
    /// Frames per packet; 0: variable.
    pub packet_frames: u32,
    /// Channels per frame.
    pub channels: u32,
    /// Bits per channel.
    pub bits: u32,
}

impl Description {
    /// Parses the content of the chunk.
    pub fn read(content: &[u8]) -> Result<Self, MediaError> {
        let content: &[u8; DESCRIPTION_BYTES] = content
            .try_into()
            .map_err(|_| damaged("its audio description is cut short"))?;
        let word = |at: usize| {
            u32::from_be_bytes([
                content[at],
                content[at + 1],
                content[at + 2],
                content[at + 3],
            ])
        };
        let rate = f64::from_bits(u64::from(word(0)) << 32 | u64::from(word(4)));
        if !(1.0..=f64::from(u32::MAX)).contains(&rate) {
            return Err(MediaError::SampleRate(0));
        }
        let description = Self {
            rate: rate.round() as u32,
            kind: word(8).to_be_bytes(),
            flags: word(12),
            packet_bytes: word(16),
            packet_frames: word(20),
            channels: word(24),
            bits: word(28),
        };
        if description.channels == 0 || description.channels > CHANNELS_MAX.into() {
            return Err(MediaError::Excessive(format!(
                "it claims {} channels",
                description.channels
            )));
        }
        // FLAC frames state their own length, and ffmpeg writes arbitrary values
        // here.
        if description.packet_frames > PACKET_FRAMES_MAX && description.kind != *b"flac" {
            return Err(MediaError::Excessive(format!(
                "it claims {} frames in a packet",
                description.packet_frames
            )));
        }
        Ok(description)
    }

    /// The coding by this description and the magic cookie.
    pub fn coding(&self, cookie: &[u8]) -> Result<Coding, MediaError> {
        let (rate, channels) = (self.rate, self.channels);
        let unknown = || {
            let name = format!("an unknown codec (\"{}\")", self.kind.escape_ascii());
            Coding::named(&name, rate, channels)
        };
        Ok(match &self.kind {
            b"lpcm" => {
                if self.packet_frames != 1 || !self.packet_bytes.is_multiple_of(channels) {
                    return Err(damaged(format!(
                        "it claims PCM in packets of {} frames and {} bytes",
                        self.packet_frames, self.packet_bytes
                    )));
                }
                let pcm = Pcm {
                    bytes: match self.packet_bytes / channels {
                        0 => self.bits.div_ceil(8),
                        bytes => bytes,
                    },
                    is_float: self.flags & 1 != 0,
                    is_unsigned: false,
                    is_big_endian: self.flags & 2 == 0,
                };
                Coding::pcm(pcm, rate, channels).unwrap_or_else(unknown)
            }
            b"ima4" => {
                let coding = Coding::ima4(rate, channels);
                let Layout::Blocks { bytes, frames } = coding.layout else {
                    return Ok(coding);
                };
                if (self.packet_bytes, self.packet_frames) != (bytes, frames) {
                    return Err(MediaError::Excessive(format!(
                        "it claims IMA ADPCM in packets of {} frames and {} bytes",
                        self.packet_frames, self.packet_bytes
                    )));
                }
                coding
            }
            b"aac " => {
                let config = decoder_config(cookie).and_then(|config| config.specific);
                let config = config.or((cookie.len() >= 2).then_some(cookie));
                Coding::aac(config, rate, channels)
            }
            b"alac" => Coding::alac(cookie, rate, channels),
            b"flac" => stream_info(cookie)
                .and_then(Coding::flac)
                .or_else(|| Coding::flac(&self.default_stream_info()))
                .unwrap_or_else(unknown),
            b"opus" => cookie
                .strip_prefix(b"OpusHead")
                .and_then(|header| Coding::opus(header, false))
                .map_or_else(
                    || Coding::opus_without_header(channels),
                    |(coding, _)| coding,
                ),
            kind => Coding::by_kind(*kind, rate, channels).unwrap_or_else(unknown),
        })
    }

    /// A substitute for the STREAMINFO that ffmpeg 5 omits: the frame headers
    /// state the rest.
    fn default_stream_info(&self) -> [u8; 34] {
        const DEFAULT_BITS: u32 = 16;
        let bits = match self.bits {
            0 => DEFAULT_BITS,
            bits => bits.min(32),
        };
        let mut info = [0; 34];
        // Blocks of 16 to 65,535 frames.
        info[..4].copy_from_slice(&[0, 16, 0xff, 0xff]);
        let channels = self.channels.min(8) - 1;
        let word = self.rate.min(0xf_ffff) << 12 | channels << 9 | (bits - 1) << 4;
        info[10..14].copy_from_slice(&word.to_be_bytes());
        info
    }
}

/// The STREAMINFO in a magic cookie, which may be a `dfLa` box.
fn stream_info(cookie: &[u8]) -> Option<&[u8]> {
    match cookie.get(4..8) {
        Some(b"dfLa") => cookie.get(12..),
        _ => (!cookie.is_empty()).then_some(cookie),
    }
}

/// An error for a damaged file.
pub fn damaged(reason: impl Into<String>) -> MediaError {
    MediaError::Damaged(reason.into())
}
