//! Matroska and WebM (RFC 9559), read forward: neither the index nor the sizes of
//! the segment and its clusters are needed, so that live recordings and truncated
//! files are read as well as complete ones.
//!
//! Implemented here because matroska-demuxer 0.8, the only demuxer for it that
//! supports lacing, neither resyncs after damage nor decompresses nor bounds its
//! memory; the others only list elements.
//!
//! Elements are handled by id, independent of their parents: an id occurs at one
//! level only, so a child can be read even if its parents were not.

mod block;
mod codecs;
mod ebml;
mod encodings;
mod header;
pub(super) mod ids;
mod resync;
mod timeline;
mod tracks;

#[cfg(test)]
mod tests;

use super::forward::Forward;
use super::limits::PACKET_MAX_BYTES;
use super::reader::{Packet, Reader, Step, Track};
use super::{MediaError, Source};
use block::BlockHeader;
use ebml::{Ahead, ElementHeader};
use header::FileHeader;
use timeline::Timeline;
use tracks::Tracks;

/// Most bytes of a block's frames after decompression.
const UNPACKED_MAX_BYTES: usize = 2 * PACKET_MAX_BYTES;

/// Elements read in one step before it returns [`Step::Nothing`].
const STEP_ELEMENTS_MAX: usize = 2048;

/// A timestamp this far ahead is damaged: no recording pauses for longer.
const JUMP_MAX_NS: u64 = 24 * 3600 * 1_000_000_000;

/// An open Matroska file.
pub struct Matroska {
    input: Forward,
    container: &'static str,
    tracks: Tracks,
    /// Index into both lists of `tracks`.
    selected: Option<usize>,
    /// Decoded frames that are still to be dropped at the start.
    delay_left_frames: u64,
    timeline: Timeline,
    scale_ns: u64,
    /// In ticks; `None` before the first cluster and in a damaged one.
    cluster_timestamp: Option<u64>,
    clusters: u64,
    last_time_ns: Option<i64>,
    segment_end: Option<u64>,
    cluster_end: Option<u64>,
    state: State,
    claims_more: bool,
    end_bytes: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    /// Searching for the next readable element.
    Lost(&'static str),
    Ended,
}

impl Matroska {
    /// Reads up to the first cluster.
    pub fn open(source: Source) -> Result<Self, MediaError> {
        let mut input = Forward::file(source);
        let header = FileHeader::read(&mut input)?;
        Ok(Self {
            input,
            container: header.container,
            timeline: Timeline::new(header.tracks.timed.clone()),
            tracks: header.tracks,
            selected: None,
            delay_left_frames: 0,
            scale_ns: header.scale_ns,
            cluster_timestamp: None,
            clusters: 0,
            last_time_ns: None,
            segment_end: header.segment_end,
            cluster_end: None,
            state: State::Reading,
            claims_more: header.claims_more,
            end_bytes: None,
        })
    }

    /// End of an element whose header was consumed; notes if it is after the end
    /// of the file.
    fn end_of(&mut self, header: ElementHeader) -> Option<u64> {
        let size_bytes = header.size_bytes?;
        let left_bytes = self.input.left_bytes().unwrap_or(u64::MAX);
        self.claims_more |= size_bytes > left_bytes;
        Some(self.input.position().saturating_add(size_bytes))
    }

    fn enter_segment(&mut self, header: ElementHeader) {
        self.segment_end = self.end_of(header);
    }

    fn enter_cluster(&mut self, header: ElementHeader) {
        self.cluster_end = self.end_of(header);
        self.cluster_timestamp = None;
        // Later clusters do not have earlier timestamps.
        if self.clusters > 0 {
            self.timeline.settle();
        }
        self.clusters += 1;
    }

    /// Reads the next element; false at the end of the file.
    fn read_element(&mut self) -> Result<bool, MediaError> {
        let header = match ebml::ahead(&mut self.input)? {
            Ahead::Element(header) => header,
            Ahead::End => return Ok(false),
            Ahead::Invalid => {
                if self.is_after_segment() {
                    return Ok(false);
                }
                self.resync_after("an invalid element");
                return Ok(true);
            }
        };
        match header.id {
            ids::EBML => {
                self.end_bytes = Some(self.input.position());
                return Ok(false);
            }
            ids::SEGMENT => {
                self.input.consume(header.header_bytes);
                self.enter_segment(header);
            }
            ids::CLUSTER => {
                self.input.consume(header.header_bytes);
                self.enter_cluster(header);
            }
            ids::TIMESTAMP => {
                let size_bytes = header.size_bytes.unwrap_or(u64::MAX);
                if size_bytes > 8 {
                    self.resync_after("an invalid cluster timestamp");
                    return Ok(true);
                }
                self.input.consume(header.header_bytes);
                let body = self.input.take_up_to(size_bytes as usize)?;
                self.cluster_timestamp = Some(ebml::unsigned(&body));
            }
            ids::SIMPLE_BLOCK | ids::BLOCK_GROUP => self.read_block(header)?,
            _ if self.is_after_segment() => return Ok(false),
            ids::VOID
            | ids::CRC_32
            | ids::POSITION
            | ids::PREV_SIZE
            | ids::SILENT_TRACKS
            | ids::ENCRYPTED_BLOCK => self.skip_element(header, self.cluster_end)?,
            ids::SEEK_HEAD
            | ids::INFO
            | ids::TRACKS
            | ids::CUES
            | ids::CHAPTERS
            | ids::TAGS
            | ids::ATTACHMENTS => {
                // These end a cluster of unknown size.
                self.cluster_end = None;
                self.skip_element(header, self.segment_end)?;
            }
            _ => self.read_unknown(header)?,
        }
        Ok(true)
    }

