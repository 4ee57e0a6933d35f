//! One audio stream: from its pages to packets that know when they are heard.

use super::codec::{Codec, Header};
use super::packets::Assembler;
use super::page::{POSITION_MAX_S, Page};
use crate::media::MediaError;
use crate::media::reader::PACKET_MAX_BYTES;

/// No more of a header is kept. Setup headers have some KiB; comment headers with
/// pictures have many MiB but are of no use here.
const HEADER_MAX_BYTES: usize = 1024 * 1024;

/// Granule positions that go back by more than this begin a new count.
const BACKWARDS_MAX_S: i64 = 1;

/// An audio stream that is being read.
#[derive(Debug, Clone)]
pub struct AudioStream {
    codec: Codec,
    headers: Headers,
    assembler: Assembler,
    /// What is added to granule positions.
    shift: i64,
    /// Granule position behind the last packet.
    end: Option<i64>,
    /// Of the pre-skip, what has not been trimmed yet.
    pre_skip_left: u64,
    begun: bool,
}

/// Which packets are headers.
#[derive(Debug, Clone)]
enum Headers {
    /// So many have been read; more are expected.
    Expected(usize),
    /// So many in the whole are to be stepped over again.
    Known { total: usize, left: usize },
    /// There is something wrong with them.
    Failed,
}

/// A packet of sound.
#[derive(Debug, PartialEq, Eq)]
pub struct TimedPacket {
    /// Its bytes.
    pub data: Vec<u8>,
    /// Position of its first frame that is left after trimming, if its page tells.
    pub position: Option<i64>,
    /// Frames to drop at its beginning.
    pub trim_start: u64,
    /// Frames to drop at its end.
    pub trim_end: u64,
}

/// What a page gives.
#[derive(Debug, Default)]
pub struct Sound {
    /// Its packets.
    pub packets: Vec<TimedPacket>,
    /// Something is missing before them.
    pub lost: bool,
    /// Nothing was heard before: the stream may have been tapped after its
    /// headers, and pages between are not missed.
    pub first: bool,
}

struct Measured {
    data: Vec<u8>,
    frames: u64,
    lead_in: u64,
}

impl AudioStream {
    /// A stream whose first packet said that it is this.
    pub fn new(codec: Codec) -> Self {
        Self {
            pre_skip_left: codec.pre_skip(),
            codec,
            headers: Headers::Expected(0),
            assembler: Assembler::default(),
            shift: 0,
            end: None,
            begun: false,
        }
    }

    /// The codec; complete once [`AudioStream::is_ready`].
    pub fn codec(&self) -> &Codec {
        &self.codec
    }

    /// All headers have been read.
    pub fn is_ready(&self) -> bool {
        matches!(self.headers, Headers::Known { .. })
    }

    /// The same stream from its first page on; its headers are stepped over.
    pub fn restarted(&self) -> Self {
        let mut stream = Self::new(self.codec.clone());
        stream.codec.reset();
        if let Headers::Known { total, .. } = self.headers {
            stream.headers = Headers::Known { total, left: total };
        }
        stream
    }

    /// Seconds on the stream's own clock, on which its pre-skip is cut off.
    pub fn seconds(&self, position: i64) -> f64 {
        position as f64 / f64::from(self.codec.rate().max(1))
    }

    /// Where the sound of a page ends, on the same clock.
    pub fn page_end_s(&self, page: &Page) -> Option<f64> {
        Some(self.seconds(self.granule(page)? - self.pre_skip()))
    }

    /// Where the sound read so far ends, in seconds on its own clock.
    pub fn end_s(&self) -> Option<f64> {
        Some(self.seconds(self.end? - self.pre_skip()))
    }

    /// A packet has begun whose end has not come.
    pub fn is_within_packet(&self) -> bool {
        self.assembler.is_within_packet()
    }

    fn pre_skip(&self) -> i64 {
        self.codec.pre_skip() as i64
    }

