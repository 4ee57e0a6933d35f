//! Reads Apple's Core Audio Format (Apple's "Core Audio Format Specification 1.0").
//!
//! The timeline begins with the first valid frame: priming frames have negative
//! times.

mod description;
mod packet_table;

use std::ops::Range;

use description::{DESCRIPTION_BYTES, Description, damaged};
use packet_table::PacketTable;

use super::limits::{PACKET_MAX_BYTES, TABLES_MAX_BYTES};
use super::mp4::coding::{Coding, Layout, PCM_PACKET_FRAMES};
use super::mp4::frames::Frames;
use super::mp4::input::Input;
use super::reader::{Packet, Reader, Step, Track};
use super::{MediaError, Source};

const FILE_HEADER_BYTES: u64 = 8;
const CHUNK_HEADER_BYTES: u64 = 12;
const COOKIE_MAX_BYTES: u64 = 64 * 1024;
/// The edit count at the start of the data chunk.
const EDIT_COUNT_BYTES: u64 = 4;

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
                    if length > TABLES_MAX_BYTES {
                        return Err(MediaError::Excessive(format!(
                            "its packet table takes {} MiB; {} MiB are the limit",
                            length >> 20,
                            TABLES_MAX_BYTES >> 20
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
                    reason: format!("a packet is larger than {} MiB", PACKET_MAX_BYTES >> 20),
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
mod tests;
