//! Sample entries: how the samples of a track are coded (ISO/IEC 14496-12, 8.5.2
//! and 12.2.3), including the sound descriptions of Apple's QuickTime File
//! Format.

use symphonia::core::codecs::audio::well_known::{CODEC_ID_ADPCM_IMA_WAV, CODEC_ID_ADPCM_MS};

use super::boxes::{Fields, Kind, child, children};
use super::coding::Coding;
use super::descriptors::{DecoderConfig, decoder_config};
use super::pcm::Pcm;
use crate::media::limits::CHANNELS_MAX;

/// Most sample entries of a track.
const ENTRIES_MAX: usize = 256;

/// A sample entry.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Coding of its samples.
    pub coding: Coding,
    /// Encoder delay in frames stated by the entry itself.
    pub delay_frames: u32,
}

/// The entries in the content of an `stsd` box; `timescale` is the track's.
pub fn entries(content: &[u8], timescale: u32) -> Vec<Entry> {
    let mut fields = Fields::new(content);
    let Some((version, _)) = fields.version_and_flags() else {
        return Vec::new();
    };
    let count = fields.u32().unwrap_or(0) as usize;
    children(fields.rest())
        .take(count.min(ENTRIES_MAX))
        .map(|(kind, body)| {
            AudioDescription::read(body, version, timescale).map_or_else(
                || Entry::plain(Coding::named(&printable(kind), timescale, 0)),
                |description| description.entry(kind),
            )
        })
        .collect()
}

/// A printable box type.
pub fn printable(kind: Kind) -> String {
    kind.escape_ascii().to_string()
}

impl Entry {
    fn plain(coding: Coding) -> Self {
        Self {
            coding,
            delay_frames: 0,
        }
    }
}

/// The fields common to all audio sample entries.
struct AudioDescription<'a> {
    rate: u32,
    channels: u32,
    bits: u32,
    /// Bytes of a packet of all channels, versions 1 and 2.
    packet_bytes: Option<u32>,
    /// Flags of linear PCM, version 2.
    pcm_flags: Option<u32>,
    /// The boxes after the fields.
    extensions: &'a [u8],
}

impl<'a> AudioDescription<'a> {
    /// `list_version` is that of the enclosing `stsd` box: entries of version 1
    /// are ISO's in an `stsd` of version 1 and have the same fields as version 0,
    /// but are QuickTime's in an `stsd` of version 0.
    fn read(body: &'a [u8], list_version: u8, timescale: u32) -> Option<Self> {
        let mut fields = Fields::new(body);
        // Reserved, data reference index.
        fields.take(8)?;
        let version = fields.u16()?;
        // Revision and vendor.
        fields.take(6)?;
        let channels = fields.u16()?;
        let bits = fields.u16()?;
        // Compression id and packet size.
        fields.take(4)?;
        let rate = fields.u32()? >> 16;
        let mut description = Self {
            rate,
            channels: channels.into(),
            bits: bits.into(),
            packet_bytes: None,
            pcm_flags: None,
            extensions: fields.rest(),
        };
        match (version, list_version) {
            (1, 0) => {
                // Frames per packet, bytes per channel packet.
                fields.take(8)?;
                description.packet_bytes = fields.u32();
                fields.u32()?;
                description.extensions = fields.rest();
            }
            (2, 0) => {
                fields.u32()?;
                let rate = fields.f64()?;
                description.rate = rate.clamp(0.0, f64::from(u32::MAX)).round() as u32;
                description.channels = fields.u32()?;
                fields.u32()?;
                description.bits = fields.u32()?;
                description.pcm_flags = fields.u32();
                description.packet_bytes = fields.u32();
                fields.u32()?;
                description.extensions = fields.rest();
            }
            _ => {}
        }
        // 16 bits cannot hold higher rates: the time scale does.
        if description.rate == 0 {
            description.rate = timescale;
        }
        if let Some(rate) = child(description.extensions, *b"srat")
            && let Some(rate) = Fields::new(rate.get(4..).unwrap_or_default()).u32()
        {
            description.rate = rate;
        }
        Some(description)
    }