    fn is_after_segment(&self) -> bool {
        self.segment_end
            .is_some_and(|end| self.input.position() >= end)
    }

    fn skip_element(
        &mut self,
        header: ElementHeader,
        parent_end: Option<u64>,
    ) -> Result<(), MediaError> {
        let start = self.input.position() + header.header_bytes as u64;
        let end = header
            .size_bytes
            .map(|size_bytes| start.saturating_add(size_bytes));
        match (end, parent_end) {
            (None, _) => self.resync_after("an element has no size"),
            (Some(end), Some(parent_end)) if end > parent_end && start <= parent_end => {
                self.resync_after("an element is larger than its parent");
            }
            (Some(end), _) => {
                self.input.skip(end - self.input.position())?;
            }
        }
        Ok(())
    }

    /// An element with an id that no version of the format defines: new or, more
    /// likely, damaged.
    fn read_unknown(&mut self, header: ElementHeader) -> Result<(), MediaError> {
        let in_cluster = self
            .cluster_end
            .is_some_and(|end| self.input.position() < end);
        let content = self
            .input
            .peek(32)?
            .get(header.header_bytes..)
            .unwrap_or(&[]);
        // An element that begins with a timestamp is a cluster with a damaged id.
        let is_cluster = !in_cluster
            && ebml::children(content)
                .next()
                .is_some_and(|(id, body)| id == ids::TIMESTAMP && body.len() <= 8);
        if is_cluster {
            self.input.consume(header.header_bytes);
            self.enter_cluster(header);
        } else if self.clusters == 0 {
            self.skip_element(header, self.segment_end)?;
        } else {
            self.resync_after("an unknown element");
        }
        Ok(())
    }

    /// Reads the SimpleBlock or BlockGroup at the current position.
    fn read_block(&mut self, header: ElementHeader) -> Result<(), MediaError> {
        let start = self.input.position();
        let whole_bytes = header
            .size_bytes
            .map(|size_bytes| size_bytes.saturating_add(header.header_bytes as u64));
        let in_cluster = |end: u64| {
            self.cluster_end
                .is_none_or(|cluster_end| end <= cluster_end || start >= cluster_end)
        };
        let Some(whole_bytes) = whole_bytes
            .filter(|whole_bytes| in_cluster(start.saturating_add(*whole_bytes)))
            .filter(|whole_bytes| *whole_bytes <= self.input.left_bytes().unwrap_or(u64::MAX))
        else {
            self.resync_after("a block is larger than its parent");
            return Ok(());
        };
        let Some((block, _)) = resync::block_ahead(&mut self.input, header)? else {
            self.resync_after("an invalid block");
            return Ok(());
        };
        let time_ns = self.time_ns(block.relative);
        self.timeline.note_block(block.track, time_ns);
        let selected = self.selected.map(|index| self.tracks.audio[index].number);
        if selected != Some(block.track) {
            self.input.skip(whole_bytes)?;
            return Ok(());
        }
        if whole_bytes > PACKET_MAX_BYTES as u64 {
            self.resync_after("a block is too large");
            return Ok(());
        }
        self.input.consume(header.header_bytes);
        let content = self
            .input
            .take_up_to(whole_bytes as usize - header.header_bytes)?;
        let (body, discard_ns) = if header.id == ids::BLOCK_GROUP {
            group(&content)
        } else {
            (&content[..], 0)
        };
        if !self.push_block(body, discard_ns, time_ns) {
            self.state = State::Lost("invalid frames in a block");
        }
        Ok(())
    }

