//! FLAC files (RFC 9639). symphonia parses the frames; this module handles what
//! surrounds them: tags and metadata blocks, which may be large and are not
//! needed, and the start of an appended FLAC file.

pub mod frame;
mod frames;
mod tags;
#[cfg(test)]
mod tests;

use std::io::{self, Read, Seek, SeekFrom};

use symphonia::core::audio::{Channels, layouts};
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known::CODEC_ID_FLAC;
use symphonia::core::errors::Error;
use symphonia::core::formats::{FormatOptions, FormatReader};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::default::formats::FlacReader as FrameReader;

use frame::{FrameHeader, StreamInfo};
use frames::{Frames, ReadControl};

use super::limits::PACKET_MAX_BYTES;
use super::reader::{Packet, Reader, Step, Track};

use super::{MediaError, Source};

const MARKER: &[u8; 4] = b"fLaC";

/// Files with more metadata blocks are refused.
const BLOCKS_MAX: usize = 4096;

/// The first frame is searched within this many bytes after the metadata.
const FIRST_FRAME_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// An open FLAC file.
pub struct FlacReader {
    frames: FrameReader<'static>,
    control: ReadControl,
    track: [Track; 1],
    rate: u32,
    total_frames: Option<u64>,
    /// Number of the first sample of the file: not 0 if it was cut out of a
    /// longer one.
    zero: Option<u64>,
    /// Number of the sample after the last frame.
    expected: u64,
    /// Added to sample numbers, which may restart.
    shift: u64,
    /// The frame after a reported gap.
    waiting: Option<Packet>,
    ended: bool,
}

impl FlacReader {
    /// Reads up to the first frame. Fails if the file is not FLAC or has no
    /// frame.
    pub fn open(source: Source) -> Result<Self, MediaError> {
        let begin_bytes = tags::begin_bytes(&source)?;
        let (info, frames_bytes) = metadata(source.again(), begin_bytes)?;
        let end_bytes = tags::end_bytes(&source)?.max(frames_bytes);
        if frames_bytes >= source.size_bytes() {
            return Err(MediaError::Truncated);
        }
        let first = first_frame(source.again(), frames_bytes)?;
        let block = first.map_or_else(
            || info.block.to_vec(),
            |first| compatible_stream_info(&info, first),
        );
        let mut head = MARKER.to_vec();
        head.extend([0x80, 0, 0, block.len() as u8]);
        head.extend(&block);
        let source = source.again();
        let frames = Frames::new(head, source, frames_bytes, end_bytes)?;
        let control = frames.control();
        control.allow(FIRST_FRAME_MAX_BYTES);
        let options = MediaSourceStreamOptions::default();
        let stream = MediaSourceStream::new(Box::new(frames), options);
        let frames = FrameReader::try_new(stream, FormatOptions::default())
            .map_err(|error| unreadable(error, &control))?;
        let mut parameters = AudioCodecParameters::new();
        parameters
            .for_codec(CODEC_ID_FLAC)
            .with_sample_rate(info.rate)
            .with_bits_per_sample(info.bits)
            .with_channels(match info.channels {
                1 => layouts::CHANNEL_LAYOUT_MONO,
                2 => layouts::CHANNEL_LAYOUT_STEREO,
                count => Channels::Discrete(u16::from(count)),
            })
            .with_extra_data(block.clone().into());
        let seconds = |frames: u64| frames as f64 / f64::from(info.rate);
        Ok(Self {
            frames,
            control,
            track: [Track {
                parameters,
                codec: "flac".to_owned(),
                default: true,
                duration_s: info.total_frames.map(seconds),
            }],
            rate: info.rate,
            total_frames: info.total_frames,
            zero: first.map(|first| match first.fixed {
                true => first.number * u64::from(u16::from_be_bytes([block[2], block[3]])),
                false => first.number,
            }),
            expected: 0,
            shift: 0,
            waiting: None,
            ended: false,
        })
    }

    fn seconds(&self, frames: u64) -> f64 {
        frames as f64 / f64::from(self.rate)
    }

    /// Places a frame of `length` samples that begins with sample `number`.
    fn frame(&mut self, number: u64, length: u64, data: Box<[u8]>) -> Step {
        let zero = *self.zero.get_or_insert_with(|| {
            // If the first frame is damaged, the total length shows whether a
            // frame came before.
            let within = self.total_frames.is_some_and(|total| number < total);
            if within { 0 } else { number }
        });
        self.expected = self.expected.max(zero);
        let mut number = number.saturating_add(self.shift);
        if number < self.expected {
            // Frames of another recording were appended without their metadata.
            self.shift = self.shift.saturating_add(self.expected - number);
            number = self.expected;
        }
        let missing = number - self.expected;
        self.expected = number.saturating_add(length);
        let packet = Packet {
            time_s: Some(self.seconds(number - zero)),
            ..Packet::new(data)
        };
        if missing == 0 {
            return Step::Packet(packet);
        }
        self.waiting = Some(packet);
        Step::Lost {
            reason: "damaged FLAC frames were skipped".to_owned(),
            duration_s: Some(self.seconds(missing)),
        }
    }
}

