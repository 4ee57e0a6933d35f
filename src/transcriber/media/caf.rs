//! Reads Apple's Core Audio Format (Apple's "Core Audio Format Specification 1.0").
//!
//! The timeline begins with the first valid frame: priming frames have negative
//! times.

use std::ops::Range;

use super::mp4::coding::{Coding, Frames, Layout, PCM_PACKET_FRAMES, Pcm};
use super::mp4::descriptors::decoder_config;
use super::mp4::input::Input;
use super::reader::{CHANNELS_MAX, PACKET_MAX_BYTES, Packet, Reader, Step, Track};
use super::{MediaError, Source};

const FILE_HEADER_BYTES: u64 = 8;
const CHUNK_HEADER_BYTES: u64 = 12;
const DESCRIPTION_BYTES: usize = 32;
/// The packet table header, before the packet lengths.
const TABLE_HEAD_BYTES: usize = 24;
/// Larger packet tables are refused: a day of audio takes 10 MiB.
const TABLE_MAX_BYTES: u64 = 64 * 1024 * 1024;
const COOKIE_MAX_BYTES: u64 = 64 * 1024;
/// The edit count at the start of the data chunk.
const EDIT_COUNT_BYTES: u64 = 4;

/// No codec has more frames in a packet.
const PACKET_FRAMES_MAX: u32 = 65_536;

/// Trims the whole packet, see [`Packet`].
const TRIM_ALL: u64 = u32::MAX as u64;

/// An opened CAF file.
pub struct Caf {
    input: Input,
    tracks: Vec<Track>,
    coding: Coding,
    description: Description,
    /// Byte range of the packets.
    data: Range<u64>,
    table: Option<PacketTable>,
    offset_bytes: u64,
    /// Frames before the next packet, priming frames included.
    frame: u64,
    is_cut_short: bool,
}

/// The audio description chunk.
#[derive(Debug, Clone)]
struct Description {
    rate: u32,
    kind: [u8; 4],
    flags: u32,
    packet_bytes: u32,
    packet_frames: u32,
    channels: u32,
    bits: u32,
}