    /// Timestamp of a block in nanoseconds on the segment's timeline: `None` if
    /// it is unknown or implausible.
    fn time_ns(&mut self, relative: i16) -> Option<i64> {
        let ticks = i64::try_from(self.cluster_timestamp?)
            .ok()?
            .checked_add(i64::from(relative))?;
        let time_ns = ticks.checked_mul(i64::try_from(self.scale_ns).ok()?)?;
        if self
            .last_time_ns
            .is_some_and(|last_ns| last_ns.abs_diff(time_ns) > JUMP_MAX_NS)
        {
            return None;
        }
        self.last_time_ns = Some(time_ns);
        Some(time_ns)
    }

    /// Pushes the frames of a block to the timeline; false if they are damaged.
    fn push_block(&mut self, block: &[u8], discard_ns: i64, time_ns: Option<i64>) -> bool {
        let Some(selected) = self.selected else {
            return true;
        };
        let parameters = &self.tracks.tracks[selected].parameters;
        let rate = parameters.sample_rate.unwrap_or(0).max(1);
        let track = &self.tracks.audio[selected];
        let frames = BlockHeader::parse(block)
            .and_then(|header| block::frames(block.get(header.header_bytes..)?, header.lacing));
        let Some(frames) = frames else {
            return false;
        };
        let last = frames.len() - 1;
        let mut left_bytes = UNPACKED_MAX_BYTES;
        for (index, frame) in frames.into_iter().enumerate() {
            // 256 empty frames fit in a few bytes.
            if frame.is_empty() && index != last {
                continue;
            }
            let Ok(data) = track.encodings.frame(frame, left_bytes) else {
                return false;
            };
            left_bytes -= data.len().min(left_bytes);
            let mut packet = Packet::new(data);
            let coded_frames = codecs::packet_frames(parameters, &packet.data);
            let delay_frames = self.delay_left_frames.min(coded_frames.unwrap_or(u64::MAX));
            self.delay_left_frames -= delay_frames;
            packet.trim_start_frames = delay_frames;
            // Negative: at the start.
            let discard_frames = tracks::frames(discard_ns.unsigned_abs(), rate);
            if discard_ns < 0 && index == 0 {
                packet.trim_start_frames += discard_frames;
            } else if discard_ns > 0 && index == last {
                packet.trim_end_frames = discard_frames;
            }
            let trimmed_ns = packet.trim_start_frames as f64 / f64::from(rate) * 1e9;
            let presentation_ns = time_ns.filter(|_| index == 0).map(|time_ns| {
                let start_ns = time_ns.saturating_sub_unsigned(track.delay_ns);
                start_ns.saturating_add(trimmed_ns as i64)
            });
            self.timeline.push(packet, presentation_ns);
        }
        true
    }

    /// Starts the search for the next readable element.
    fn resync_after(&mut self, reason: &'static str) {
        self.input.consume(1);
        self.state = State::Lost(reason);
    }

    fn end(&mut self) {
        self.state = State::Ended;
        self.timeline.finish();
    }
}

/// The Block in a BlockGroup, and its DiscardPadding in nanoseconds.
fn group(content: &[u8]) -> (&[u8], i64) {
    let mut found = (&[][..], 0);
    for (id, body) in ebml::children(content) {
        match id {
            ids::BLOCK => found.0 = body,
            ids::DISCARD_PADDING => found.1 = ebml::signed(body),
            _ => {}
        }
    }
    found
}

impl Reader for Matroska {
    fn container(&self) -> &'static str {
        self.container
    }

    fn tracks(&self) -> &[Track] {
        &self.tracks.tracks
    }

    fn others(&self) -> String {
        self.tracks.others()
    }

    fn select(&mut self, track: usize) {
        self.selected = (track < self.tracks.audio.len()).then_some(track);
        self.delay_left_frames = match self.selected {
            Some(index) => self.tracks.audio[index].delay_frames,
            None => 0,
        };
    }

    fn step(&mut self) -> Result<Step, MediaError> {
        for _ in 0..STEP_ELEMENTS_MAX {
            if let Some(packet) = self.timeline.pop() {
                return Ok(Step::Packet(packet));
            }
            match self.state {
                State::Ended => return Ok(Step::End),
                State::Lost(reason) => {
                    let timed = &self.tracks.timed;
                    let found = resync::resync(&mut self.input, |track| timed.contains(&track))?;
                    return Ok(match found {
                        resync::SearchResult::Element => {
                            self.state = State::Reading;
                            Step::Lost {
                                reason: reason.to_owned(),
                                duration_s: None,
                            }
                        }
                        resync::SearchResult::NothingYet => Step::Nothing,
                        resync::SearchResult::End => {
                            self.end();
                            Step::Nothing
                        }
                    });
                }
                State::Reading => {
                    if !self.read_element()? {
                        self.end();
                    }
                }
            }
        }
        Ok(Step::Nothing)
    }

    fn is_cut_short(&self) -> bool {
        self.claims_more
    }

    fn end_bytes(&self) -> Option<u64> {
        self.end_bytes
    }
}