/// Skips the metadata blocks (RFC 9639, section 8); returns the STREAMINFO block
/// and the offset of the first frame.
fn metadata(mut source: Source, begin_bytes: u64) -> Result<(StreamInfo, u64), MediaError> {
    let size_bytes = source.size_bytes();
    let mut at_bytes = source.seek(SeekFrom::Start(begin_bytes))?;
    let mut marker = [0; 4];
    exact(&mut source, &mut marker)?;
    if marker != *MARKER {
        let reason = "the fLaC marker is missing".to_owned();
        return Err(MediaError::Damaged(reason));
    }
    at_bytes += 4;
    let mut info = None;
    for _ in 0..BLOCKS_MAX {
        let mut header = [0; 4];
        exact(&mut source, &mut header)?;
        let length = u64::from(u32::from_be_bytes([0, header[1], header[2], header[3]]));
        let next_bytes = at_bytes + 4 + length;
        if next_bytes > size_bytes {
            return Err(MediaError::Truncated);
        }
        if header[0] & 0x7f == 0 && info.is_none() {
            let mut block = [0; frame::STREAM_INFO_BYTES];
            exact(&mut source, &mut block)?;
            info = StreamInfo::parse(&block);
        }
        at_bytes = source.seek(SeekFrom::Start(next_bytes))?;
        if header[0] & 0x80 != 0 {
            let reason = "its STREAMINFO block is missing or damaged".to_owned();
            return Ok((info.ok_or(MediaError::Damaged(reason))?, at_bytes));
        }
    }
    let reason = format!("it has more than {BLOCKS_MAX} metadata blocks");
    Err(MediaError::Damaged(reason))
}

fn exact(source: &mut Source, bytes: &mut [u8]) -> Result<(), MediaError> {
    source
        .read_exact(bytes)
        .map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => MediaError::Truncated,
            _ => MediaError::Read(error),
        })
}

/// The header of a frame directly after the metadata, if there is one.
fn first_frame(mut source: Source, frames_bytes: u64) -> io::Result<Option<FrameHeader>> {
    const HEADER_MAX_BYTES: u64 = 16;
    source.seek(SeekFrom::Start(frames_bytes))?;
    let mut start = Vec::new();
    source.take(HEADER_MAX_BYTES).read_to_end(&mut start)?;
    Ok(frame::header(&start))
}

/// The STREAMINFO block with block sizes that symphonia accepts for this file: it
/// treats frames as damaged if they have frame numbers (a fixed block size) and
/// minimum and maximum differ, or if they have sample numbers and these are
/// equal.
fn compatible_stream_info(info: &StreamInfo, first: FrameHeader) -> Vec<u8> {
    let mut block = info.block.to_vec();
    let length = u16::try_from(first.frames).unwrap_or(u16::MAX);
    let smallest = u16::from_be_bytes([block[0], block[1]]);
    let largest = u16::from_be_bytes([block[2], block[3]]);
    let fits = smallest >= 16 && largest >= length && first.fixed == (smallest == largest);
    let (smallest, largest) = match (fits, first.fixed) {
        (true, _) => (smallest, largest),
        (false, true) => (length.max(16), length.max(16)),
        (false, false) => (16, u16::MAX),
    };
    block[..2].copy_from_slice(&smallest.to_be_bytes());
    block[2..4].copy_from_slice(&largest.to_be_bytes());
    block
}

fn unreadable(error: Error, control: &ReadControl) -> MediaError {
    match error {
        Error::IoError(error) if error.raw_os_error().is_some() => MediaError::Read(error),
        Error::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            MediaError::Truncated
        }
        _ if control.is_paused() => MediaError::Damaged("it contains no FLAC frame".to_owned()),
        error => MediaError::Damaged(error.to_string()),
    }
}

impl Reader for FlacReader {
    fn container(&self) -> &'static str {
        "flac"
    }

    fn tracks(&self) -> &[Track] {
        &self.track
    }

    fn select(&mut self, _: usize) {}

    fn step(&mut self) -> Result<Step, MediaError> {
        if let Some(packet) = self.waiting.take() {
            return Ok(Step::Packet(packet));
        }
        if self.ended {
            return Ok(Step::End);
        }
        // No frame is larger: this many bytes without one are damaged.
        self.control.allow(PACKET_MAX_BYTES as u64);
        match self.frames.next_packet() {
            Ok(Some(packet)) => {
                let number = u64::try_from(packet.pts.get()).unwrap_or(0);
                Ok(self.frame(number, packet.dur.get(), packet.data))
            }
            Err(_) if self.control.is_paused() => Ok(Step::Nothing),
            Err(Error::IoError(error)) if error.raw_os_error().is_some() => {
                Err(MediaError::Read(error))
            }
            // symphonia reports an end before the last sample this way.
            Ok(None) | Err(_) => {
                self.ended = true;
                Ok(Step::End)
            }
        }
    }

    /// Fewer samples than STREAMINFO states.
    fn is_cut_short(&self) -> bool {
        let frames = self.expected;
        self.shift == 0 && self.total_frames.is_some_and(|total| frames < total)
    }

    fn end_bytes(&self) -> Option<u64> {
        self.control.boundary_bytes()
    }
}
