//! Files of samples behind a head: wav in all its kinds (RIFF, RIFX, RF64, BW64,
//! Wave64), AU, AIFF and NIST SPHERE.
//!
//! symphonia's readers want a head that is complete and right. Those of killed
//! recorders, of programs that write to a pipe and of telephone systems are not,
//! and what is behind them is sound nevertheless.

mod aiff;
mod au;
mod chunks;
mod data;
mod head;
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
use head::Next;
pub use signal::{Endian, Framing, channels};
pub use wave_format::WaveFormat;

/// So much of the start of a file is enough for [`recognises`].
pub const RECOGNISE_BYTES: usize = 40;

/// Whether [`PcmFile`] reads files that begin with `head`.
pub fn recognises(head: &[u8]) -> bool {
    wave::recognise(head).is_some()
        || au::recognise(head)
        || aiff::recognise(head)
        || sphere::recognise(head)
}

/// A file of samples behind a head, read forward.
pub struct PcmFile {
    input: Forward,
    container: &'static str,
    tracks: [Track; 1],
    framing: Framing,
    chunks: Option<chunks::Style>,
    extent: Extent,
    /// Where the sound begins, and where it is clipped at the end of the file.
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
    /// Reads the head of a file.
    pub fn open(source: Source) -> Result<Self, MediaError> {
        Self::read(Forward::file(source))
    }

    /// Reads the head from a stream (a pipe); sound follows until its `read`
    /// gives 0 bytes.
    #[cfg(test)]
    pub fn from_stream(stream: impl Read + Send + 'static) -> Result<Self, MediaError> {
        Self::read(Forward::stream(stream))
    }

    fn read(mut input: Forward) -> Result<Self, MediaError> {
        let start = input.peek(RECOGNISE_BYTES)?.to_vec();
        let head = if let Some((container, style)) = wave::recognise(&start) {
            wave::read_head(&mut input, container, style)?
        } else if au::recognise(&start) {
            au::read_head(&mut input)?
        } else if aiff::recognise(&start) {
            aiff::read_head(&mut input)?
        } else if sphere::recognise(&start) {
            sphere::read_head(&mut input)?
        } else {
            return Err(MediaError::Unrecognised);
        };
        let begin = input.position();
        let end = head
            .extent
            .present_bytes(&input)
            .map_or(u64::MAX, |data_bytes| begin.saturating_add(data_bytes));
        Ok(Self {
            input,
            container: head.container,
            tracks: [Track {
                parameters: head.signal.parameters,
                codec: head.signal.codec,
                default: true,
                duration_s: head.duration_s,
            }],
            framing: head.signal.framing,
            chunks: head.chunks,
            extent: head.extent,
            data: begin..end,
            taken_bytes: 0,
            state: State::Sound,
            end_bytes: None,
        })
    }

    /// Where the sound is a stream of MPEG audio frames (mp3 in wav): the bytes of
    /// the file that it lies in. [`Reader::step`] gives nothing then. The end is
    /// `u64::MAX` in a stream that does not tell its length.
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
            (Extent::ToTheEnd, _) => Next::Nothing,
            (Extent::Bytes(size_bytes), _) if self.taken_bytes < size_bytes => {
                if Extent::is_cut_short(size_bytes - self.taken_bytes) {
                    self.state = State::CutShort;
                }
                Next::Nothing
            }
            (Extent::Bytes(size_bytes), Some(style)) => {
                wave::next(&mut self.input, style, size_bytes, |input| {
                    Ok(recognises(input.peek(RECOGNISE_BYTES)?))
                })?
            }
            (Extent::Bytes(_), None) if recognises(self.input.peek(RECOGNISE_BYTES)?) => {
                Next::AnotherFile(self.input.position())
            }
            (Extent::Bytes(_), None) => Next::Nothing,
        };
        match next {
            Next::MoreSound(extent) => {
                self.extent = extent;
                self.taken_bytes = 0;
                self.state = State::Sound;
                return Ok(Step::Nothing);
            }
            Next::AnotherFile(position) => self.end_bytes = Some(position),
            Next::Nothing => {}
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
            // The decoder refuses a block that was cut off, the sound in it is good.
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