impl Description {
    fn read(content: &[u8]) -> Result<Self, MediaError> {
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
            return Err(damaged(format!(
                "it claims {} channels",
                description.channels
            )));
        }
        // FLAC frames state their own length, and ffmpeg writes arbitrary values
        // here.
        if description.packet_frames > PACKET_FRAMES_MAX && description.kind != *b"flac" {
            return Err(damaged(format!(
                "it claims {} frames in a packet",
                description.packet_frames
            )));
        }
        Ok(description)
    }

    fn coding(&self, cookie: &[u8]) -> Result<Coding, MediaError> {
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
                    return Err(damaged(format!(
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
            b"flac" => flac_info(cookie)
                .and_then(Coding::flac)
                .or_else(|| Coding::flac(&self.made_up_flac_info()))
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
    fn made_up_flac_info(&self) -> [u8; 34] {
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
fn flac_info(cookie: &[u8]) -> Option<&[u8]> {
    match cookie.get(4..8) {
        Some(b"dfLa") => cookie.get(12..),
        _ => (!cookie.is_empty()).then_some(cookie),
    }
}

/// The packet table chunk.
#[derive(Debug)]
struct PacketTable {
    packets_in_all: u64,
    /// Packets not yet read.
    packets: u64,
    valid_frames: u64,
    delay_frames: u64,
    /// The packet lengths, and the read position in them.
    lengths: Vec<u8>,
    position: usize,
}

impl PacketTable {
    fn read(content: Vec<u8>) -> Option<Self> {
        let signed = |at: usize| {
            let bytes = content.get(at..at + 8)?;
            Some(i64::from_be_bytes(bytes.try_into().ok()?))
        };
        let delay = signed(16)? >> 32;
        let packets = u64::try_from(signed(0)?).unwrap_or(0);
        Some(Self {
            packets_in_all: packets,
            packets,
            valid_frames: u64::try_from(signed(8)?).unwrap_or(0),
            delay_frames: u64::try_from(delay).unwrap_or(0),
            lengths: content,
            position: TABLE_HEAD_BYTES,
        })
    }

    /// The next variable-length integer: seven bits a byte, most significant
    /// first.
    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        loop {
            let byte = *self.lengths.get(self.position)?;
            self.position += 1;
            number = number << 7 | u64::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
    }
}

fn damaged(reason: impl Into<String>) -> MediaError {
    MediaError::Damaged(reason.into())
}

impl Caf {
    /// Reads the chunks of `source` up to the data, and those after it if the
    /// packet lengths are only in the packet table there.
    pub fn open(source: Source) -> Result<Self, MediaError> {
        let mut input = Input::new(source);
        let mut head = [0; FILE_HEADER_BYTES as usize];
        if input.read_at(0, &mut head)? < head.len() {
            return Err(MediaError::Truncated);
        }
        if !head.starts_with(b"caff") {
            return Err(damaged("the CAF file header is missing"));
        }
        let mut description = None;
        let mut cookie = Vec::new();
        let mut table = None;
        let mut data: Option<(Range<u64>, bool)> = None;
        let mut at = FILE_HEADER_BYTES;
        let mut head = [0; CHUNK_HEADER_BYTES as usize];
        while input.read_at(at, &mut head)? == head.len() {
            let size = i64::from_be_bytes(head[4..].try_into().unwrap_or_default());
            let body = at + CHUNK_HEADER_BYTES;
            // Only the data chunk may have an unknown size (an unfinished
            // recording).
            let end = match u64::try_from(size) {
                Ok(0) | Err(_) if head.starts_with(b"data") => u64::MAX,
                Ok(size) => body.saturating_add(size),
                Err(_) => break,
            };
            let length = end - body;
            match &head[..4] {
                b"desc" if description.is_none() => {
                    let content = input.bytes(body, DESCRIPTION_BYTES)?;
                    description = Some(Description::read(&content)?);
                }
                b"kuki" => cookie = input.bytes(body, length.min(COOKIE_MAX_BYTES) as usize)?,
                b"pakt" => {
                    if length > TABLE_MAX_BYTES {
                        return Err(damaged(format!(
                            "its packet table takes {} MiB; {} MiB are the limit",
                            length >> 20,
                            TABLE_MAX_BYTES >> 20
                        )));
                    }
                    table = PacketTable::read(input.bytes(body, length as usize)?);
                }
                b"data" if data.is_none() => {
                    let is_cut = end != u64::MAX && end > input.size_bytes();
                    let begin = body + EDIT_COUNT_BYTES;
                    data = Some((begin..end.min(input.size_bytes()).max(begin), is_cut));
                }
                _ => {}
            }
            let needs_table = description
                .as_ref()
                .is_none_or(|description| description.kind != *b"lpcm");
            if data.is_some() && !(needs_table && table.is_none()) {
                break;
            }
            at = end;
        }
        let description = description.ok_or_else(|| damaged("its audio description is missing"))?;
        let (data, is_cut_short) = data.ok_or(MediaError::Truncated)?;
        let coding = description.coding(&cookie)?;
        let has_blocks = matches!(coding.layout, Layout::Blocks { .. });
        if table.is_none() && description.packet_bytes == 0 && !has_blocks {
            return Err(damaged(
                "its packet table is missing, so it was truncated or the recording was not finished",
            ));
        }
        let mut reader = Self {
            input,
            tracks: Vec::new(),
            coding,
            description,
            offset_bytes: data.start,
            data,
            table,
            frame: 0,
            is_cut_short,
        };
        reader.tracks.push(Track {
            parameters: reader.coding.parameters.clone(),
            codec: reader.coding.name.clone(),
            default: true,
            duration_s: reader
                .duration_frames()
                .map(|frames| reader.seconds(frames)),
        });
        Ok(reader)
    }

    fn seconds(&self, frames: u64) -> f64 {
        frames as f64 / f64::from(self.description.rate)
    }

    fn delay_frames(&self) -> u64 {
        self.table.as_ref().map_or(0, |table| table.delay_frames)
    }

    /// Number of valid frames by the packet table. Ignored if it equals packets
    /// times frames per packet, which is what ffmpeg writes.
    fn valid_frames(&self) -> Option<u64> {
        let table = self.table.as_ref()?;
        let described = table
            .packets_in_all
            .saturating_mul(self.description.packet_frames.into());
        Some(table.valid_frames).filter(|valid| *valid > 0 && *valid != described)
    }

    /// End of the valid frames, priming frames included.
    fn frames_end(&self) -> Option<u64> {
        let table = self.table.as_ref()?;
        self.valid_frames()
            .map(|valid| table.delay_frames.saturating_add(valid))
    }

    fn duration_frames(&self) -> Option<u64> {
        let all = match self.coding.layout {
            Layout::Blocks { bytes, frames } => {
                let blocks = (self.data.end - self.data.start) / u64::from(bytes);
                Some(blocks * u64::from(frames))
            }
            // The description's frames per packet are unreliable for these
            // codecs.
            Layout::Packets(Frames::Flac | Frames::Opus) => None,
            Layout::Packets(_) => {
                let frames = u64::from(self.description.packet_frames);
                let packets = self.table.as_ref().map(|table| table.packets_in_all);
                packets
                    .map(|packets| packets.saturating_mul(frames))
                    .filter(|frames| *frames > 0)
            }
        };
        match (all, self.valid_frames()) {
            (Some(all), Some(valid)) => Some(valid.min(all)),
            (all, valid) => all.or(valid),
        }
    }

    /// Converts frames of the file to decoded frames: half as many if spectral
    /// band replication is not decoded.
    fn decoded(&self, frames: u64) -> u64 {
        let (to, from) = (self.coding.rate(), self.description.rate.max(1));
        (u128::from(frames) * u128::from(to) / u128::from(from)) as u64
    }

    fn blocks(&mut self, bytes: u64, frames: u64) -> Result<Step, MediaError> {
        let count = match frames {
            1 => u64::from(PCM_PACKET_FRAMES),
            // ADPCM: the decoder needs the number of frames of each packet.
            _ => 1,
        };
        let left_bytes = self.data.end.saturating_sub(self.offset_bytes);
        let count = count.min(left_bytes / bytes);
        let end = self.frames_end().unwrap_or(u64::MAX);
        if count == 0 || self.frame >= end {
            return Ok(Step::End);
        }
        let data = self
            .input
            .bytes(self.offset_bytes, (count * bytes) as usize)?;
        if data.len() as u64 != count * bytes {
            self.is_cut_short = true;
            return Ok(Step::End);
        }
        let decoded = count * frames;
        let packet = self.trimmed(data, decoded, decoded);
        self.offset_bytes += count * bytes;
        self.frame += decoded;
        Ok(Step::Packet(packet))
    }

    /// A packet of `frames` frames of the file, decoded to `decoded` frames,
    /// without the priming and remainder frames.
    fn trimmed(&self, data: Vec<u8>, frames: u64, decoded: u64) -> Packet {
        let (delay, end) = (self.delay_frames(), self.frames_end().unwrap_or(u64::MAX));
        let before = delay.saturating_sub(self.frame);
        let valid = end.saturating_sub(self.frame).min(frames);
        let has_valid_frames = before < valid || frames == 0;
        Packet {
            data: data.into(),
            time_s: Some(self.seconds(self.frame.max(delay) - delay)),
            trim_start_frames: match has_valid_frames {
                true => self.decoded(before),
                false => TRIM_ALL,
            },
            trim_end_frames: match has_valid_frames && valid < frames {
                true => decoded.saturating_sub(self.decoded(valid)),
                false => 0,
            },
        }
    }

    fn packet(&mut self, kind: Frames) -> Result<Step, MediaError> {
        let (mut bytes, mut frames) = (
            u64::from(self.description.packet_bytes),
            u64::from(self.description.packet_frames),
        );
        if let Some(table) = &mut self.table {
            if table.packets == 0 {
                return Ok(Step::End);
            }
            table.packets -= 1;
            let read = |table: &mut PacketTable, value: &mut u64| match value {
                0 => table.number().map(|number| *value = number),
                _ => Some(()),
            };
            if read(table, &mut bytes)
                .and_then(|()| read(table, &mut frames))
                .is_none()
            {
                self.is_cut_short = true;
                return Ok(Step::End);
            }
        }
        if self.frames_end().is_some_and(|end| self.frame >= end) {
            return Ok(Step::End);
        }
        if self.offset_bytes.saturating_add(bytes) > self.data.end {
            let is_exact = self.table.is_none() && self.offset_bytes == self.data.end;
            self.is_cut_short |= !is_exact;
            return Ok(Step::End);
        }
        let offset_bytes = self.offset_bytes;
        self.offset_bytes += bytes;
        if bytes == 0 || bytes > PACKET_MAX_BYTES as u64 {
            self.frame = self.frame.saturating_add(frames);
            return Ok(match bytes {
                0 => Step::Nothing,
                _ => Step::Lost {
                    reason: "a packet is larger than 4 MiB".to_owned(),
                    duration_s: None,
                },
            });
        }
        let data = self.input.bytes(offset_bytes, bytes as usize)?;
        if data.len() as u64 != bytes {
            self.is_cut_short = true;
            return Ok(Step::End);
        }
        let decoded = kind.count(&data, self.decoded(frames));
        if let Frames::Opus | Frames::Flac | Frames::Alac(_) = kind {
            // The packet states its own length; the description may be wrong.
            let (from, to) = (self.coding.rate(), self.description.rate);
            frames = decoded * u64::from(to) / u64::from(from);
        }
        let packet = self.trimmed(data, frames, decoded);
        self.frame = self.frame.saturating_add(frames);
        Ok(Step::Packet(packet))
    }
}

impl Reader for Caf {
    fn container(&self) -> &'static str {
        "caf"
    }

    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn select(&mut self, _track: usize) {}

    fn step(&mut self) -> Result<Step, MediaError> {
        match self.coding.layout {
            Layout::Blocks { bytes, frames } => self.blocks(bytes.into(), frames.into()),
            Layout::Packets(kind) => self.packet(kind),
        }
    }

    fn is_cut_short(&self) -> bool {
        self.is_cut_short
    }
}

#[cfg(test)]
mod tests {
    use super::super::mp4::tests::{ONE_CHANNEL, Output, TEXT, assert_alike, play, reference};
    use super::*;
    use crate::testing::{self, bytes, converted, spoken};

    fn opened(content: &[u8]) -> Result<Caf, MediaError> {
        Caf::open(Source::new(testing::file(content), content.len() as u64))
    }

    fn output(content: &[u8]) -> Output {
        play(&mut opened(content).unwrap(), 0)
    }

    fn chunk(kind: &[u8; 4], size: i64, body: &[u8]) -> Vec<u8> {
        [&kind[..], &size.to_be_bytes(), body].concat()
    }

    fn description(kind: &[u8; 4], rate: f64, words: [u32; 5]) -> Vec<u8> {
        let mut body = rate.to_be_bytes().to_vec();
        body.extend_from_slice(kind);
        body.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        chunk(b"desc", 32, &body)
    }

    fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
        [&b"caff\0\x01\0\0"[..], &chunks.concat()].concat()
    }

    #[test]
    fn output_of_ffmpeg_muxers_decodes_like_ffmpeg() {
        let spoken = spoken(TEXT);
        for codec in [
            "pcm_s16le",
            "pcm_s16be",
            "pcm_s24le",
            "pcm_s24be",
            "pcm_s32le",
            "pcm_s32be",
            "pcm_f32le",
            "pcm_f32be",
            "pcm_f64le",
            "pcm_f64be",
            "pcm_s8",
            "pcm_alaw",
            "pcm_mulaw",
            "adpcm_ima_qt",
            "alac",
            "libmp3lame",
            "libopus",
            "flac",
        ] {
            for channels in ["1", "2"] {
                if channels == "1" && !ONE_CHANNEL.contains(&codec) {
                    continue;
                }
                let arguments = ["-c:a", codec, "-ac", channels, "-f", "caf"];
                let content = bytes(&converted(&spoken, &arguments));
                let name = format!("{codec}, {channels} channels");
                let output = output(&content);
                // ffmpeg 5 cannot read the FLAC that it writes.
                let expected = match codec {
                    "flac" => reference(&bytes(&spoken), output.rate),
                    _ => reference(&content, output.rate),
                };
                assert_alike(&name, &output, &expected, 1);
                let output_s = output.samples.len() as f64 / f64::from(output.rate);
                let duration_s = opened(&content).unwrap().tracks()[0].duration_s;
                // ffmpeg does not know the duration of these two either.
                assert_eq!(
                    duration_s.is_none(),
                    ["flac", "libopus"].contains(&codec),
                    "{name}"
                );
                let duration_s = duration_s.unwrap_or(output_s);
                assert!(
                    (duration_s - output_s).abs() < 0.11,
                    "{name}: {duration_s} and {output_s} s"
                );
                assert!(!output.cut_short, "{name}");
                // A truncated transfer.
                let cut = &content[..content.len() * 6 / 10];
                match opened(cut) {
                    Ok(mut reader) => {
                        let output = play(&mut reader, 0);
                        let output_s = output.samples.len() as f64 / f64::from(output.rate);
                        assert!(output.cut_short && output_s > duration_s * 0.5, "{name}");
                    }
                    // The packet table came after the data.
                    Err(error) => {
                        assert!(error.to_string().contains("packet table"), "{error}");
                    }
                }
            }
        }
    }

    /// Real-world recordings, where they are available.
    #[test]
    fn shared_recordings_are_read_or_refused() {
        let read = |name: &str| {
            std::fs::read(format!(
                concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/speech/{}"),
                name
            ))
        };
        if let Ok(content) = read("derived-codec-alac.caf") {
            let output = output(&content);
            assert_alike("alac", &output, &reference(&content, output.rate), 0);
        }
        for name in ["hostile/caf67108864.caf", "hostile/crash-2-39882--6-c.caf"] {
            if let Ok(content) = read(name) {
                let error = opened(&content).err().unwrap().to_string();
                assert!(error.contains("frames in a packet"), "{name}: {error}");
            }
        }
    }

    #[test]
    fn data_chunk_of_unknown_size_extends_to_the_end_of_the_file() {
        for size in [-1, 0] {
            let content = file(&[
                description(b"lpcm", 8000.0, [2, 2, 1, 1, 16]),
                chunk(b"data", size, &[&[0; 4][..], &[1; 2001]].concat()),
            ]);
            let output = output(&content);
            assert_eq!(output.samples.len(), 1000, "{size}");
            assert!(output.ended && !output.cut_short);
        }
    }

    #[test]
    fn priming_and_remainder_frames_are_trimmed() {
        let table = |packets: i64, valid: i64, delay: i32, rest: i32| {
            let mut body = packets.to_be_bytes().to_vec();
            body.extend_from_slice(&valid.to_be_bytes());
            body.extend_from_slice(&delay.to_be_bytes());
            body.extend_from_slice(&rest.to_be_bytes());
            // Packets of 130 bytes.
            body.extend_from_slice(&[0x81, 0x02].repeat(packets as usize));
            chunk(b"pakt", body.len() as i64, &body)
        };
        let data = chunk(b"data", 4 + 4 * 130, &[0; 4 + 4 * 130]);
        let aac = || description(b"aac ", 16_000.0, [0, 0, 1024, 1, 0]);
        let cookie = chunk(b"kuki", 2, &[0x14, 0x08]);
        for chunks in [
            vec![
                aac(),
                cookie.clone(),
                table(4, 1900, 1100, 1096),
                data.clone(),
            ],
            vec![aac(), cookie, data, table(4, 1900, 1100, 1096)],
        ] {
            let mut reader = opened(&file(&chunks)).unwrap();
            assert_eq!(reader.tracks()[0].codec, "aac");
            assert_eq!(reader.tracks()[0].duration_s, Some(1900.0 / 16_000.0));
            let mut found = Vec::new();
            while let Ok(Step::Packet(packet)) = reader.step() {
                assert_eq!(packet.data.len(), 130);
                let time = packet.time_s.unwrap() * 16_000.0;
                found.push((
                    time.round() as i64,
                    packet.trim_start_frames,
                    packet.trim_end_frames,
                ));
            }
            assert_eq!(found, [(0, TRIM_ALL, 0), (0, 76, 0), (948, 0, 72)]);
        }
    }

    #[test]
    fn invalid_descriptions_are_refused_with_a_reason() {
        let data = chunk(b"data", 100, &[0; 100]);
        for (desc, expected) in [
            (
                description(b"ima4", 8000.0, [0, 34, 0x0400_0000, 1, 0]),
                "67108864 frames in a packet",
            ),
            (
                description(b"ima4", 8000.0, [0, 34, 128, 1, 0]),
                "packets of 128 frames",
            ),
            (
                description(b"lpcm", 8000.0, [0, 2, 5, 1, 16]),
                "PCM in packets of 5 frames",
            ),
            (description(b"lpcm", 8000.0, [0, 2, 1, 0, 16]), "0 channels"),
            (
                description(b"lpcm", 8000.0, [0, 2, 1, 33, 16]),
                "33 channels",
            ),
            (
                description(b"lpcm", f64::NAN, [0, 2, 1, 1, 16]),
                "samples per second",
            ),
            (
                description(b"aac ", 8000.0, [0, 0, 1024, 1, 0]),
                "packet table is missing",
            ),
            (chunk(b"free", 4, &[0; 4]), "description is missing"),
        ] {
            let error = opened(&file(&[desc, data.clone()])).err().unwrap();
            assert!(error.to_string().contains(expected), "{error}");
        }
        assert!(matches!(opened(b"caff"), Err(MediaError::Truncated)));
        assert!(matches!(
            opened(&file(&[description(b"lpcm", 8000.0, [0, 2, 1, 1, 16])])),
            Err(MediaError::Truncated)
        ));
    }

    #[test]
    fn damage_neither_panics_nor_loops() {
        let spoken = spoken("one");
        for codec in ["pcm_s16le", "alac", "libmp3lame", "libopus", "adpcm_ima_qt"] {
            let content = bytes(&converted(&spoken, &["-c:a", codec, "-f", "caf"]));
            let end = content.len();
            let mut seed: u64 = 7;
            for round in 0..400 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let mut broken = content.clone();
                // The chunks before the data, and those after it.
                let place = (seed >> 33) as usize % 300;
                let place = if round % 3 == 0 {
                    end - 1 - place
                } else {
                    place
                };
                broken[place] ^= (seed >> 25) as u8 | 1;
                if round % 7 == 0 {
                    broken.truncate((seed >> 40) as usize % end);
                }
                let Ok(mut reader) = opened(&broken) else {
                    continue;
                };
                let mut steps = 0;
                while let Ok(step) = reader.step() {
                    steps += 1;
                    assert!(steps < 2 * end, "{codec}, {place}");
                    if matches!(step, Step::End) {
                        break;
                    }
                }
            }
        }
    }
}