    /// Takes the next page of this stream. An error, once: it cannot be decoded.
    pub fn page(&mut self, page: &Page) -> Result<Sound, MediaError> {
        let keep_bytes = match self.headers {
            Headers::Expected(_) | Headers::Known { left: 1.., .. } => HEADER_MAX_BYTES,
            Headers::Known { .. } => PACKET_MAX_BYTES,
            Headers::Failed => return Ok(Sound::default()),
        };
        let completed = self.assembler.page(page, keep_bytes);
        let mut sound = Sound {
            packets: Vec::new(),
            lost: completed.lost,
            first: !self.begun,
        };
        let mut measured = Vec::new();
        for packet in completed.packets {
            if let Headers::Known { left, .. } = &mut self.headers
                && *left > 0
            {
                *left -= 1;
                continue;
            }
            if let Headers::Expected(seen) = self.headers {
                let header = self.codec.header(seen, &packet);
                self.headers = match header {
                    Ok(Header::More) => Headers::Expected(seen + 1),
                    Ok(Header::Last) => Headers::Known {
                        total: seen + 1,
                        left: 0,
                    },
                    Ok(Header::Data) => Headers::Known {
                        total: seen,
                        left: 0,
                    },
                    Err(_) => Headers::Failed,
                };
                if header? != Header::Data {
                    continue;
                }
            }
            if packet.truncated {
                sound.lost = true;
            } else if let Some(length) = self.codec.measure(&packet.data) {
                measured.push(Measured {
                    data: packet.data,
                    frames: length.frames,
                    lead_in: length.lead_in,
                });
            } else if !packet.data.is_empty() {
                sound.lost = true;
            }
        }
        if !measured.is_empty() {
            sound.packets = self.place(page, measured);
            self.begun = true;
        }
        Ok(sound)
    }

    /// Finds out when the packets are heard and what of them is not.
    fn place(&mut self, page: &Page, measured: Vec<Measured>) -> Vec<TimedPacket> {
        let total = measured.iter().map(|packet| packet.frames).sum::<u64>();
        let place = self
            .granule(page)
            .map(|granule| self.place_at(granule, total.cast_signed(), page.is_last()))
            .unwrap_or_default();
        self.end = place
            .start
            .or(self.end)
            .map(|start| start + total.cast_signed() - place.trim_end.cast_signed());
        let mut trim_start = (self.pre_skip_left + place.trim_start).min(total);
        self.pre_skip_left = self.pre_skip_left.saturating_sub(total);
        // Of the first frame that is left.
        let skipped = (trim_start + self.pre_skip_left).cast_signed();
        let mut position = place.start.map(|start| start + skipped - self.pre_skip());
        let mut packets = Vec::with_capacity(measured.len());
        let mut left = total;
        for packet in measured {
            let cut = trim_start.min(packet.frames);
            trim_start -= cut;
            left -= packet.frames;
            let trim_end = place.trim_end.saturating_sub(left).min(packet.frames);
            packets.push(TimedPacket {
                data: packet.data,
                position,
                trim_start: packet.lead_in + cut,
                trim_end,
            });
            if cut < packet.frames {
                position = None;
            }
        }
        packets
    }

    /// The granule position of a page, if it can be one.
    fn granule(&self, page: &Page) -> Option<i64> {
        let rate = i64::from(self.codec.rate());
        let sane = |granule: &i64| rate > 0 && granule / rate < POSITION_MAX_S;
        page.granule()
            .filter(sane)
            .map(|granule| granule + self.shift)
            .filter(sane)
    }

    /// Where `total` frames lie that end at `granule`.
    fn place_at(&mut self, granule: i64, total: i64, last: bool) -> Place {
        let start = granule - total;
        let Some(expected) = self.end else {
            if start >= 0 {
                return Place::at(start);
            }
            let surplus = total - granule;
            // A stream of one page of sound says how much of it is to be heard.
            if last {
                return Place {
                    trim_end: surplus.cast_unsigned(),
                    ..Place::at(0)
                };
            }
            // Granule positions that are all 0 would silence everything.
            if self.codec.trims_start() && granule > 0 {
                return Place {
                    trim_start: surplus.cast_unsigned(),
                    ..Place::at(start)
                };
            }
            return Place::at(start);
        };
        if last && (expected..expected + total).contains(&granule) {
            return Place {
                trim_end: (expected + total - granule).cast_unsigned(),
                ..Place::at(expected)
            };
        }
        if start < expected - BACKWARDS_MAX_S * i64::from(self.codec.rate()) {
            self.shift += expected - start;
            return Place::at(expected);
        }
        Place::at(start)
    }
}

/// Where the packets of a page lie.
#[derive(Debug, Default)]
struct Place {
    /// Granule position of the first frame.
    start: Option<i64>,
    /// Frames that are not to be heard, from the first on.
    trim_start: u64,
    /// The same, up to the last.
    trim_end: u64,
}

impl Place {
    fn at(start: i64) -> Self {
        Self {
            start: Some(start),
            ..Self::default()
        }
    }
}
