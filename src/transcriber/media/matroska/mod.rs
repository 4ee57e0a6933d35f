//! Matroska and WebM (RFC 9559), read forward: neither index nor sizes of the
//! segment and its clusters are needed, so that live recordings and files that
//! were cut short are read as well as complete ones.
//!
//! Written here because matroska-demuxer 0.8, the only demuxer for it that
//! knows lacing, neither goes on after damage nor undoes compression nor bounds
//! its memory, and the others only list elements.
//!
//! Elements are taken one after another by their ids, whatever contains them: an
//! id stands at one level only, so that what contains an element need not be known
//! in full to read what is inside.

mod block;
mod codecs;
mod ebml;
mod encodings;
pub(super) mod ids;
mod resync;
mod timeline;
mod tracks;

#[cfg(test)]
mod tests;

use super::forward::Forward;
use super::reader::{PACKET_MAX_BYTES, Packet, Reader, Step, Track};
use super::{MediaError, Source};
use block::BlockHead;
use ebml::{Ahead, Head};
use timeline::Timeline;
use tracks::Tracks;

/// A longer head of the file or list of tracks is damaged.
const EBML_HEAD_MAX_BYTES: u64 = 64 * 1024;
const TRACKS_MAX_BYTES: u64 = 16 * 1024 * 1024;
const INFO_MAX_BYTES: u64 = 64 * 1024;

/// The frames of a block, once their compression is undone.
const UNPACKED_MAX_BYTES: usize = 2 * PACKET_MAX_BYTES;

/// Elements that one step looks at before it says [`Step::Nothing`].
const STEP_ELEMENTS_MAX: usize = 2048;

/// Elements before the list of tracks; more are no recording but a trap.
const ELEMENTS_BEFORE_TRACKS_MAX: usize = 1_000_000;

/// No recording stands still for longer: such a timestamp is damaged.
const JUMP_MAX_NS: u64 = 24 * 3600 * 1_000_000_000;

const DEFAULT_SCALE_NS: u64 = 1_000_000;

/// A Matroska file, read forward.
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
    /// In ticks; absent before the first cluster and in a damaged one.
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
    /// Looking for the next place that can be read.
    Lost(&'static str),
    Ended,
}

impl Matroska {
    /// Reads up to the first cluster.
    pub fn open(source: Source) -> Result<Self, MediaError> {
        let mut file = Self {
            input: Forward::file(source),
            container: "mkv",
            tracks: Tracks::default(),
            selected: None,
            delay_left_frames: 0,
            timeline: Timeline::default(),
            scale_ns: DEFAULT_SCALE_NS,
            cluster_timestamp: None,
            clusters: 0,
            last_time_ns: None,
            segment_end: None,
            cluster_end: None,
            state: State::Reading,
            claims_more: false,
            end_bytes: None,
        };
        file.read_head()?;
        Ok(file)
    }

