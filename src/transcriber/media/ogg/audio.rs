//! One audio stream: turns its pages into packets with times.

use super::codec::{Codec, Header};
use super::packets::Assembler;
use super::page::{POSITION_MAX_S, Page};
use crate::media::MediaError;
use crate::media::limits::PACKET_MAX_BYTES;

/// Longer headers are truncated. Setup headers have some KiB; comment headers
/// with pictures have many MiB but are not needed.
const HEADER_MAX_BYTES: usize = 1024 * 1024;

/// Granule positions that go back by more than this restart the count.
const BACKWARDS_MAX_S: i64 = 1;

/// An audio stream being read.
#[derive(Debug, Clone)]
pub struct AudioStream {
    codec: Codec,
    headers: Headers,
    assembler: Assembler,
    /// Added to granule positions.
    shift: i64,
    /// Granule position after the last packet.
    end: Option<i64>,
    /// The part of the pre-skip that is not trimmed yet.
    pre_skip_left: u64,
    begun: bool,
}

/// Progress of the header packets.
#[derive(Debug, Clone)]
enum Headers {
    /// This many have been read; more are expected.
    Expected(usize),
    /// All are known; `left` of `total` are still to be skipped.
    Known { total: usize, left: usize },
    /// They are invalid.
    Failed,
}

/// An audio packet.
#[derive(Debug, PartialEq, Eq)]
pub struct TimedPacket {
    /// The payload.
    pub data: Vec<u8>,
    /// Position of its first frame after trimming, if its page has a granule
    /// position.
    pub position: Option<i64>,
    /// Frames to drop at its start.
    pub trim_start: u64,
    /// Frames to drop at its end.
    pub trim_end: u64,
}

/// The content of a page.
#[derive(Debug, Default)]
pub struct PageContent {
    /// Its packets.
    pub packets: Vec<TimedPacket>,
    /// Data before the packets is missing.
    pub lost: bool,
    /// No audio came before: the stream may have been joined after its headers,
    /// so missing pages before it are not a loss.
    pub first: bool,
}

struct Measured {
    data: Vec<u8>,
    frames: u64,
    lead_in: u64,
}

impl AudioStream {
    /// A stream identified as this codec by its first packet.
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

    /// The codec; complete after [`AudioStream::is_ready`].
    pub fn codec(&self) -> &Codec {
        &self.codec
    }

    /// Whether all headers have been read.
    pub fn is_ready(&self) -> bool {
        matches!(self.headers, Headers::Known { .. })
    }

    /// The same stream from its first page on; its headers are skipped.
    pub fn restarted(&self) -> Self {
        let mut stream = Self::new(self.codec.clone());
        stream.codec.reset();
        if let Headers::Known { total, .. } = self.headers {
            stream.headers = Headers::Known { total, left: total };
        }
        stream
    }

    /// A granule position as seconds on the stream's clock, without its pre-skip.
    pub fn seconds(&self, position: i64) -> f64 {
        position as f64 / f64::from(self.codec.rate().max(1))
    }

    /// End of a page's audio, on the same clock.
    pub fn page_end_s(&self, page: &Page) -> Option<f64> {
        Some(self.seconds(self.granule(page)? - self.pre_skip()))
    }

    /// End of the audio read so far, in seconds on the stream's clock.
    pub fn end_s(&self) -> Option<f64> {
        Some(self.seconds(self.end? - self.pre_skip()))
    }

    /// Whether a packet has begun and not ended.
    pub fn is_within_packet(&self) -> bool {
        self.assembler.is_within_packet()
    }

    fn pre_skip(&self) -> i64 {
        self.codec.pre_skip() as i64
    }

    /// Reads the next page of this stream. Fails, once, if it cannot be decoded.
    pub fn page(&mut self, page: &Page) -> Result<PageContent, MediaError> {
        let keep_bytes = match self.headers {
            Headers::Expected(_) | Headers::Known { left: 1.., .. } => HEADER_MAX_BYTES,
            Headers::Known { .. } => PACKET_MAX_BYTES,
            Headers::Failed => return Ok(PageContent::default()),
        };
        let completed = self.assembler.page(page, keep_bytes);
        let mut content = PageContent {
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
                content.lost = true;
            } else if let Some(length) = self.codec.measure(&packet.data) {
                measured.push(Measured {
                    data: packet.data,
                    frames: length.frames,
                    lead_in: length.lead_in,
                });
            } else if !packet.data.is_empty() {
                content.lost = true;
            }
        }
        if !measured.is_empty() {
            content.packets = self.place(page, measured);
            self.begun = true;
        }
        Ok(content)
    }

    /// Determines positions and trimming of packets.
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
        // Of the first frame after trimming.
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

    /// The granule position of a page, if it is valid.
    fn granule(&self, page: &Page) -> Option<i64> {
        let rate = i64::from(self.codec.rate());
        let sane = |granule: &i64| rate > 0 && granule / rate < POSITION_MAX_S;
        page.granule()
            .filter(sane)
            .map(|granule| granule + self.shift)
            .filter(sane)
    }

    /// Positions of `total` frames that end at `granule`.
    fn place_at(&mut self, granule: i64, total: i64, last: bool) -> Placement {
        let start = granule - total;
        let Some(expected) = self.end else {
            if start >= 0 {
                return Placement::at(start);
            }
            let surplus = total - granule;
            // In a stream of one audio page, its granule position gives the
            // length.
            if last {
                return Placement {
                    trim_end: surplus.cast_unsigned(),
                    ..Placement::at(0)
                };
            }
            // Granule positions that are all 0 must not trim everything.
            if self.codec.trims_start() && granule > 0 {
                return Placement {
                    trim_start: surplus.cast_unsigned(),
                    ..Placement::at(start)
                };
            }
            return Placement::at(start);
        };
        if last && (expected..expected + total).contains(&granule) {
            return Placement {
                trim_end: (expected + total - granule).cast_unsigned(),
                ..Placement::at(expected)
            };
        }
        if start < expected - BACKWARDS_MAX_S * i64::from(self.codec.rate()) {
            self.shift += expected - start;
            return Placement::at(expected);
        }
        Placement::at(start)
    }
}

/// Position and trimming of the packets of a page.
#[derive(Debug, Default)]
struct Placement {
    /// Granule position of the first frame.
    start: Option<i64>,
    /// Frames to drop at the start.
    trim_start: u64,
    /// Frames to drop at the end.
    trim_end: u64,
}

impl Placement {
    fn at(start: i64) -> Self {
        Self {
            start: Some(start),
            ..Self::default()
        }
    }
}
