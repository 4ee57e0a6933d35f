//! PCM files with a header: all variants of wav (RIFF, RIFX, RF64, BW64, Wave64),
//! AU, AIFF and NIST SPHERE.
//!
//! symphonia's readers require a complete and valid header. Killed recorders,
//! programs that write to a pipe and telephone systems do not write one, but the
//! audio data after it is valid.

mod aiff;
mod au;
mod chunks;
mod data;
mod header;
mod signal;
mod sphere;
mod wave;
mod wave_format;
mod wave_tags;

#[cfg(test)]
mod tests;

#[cfg(test)]
use std::io::Read;
use std::ops::Range;

use super::forward::Forward;
use super::reader::{Packet, Reader, Step, Track};
use super::{MediaError, Source};
use data::Extent;
use header::AfterData;
pub use signal::{Endian, Framing, channels};
pub use wave_format::WaveFormat;

/// Bytes at the start of a file that [`recognises`] needs.
pub const RECOGNISE_BYTES: usize = 40;

/// Whether [`PcmFile`] reads files that begin with `head`.
pub fn recognises(head: &[u8]) -> bool {
    wave::recognise(head).is_some()
        || au::recognise(head)
        || aiff::recognise(head)
        || sphere::recognise(head)
}

/// A PCM file with a header, read forward.
pub struct PcmFile {
    input: Forward,
    container: &'static str,
    tracks: [Track; 1],
    framing: Framing,
    chunks: Option<chunks::Style>,
    extent: Extent,
    /// Byte range of the audio data, clipped to the file.
    data: Range<u64>,
    taken_bytes: u64,
    state: State,
    end_bytes: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Sound,
    Ended,
    CutShort,
}

impl PcmFile {
    /// Reads the header of a file.
    pub fn open(source: Source) -> Result<Self, MediaError> {
        Self::read(Forward::file(source))
    }

    /// Reads the header from a stream (a pipe); audio data follows until its
    /// `read` returns 0 bytes.
    #[cfg(test)]
    pub fn from_stream(stream: impl Read + Send + 'static) -> Result<Self, MediaError> {
        Self::read(Forward::stream(stream))
    }

    fn read(mut input: Forward) -> Result<Self, MediaError> {
        let start = input.peek(RECOGNISE_BYTES)?.to_vec();
        let header = if let Some((container, style)) = wave::recognise(&start) {
            wave::read_header(&mut input, container, style)?
        } else if au::recognise(&start) {
            au::read_header(&mut input)?
        } else if aiff::recognise(&start) {
            aiff::read_header(&mut input)?
        } else if sphere::recognise(&start) {
            sphere::read_header(&mut input)?
        } else {
            return Err(MediaError::Unrecognised);
        };
        let begin = input.position();
        let end = header
            .extent
            .present_bytes(&input)
            .map_or(u64::MAX, |data_bytes| begin.saturating_add(data_bytes));
        Ok(Self {
            input,
            container: header.container,
            tracks: [Track {
                parameters: header.signal.parameters,
                codec: header.signal.codec,
                default: true,
                duration_s: header.duration_s,
            }],
            framing: header.signal.framing,
            chunks: header.chunks,
            extent: header.extent,
            data: begin..end,
            taken_bytes: 0,
            state: State::Sound,
            end_bytes: None,
        })
    }

    /// If the data is a stream of MPEG audio frames (mp3 in wav): its byte range
    /// in the file. [`Reader::step`] returns no packets then. The end is
    /// `u64::MAX` in a stream of unknown length.
    pub fn mpeg_audio(&self) -> Option<Range<u64>> {
        (self.framing == Framing::Mpeg).then(|| self.data.clone())
    }

    /// The same for AAC in ADTS frames.
    pub fn adts(&self) -> Option<Range<u64>> {
        (self.framing == Framing::Adts).then(|| self.data.clone())
    }

    fn end(&mut self) -> Result<Step, MediaError> {
        self.state = State::Ended;
        let next = match (self.extent, self.chunks) {
            (Extent::ToTheEnd, _) => AfterData::Nothing,
            (Extent::Bytes(size_bytes), _) if self.taken_bytes < size_bytes => {
                if Extent::is_cut_short(size_bytes - self.taken_bytes) {
                    self.state = State::CutShort;
                }
                AfterData::Nothing
            }
            (Extent::Bytes(size_bytes), Some(style)) => {
                wave::next(&mut self.input, style, size_bytes, |input| {
                    Ok(recognises(input.peek(RECOGNISE_BYTES)?))
                })?
            }
            (Extent::Bytes(_), None) if recognises(self.input.peek(RECOGNISE_BYTES)?) => {
                AfterData::AnotherFile(self.input.position())
            }
            (Extent::Bytes(_), None) => AfterData::Nothing,
        };
        match next {
            AfterData::MoreData(extent) => {
                self.extent = extent;
                self.taken_bytes = 0;
                self.state = State::Sound;
                return Ok(Step::Nothing);
            }
            AfterData::AnotherFile(position) => self.end_bytes = Some(position),
            AfterData::Nothing => {}
        }
        Ok(Step::End)
    }
}

impl Reader for PcmFile {
    fn container(&self) -> &'static str {
        self.container
    }

    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn select(&mut self, _track: usize) {}

    fn step(&mut self) -> Result<Step, MediaError> {
        let Framing::Units {
            bytes,
            frames,
            per_packet,
        } = self.framing
        else {
            return Ok(Step::End);
        };
        if self.state != State::Sound {
            return Ok(Step::End);
        }
        let mut wanted = u64::from(bytes) * u64::from(per_packet);
        if let Extent::Bytes(size_bytes) = self.extent {
            wanted = wanted.min(size_bytes - self.taken_bytes);
        }
        let mut data = self.input.take_up_to(wanted as usize)?;
        self.taken_bytes += data.len() as u64;
        let unit_bytes = bytes as usize;
        let mut packet = Packet::new([]);
        if frames == 1 {
            data.truncate(data.len() / unit_bytes * unit_bytes);
        } else if !data.is_empty() && data.len() < unit_bytes {
            // The decoder refuses a truncated block, whose samples are valid: it
            // is padded, and the padding trimmed.
            packet.trim_end_frames =
                u64::from(frames) * (unit_bytes - data.len()) as u64 / u64::from(bytes);
            data.resize(unit_bytes, 0);
        }
        if data.is_empty() {
            return self.end();
        }
        packet.data = data.into();
        Ok(Step::Packet(packet))
    }

    fn is_cut_short(&self) -> bool {
        self.state == State::CutShort
    }

    fn end_bytes(&self) -> Option<u64> {
        self.end_bytes
    }
}