    fn read_head(&mut self) -> Result<(), MediaError> {
        let mut first_cluster = None;
        let mut duration_ticks = None;
        let mut found = false;
        for index in 0..ELEMENTS_BEFORE_TRACKS_MAX {
            let head = match ebml::ahead(&mut self.input)? {
                Ahead::Element(head) => head,
                Ahead::End => break,
                Ahead::Rubbish => {
                    self.input.consume(1);
                    if resync::find_tracks(&mut self.input)? {
                        continue;
                    }
                    return Err(damaged("its head cannot be read"));
                }
            };
            if head.id == ids::CLUSTER {
                if found {
                    break;
                }
                // The list of tracks should have come; it may be behind.
                first_cluster.get_or_insert(self.input.position());
            }
            if head.id == ids::EBML && index > 0 {
                break;
            }
            self.input.consume(head.head_bytes);
            match head.id {
                ids::EBML => {
                    let content = self.content(head, EBML_HEAD_MAX_BYTES, "head of the file")?;
                    let doc_type = ebml::children(&content)
                        .find(|(id, _)| *id == ids::DOC_TYPE)
                        .map(|(_, body)| ebml::string(body));
                    if doc_type.as_deref() == Some("webm") {
                        self.container = "webm";
                    }
                }
                ids::SEGMENT => self.enter_segment(head),
                ids::CLUSTER if head.size_bytes.is_none() => {}
                ids::INFO => {
                    let content = self.content(head, INFO_MAX_BYTES, "description")?;
                    for (id, body) in ebml::children(&content) {
                        match id {
                            ids::TIMESTAMP_SCALE => self.scale_ns = ebml::unsigned(body).max(1),
                            ids::DURATION => duration_ticks = Some(ebml::float(body)),
                            _ => {}
                        }
                    }
                }
                ids::TRACKS if !found => {
                    let content = self.content(head, TRACKS_MAX_BYTES, "list of tracks")?;
                    self.tracks = Tracks::parse(&content);
                    found = true;
                    if first_cluster.is_some() {
                        break;
                    }
                }
                _ => {
                    let left_bytes = self.input.left_bytes().unwrap_or(u64::MAX);
                    match head.size_bytes {
                        Some(size_bytes) if size_bytes <= left_bytes => {
                            self.input.skip(size_bytes)?;
                        }
                        _ if resync::find_tracks(&mut self.input)? => {}
                        _ => break,
                    }
                }
            }
        }
        if !found {
            return Err(match self.input.peek(1)? {
                [] => MediaError::Truncated,
                _ => damaged("it has no list of tracks"),
            });
        }
        if let Some(position) = first_cluster {
            self.input.go_to(position)?;
        }
        self.timeline = Timeline::new(self.tracks.timed.clone());
        self.claims_more = self
            .segment_end
            .is_some_and(|end| end > self.input.position() + self.input.left_bytes().unwrap_or(0));
        if let (true, Some(ticks)) = (self.tracks.is_single(), duration_ticks) {
            self.set_duration(ticks * self.scale_ns as f64 / 1e9)?;
        }
        Ok(())
    }

    /// The duration in a segment's head is of its longest track, and counts from a
    /// timestamp of 0: so it is believed where there is one track and the file is
    /// as long as it claims. Called at the first cluster.
    fn set_duration(&mut self, duration_s: f64) -> Result<(), MediaError> {
        if self.claims_more {
            return Ok(());
        }
        let Ahead::Element(head) = ebml::ahead(&mut self.input)? else {
            return Ok(());
        };
        let content = self.input.peek(64)?.get(head.head_bytes..).unwrap_or(&[]);
        let first_ticks = ebml::children(content)
            .find(|(id, _)| *id == ids::TIMESTAMP)
            .map_or(0, |(_, body)| ebml::unsigned(body));
        let first_s = first_ticks as f64 * self.scale_ns as f64 / 1e9;
        let duration_s = duration_s - first_s;
        if duration_s > 0.0 && duration_s.is_finite() {
            self.tracks.tracks[0].duration_s = Some(duration_s);
        }
        Ok(())
    }

    /// Takes the content of an element that is kept in memory.
    fn content(&mut self, head: Head, max_bytes: u64, what: &str) -> Result<Vec<u8>, MediaError> {
        match head.size_bytes {
            Some(size_bytes) if size_bytes <= max_bytes => {
                let content = self.input.take_up_to(size_bytes as usize)?;
                if (content.len() as u64) < size_bytes {
                    return Err(MediaError::Truncated);
                }
                Ok(content)
            }
            Some(size_bytes) => Err(damaged(&format!("its {what} claims {size_bytes} bytes"))),
            None => Err(damaged(&format!("its {what} has no size"))),
        }
    }

    /// Where an element whose head was taken ends; notes if that is behind the end
    /// of the file.
    fn end_of(&mut self, head: Head) -> Option<u64> {
        let size_bytes = head.size_bytes?;
        let left_bytes = self.input.left_bytes().unwrap_or(u64::MAX);
        self.claims_more |= size_bytes > left_bytes;
        Some(self.input.position().saturating_add(size_bytes))
    }