    /// The content of an extension, which QuickTime keeps in a `wave` box.
    fn extension(&self, kind: Kind) -> Option<&'a [u8]> {
        child(self.extensions, kind).or_else(|| {
            let wave = child(self.extensions, *b"wave")?;
            children(wave).find_map(|(found, body)| {
                // `mp4a` and `alac` may be nested in a box of the same type.
                (found == kind && body.len() >= 5).then_some(body)
            })
        })
    }

    fn entry(&self, kind: Kind) -> Entry {
        if self.channels > CHANNELS_MAX.into() {
            let name = format!("{} with {} channels", printable(kind), self.channels);
            return Entry::plain(Coding::named(&name, self.rate, 0));
        }
        if kind == *b"Opus"
            && let Some((coding, delay)) = self
                .extension(*b"dOps")
                .and_then(|header| Coding::opus(header, true))
        {
            return Entry {
                coding,
                delay_frames: delay.into(),
            };
        }
        Entry::plain(self.coding(kind).unwrap_or_else(|| {
            let name = format!("an unknown codec (\"{}\")", printable(kind));
            Coding::named(&name, self.rate, self.channels)
        }))
    }

    fn coding(&self, kind: Kind) -> Option<Coding> {
        let (rate, channels) = (self.rate, self.channels);
        match &kind {
            b"mp4a" | b"m4ae" => Some(self.mpeg4()),
            b"alac" => {
                let cookie = self.extension(*b"alac")?.get(4..)?;
                Some(Coding::alac(cookie, rate, channels))
            }
            b"fLaC" => Coding::flac(self.extension(*b"dfLa")?.get(4..)?),
            b"ms\0\x02" => Coding::ms_adpcm(CODEC_ID_ADPCM_MS, rate, channels, self.packet_bytes?),
            b"ms\0\x11" => {
                Coding::ms_adpcm(CODEC_ID_ADPCM_IMA_WAV, rate, channels, self.packet_bytes?)
            }
            b"enca" | b"drms" => {
                let format = child(self.extensions, *b"sinf")
                    .and_then(|protection| child(protection, *b"frma"))
                    .and_then(|format| Fields::new(format).kind())
                    .map_or_else(String::new, |kind| format!(" (\"{}\")", printable(kind)));
                let name = format!("encrypted audio{format}");
                Some(Coding::named(&name, rate, channels))
            }
            _ => match self.pcm(kind) {
                Some(pcm) => Coding::pcm(pcm, rate, channels),
                None => Coding::by_kind(kind, rate, channels),
            },
        }
    }

    /// Object types are those of ISO/IEC 14496-1, 7.2.6.6, and
    /// <https://mp4ra.org>.
    fn mpeg4(&self) -> Coding {
        let (rate, channels) = (self.rate, self.channels);
        let descriptor = self.extension(*b"esds").or_else(|| {
            // Some writers put bytes of their own before it.
            let at = self
                .extensions
                .windows(4)
                .position(|word| word == b"esds")?;
            self.extensions.get(at + 4..)
        });
        let Some(DecoderConfig {
            object_type,
            specific,
        }) = descriptor
            .and_then(|content| content.get(4..))
            .and_then(decoder_config)
        else {
            // The rest is as in a raw stream.
            return Coding::aac(None, rate, channels);
        };
        let by_kind = |kind| {
            Coding::by_kind(kind, rate, channels)
                .unwrap_or_else(|| Coding::named(&printable(kind), rate, channels))
        };
        match object_type {
            0x40 | 0x66..=0x68 => Coding::aac(specific, rate, channels),
            0x69 | 0x6b => Coding::mpeg(3, rate, channels),
            0xa5 => by_kind(*b"ac-3"),
            0xa6 => by_kind(*b"ec-3"),
            0xa9..=0xac => by_kind(*b"dtsc"),
            0xae => by_kind(*b"ac-4"),
            0xa0 | 0xd1 => by_kind(*b"sevc"),
            0xe1 => by_kind(*b"Qclp"),
            0xdd => Coding::vorbis(specific.unwrap_or_default(), rate, channels),
            other => Coding::named(
                &format!("an unknown codec (object type {other:#04x})"),
                rate,
                channels,
            ),
        }
    }

    /// The PCM format of this four-character code, if it is one.
    fn pcm(&self, kind: Kind) -> Option<Pcm> {
        let signed = |bits: u32, is_big_endian| Pcm {
            bytes: bits.div_ceil(8),
            is_float: false,
            is_unsigned: false,
            is_big_endian,
        };
        let is_little_endian = || {
            self.extension_of(*b"enda")
                .is_some_and(|content| content.last() == Some(&1))
        };
        Some(match &kind {
            b"twos" => signed(self.bits, true),
            b"sowt" => signed(self.bits, false),
            // 8 bits are unsigned, more are not.
            b"raw " | b"NONE" | b"\0\0\0\0" if self.bits <= 8 => Pcm {
                is_unsigned: true,
                ..signed(8, true)
            },
            b"raw " | b"NONE" | b"\0\0\0\0" => signed(self.bits, true),
            b"in24" => signed(24, !is_little_endian()),
            b"in32" => signed(32, !is_little_endian()),
            b"fl32" | b"FL32" => Pcm {
                is_float: true,
                ..signed(32, !is_little_endian())
            },
            b"fl64" | b"FL64" => Pcm {
                is_float: true,
                ..signed(64, !is_little_endian())
            },
            b"lpcm" => self.linear_pcm(),
            // ISO/IEC 23003-5, 5.2
            b"ipcm" | b"fpcm" => {
                let config = self.extension(*b"pcmC")?;
                let (flags, bits) = (*config.get(4)?, *config.get(5)?);
                Pcm {
                    is_float: kind == *b"fpcm",
                    ..signed(bits.into(), flags & 1 == 0)
                }
            }
            _ => return None,
        })
    }

    /// The flags are those of `AudioStreamBasicDescription`.
    fn linear_pcm(&self) -> Pcm {
        const IS_FLOAT: u32 = 1;
        const IS_BIG_ENDIAN: u32 = 1 << 1;
        const IS_SIGNED: u32 = 1 << 2;
        let flags = self.pcm_flags.unwrap_or(IS_SIGNED);
        // 20 bits in 3 or 4 bytes: the packet size determines which.
        let bytes = self
            .packet_bytes
            .filter(|_| self.pcm_flags.is_some())
            .and_then(|bytes| bytes.checked_div(self.channels))
            .filter(|bytes| *bytes > 0)
            .unwrap_or(self.bits.div_ceil(8));
        Pcm {
            bytes,
            is_float: flags & IS_FLOAT != 0,
            is_unsigned: flags & (IS_FLOAT | IS_SIGNED) == 0,
            is_big_endian: flags & IS_BIG_ENDIAN != 0,
        }
    }

    /// As [`Self::extension`], for contents of any length.
    fn extension_of(&self, kind: Kind) -> Option<&'a [u8]> {
        child(self.extensions, kind).or_else(|| child(child(self.extensions, *b"wave")?, kind))
    }
}