    fn enter_segment(&mut self, head: Head) {
        self.segment_end = self.end_of(head);
    }

    fn enter_cluster(&mut self, head: Head) {
        self.cluster_end = self.end_of(head);
        self.cluster_timestamp = None;
        // Nothing of a later cluster is earlier than what was met before.
        if self.clusters > 0 {
            self.timeline.settle();
        }
        self.clusters += 1;
    }

    /// Looks at the next element; false at the end of the file.
    fn read_element(&mut self) -> Result<bool, MediaError> {
        let head = match ebml::ahead(&mut self.input)? {
            Ahead::Element(head) => head,
            Ahead::End => return Ok(false),
            Ahead::Rubbish => {
                if self.is_behind_segment() {
                    return Ok(false);
                }
                self.lose("something in it is no element");
                return Ok(true);
            }
        };
        match head.id {
            ids::EBML => {
                self.end_bytes = Some(self.input.position());
                return Ok(false);
            }
            ids::SEGMENT => {
                self.input.consume(head.head_bytes);
                self.enter_segment(head);
            }
            ids::CLUSTER => {
                self.input.consume(head.head_bytes);
                self.enter_cluster(head);
            }
            ids::TIMESTAMP => {
                let size_bytes = head.size_bytes.unwrap_or(u64::MAX);
                if size_bytes > 8 {
                    self.lose("the time of a cluster cannot be read");
                    return Ok(true);
                }
                self.input.consume(head.head_bytes);
                let body = self.input.take_up_to(size_bytes as usize)?;
                self.cluster_timestamp = Some(ebml::unsigned(&body));
            }
            ids::SIMPLE_BLOCK | ids::BLOCK_GROUP => self.read_block(head)?,
            _ if self.is_behind_segment() => return Ok(false),
            ids::VOID
            | ids::CRC_32
            | ids::POSITION
            | ids::PREV_SIZE
            | ids::SILENT_TRACKS
            | ids::ENCRYPTED_BLOCK => self.skip_element(head, self.cluster_end)?,
            ids::SEEK_HEAD
            | ids::INFO
            | ids::TRACKS
            | ids::CUES
            | ids::CHAPTERS
            | ids::TAGS
            | ids::ATTACHMENTS => {
                // These end a cluster of unknown size.
                self.cluster_end = None;
                self.skip_element(head, self.segment_end)?;
            }
            _ => self.read_unknown(head)?,
        }
        Ok(true)
    }

    fn is_behind_segment(&self) -> bool {
        self.segment_end
            .is_some_and(|end| self.input.position() >= end)
    }

    fn skip_element(&mut self, head: Head, parent_end: Option<u64>) -> Result<(), MediaError> {
        let start = self.input.position() + head.head_bytes as u64;
        let end = head
            .size_bytes
            .map(|size_bytes| start.saturating_add(size_bytes));
        match (end, parent_end) {
            (None, _) => self.lose("an element has no size"),
            (Some(end), Some(parent_end)) if end > parent_end && start <= parent_end => {
                self.lose("an element claims more than what contains it");
            }
            (Some(end), _) => {
                self.input.skip(end - self.input.position())?;
            }
        }
        Ok(())
    }

    /// An element that no version of the format has: new or, more likely, damaged.
    fn read_unknown(&mut self, head: Head) -> Result<(), MediaError> {
        let in_cluster = self
            .cluster_end
            .is_some_and(|end| self.input.position() < end);
        let content = self.input.peek(32)?.get(head.head_bytes..).unwrap_or(&[]);
        // What begins with a timestamp is a cluster whose id was hit.
        let is_cluster = !in_cluster
            && ebml::children(content)
                .next()
                .is_some_and(|(id, body)| id == ids::TIMESTAMP && body.len() <= 8);
        if is_cluster {
            self.input.consume(head.head_bytes);
            self.enter_cluster(head);
        } else if self.clusters == 0 {
            self.skip_element(head, self.segment_end)?;
        } else {
            self.lose("an element is of an unknown kind");
        }
        Ok(())
    }

    /// A SimpleBlock or a BlockGroup at the current place.
    fn read_block(&mut self, head: Head) -> Result<(), MediaError> {
        let start = self.input.position();
        let whole_bytes = head
            .size_bytes
            .map(|size_bytes| size_bytes.saturating_add(head.head_bytes as u64));
        let in_cluster = |end: u64| {
            self.cluster_end
                .is_none_or(|cluster_end| end <= cluster_end || start >= cluster_end)
        };
        let Some(whole_bytes) = whole_bytes
            .filter(|whole_bytes| in_cluster(start.saturating_add(*whole_bytes)))
            .filter(|whole_bytes| *whole_bytes <= self.input.left_bytes().unwrap_or(u64::MAX))
        else {
            self.lose("a block claims more than what contains it");
            return Ok(());
        };
        let Some((block, _)) = resync::block_ahead(&mut self.input, head)? else {
            self.lose("a block cannot be read");
            return Ok(());
        };
        let time_ns = self.time_ns(block.relative);
        self.timeline.meet(block.track, time_ns);
        let selected = self.selected.map(|index| self.tracks.audio[index].number);
        if selected != Some(block.track) {
            self.input.skip(whole_bytes)?;
            return Ok(());
        }
        if whole_bytes > PACKET_MAX_BYTES as u64 {
            self.lose("a block is too large");
            return Ok(());
        }
        self.input.consume(head.head_bytes);
        let content = self
            .input
            .take_up_to(whole_bytes as usize - head.head_bytes)?;
        let (body, discard_ns) = if head.id == ids::BLOCK_GROUP {
            group(&content)
        } else {
            (&content[..], 0)
        };
        if !self.push_block(body, discard_ns, time_ns) {
            self.state = State::Lost("the frames of a block cannot be read");
        }
        Ok(())
    }

    /// Nanoseconds of a block, on the timeline of the segment: `None` where they are
    /// not known or cannot be true.
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

    /// Gives the frames of a block to the timeline; false if they are damaged.
    fn push_block(&mut self, block: &[u8], discard_ns: i64, time_ns: Option<i64>) -> bool {
        let Some(selected) = self.selected else {
            return true;
        };
        let parameters = &self.tracks.tracks[selected].parameters;
        let rate = parameters.sample_rate.unwrap_or(0).max(1);
        let track = &self.tracks.audio[selected];
        let frames = BlockHead::parse(block)
            .and_then(|head| block::frames(block.get(head.head_bytes..)?, head.lacing));
        let Some(frames) = frames else {
            return false;
        };
        let last = frames.len() - 1;
        let mut left_bytes = UNPACKED_MAX_BYTES;
        for (index, frame) in frames.into_iter().enumerate() {
            // 256 of nothing fit in a few bytes.
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
            let heard_ns = time_ns.filter(|_| index == 0).map(|time_ns| {
                let start_ns = time_ns.saturating_sub_unsigned(track.delay_ns);
                start_ns.saturating_add(trimmed_ns as i64)
            });
            self.timeline.push(packet, heard_ns);
        }
        true
    }

    /// From here on the next readable place is looked for.
    fn lose(&mut self, reason: &'static str) {
        self.input.consume(1);
        self.state = State::Lost(reason);
    }

    fn end(&mut self) {
        self.state = State::Ended;
        self.timeline.finish();
    }
}

/// The Block in the content of a BlockGroup, and its DiscardPadding.
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

fn damaged(what: &str) -> MediaError {
    MediaError::Damaged(what.to_owned())
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
                        resync::Found::Place => {
                            self.state = State::Reading;
                            Step::Lost {
                                reason: reason.to_owned(),
                                duration_s: None,
                            }
                        }
                        resync::Found::NothingYet => Step::Nothing,
                        resync::Found::End => {
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
