//! Ogg files (RFC 3533): multiplexed streams, and chained files. Granule
//! positions determine times, so that a late start or gaps are preserved.

mod audio;
mod bits;
mod codec;
pub(super) mod crc;
mod link;
mod opus;
mod packets;
mod page;
mod tail;
#[cfg(test)]
mod tests;
mod video;
pub mod vorbis_setup;

use std::collections::VecDeque;

use audio::{AudioStream, PageContent};
use link::{Kind, Link};
use page::{Page, PageEvent, Pages};

use super::reader::{Packet, Reader, Step, Track};

use super::{MediaError, Source};

/// A page that begins a stream is searched up to this offset.
const BEGINNING_MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Pages of other streams skipped in one step.
const PAGES_PER_STEP: usize = 64;

/// This many bytes between two joined files may be padding or a tag; more are a
/// file of another format.
const PADDING_MAX_BYTES: u64 = 4096;

/// An open Ogg file.
pub struct OggReader {
    source: Source,
    pages: Pages,
    tracks: Vec<Track>,
    others: String,
    selected: usize,
    link: Link,
    /// The selected track in this link: an index into its streams.
    current: Option<Current>,
    /// Start of the link on the timeline of the recording.
    link_start_s: f64,
    /// End of its longest stream there, as far as it was read.
    link_end_s: f64,
    /// All pages of this link so far begin a stream.
    only_first_pages: bool,
    /// Serial numbers of the streams of this link that have not ended.
    open_streams: Vec<u32>,
    steps: VecDeque<Step>,
    /// Damage occurred since the last page of the selected track.
    damaged: bool,
    /// Offset of bytes after the last page that are not pages.
    junk_bytes: Option<u64>,
    cut_short: bool,
    ended: bool,
}

struct Current {
    serial: u32,
    audio: AudioStream,
}

impl OggReader {
    /// Reads the headers of the first link. Fails if the file is not Ogg, or none
    /// of its audio streams has valid headers.
    pub fn open(source: Source) -> Result<Self, MediaError> {
        let offset_bytes = first_page(&source)?;
        let mut link = Link::read(&source, offset_bytes)?;
        let ends_s = tail::ends_s(&source, &link, offset_bytes)?;
        let tracks: Vec<Track> = link
            .audio()
            .map(|(stream, audio)| Track {
                parameters: audio.codec().parameters(),
                codec: audio.codec().name(),
                default: false,
                duration_s: ends_s[stream],
            })
            .collect();
        if tracks.is_empty()
            && let Some(failure) = link.take_failure()
        {
            return Err(failure);
        }
        let mut reader = Self {
            pages: Pages::new(source.again(), offset_bytes)?,
            source,
            tracks,
            others: link.others(),
            selected: 0,
            current: None,
            link_start_s: 0.0,
            link_end_s: 0.0,
            only_first_pages: true,
            open_streams: Vec::new(),
            link,
            steps: VecDeque::new(),
            damaged: false,
            junk_bytes: None,
            cut_short: false,
            ended: false,
        };
        reader.begin_link();
        Ok(reader)
    }

    /// Finds the selected track among the streams of the link.
    fn begin_link(&mut self) {
        let audio: Vec<_> = self.link.audio().collect();
        self.current = audio
            .get(self.selected)
            .or(audio.first())
            .map(|(stream, audio)| Current {
                serial: self.link.streams[*stream].serial,
                audio: audio.restarted(),
            });
        let serials = self.link.streams.iter().map(|stream| stream.serial);
        self.open_streams = serials.collect();
        self.only_first_pages = true;
    }

    /// Handles a page that begins a stream after others had begun.
    fn next_link(&mut self, offset_bytes: u64) -> Result<(), MediaError> {
        // The previous link ends with damage or within a packet.
        if std::mem::take(&mut self.damaged) && !self.open_streams.is_empty()
            || self.within_packet()
        {
            self.lost("the end of a chained part is damaged or missing".to_owned());
        }
        self.link = Link::read(&self.source, offset_bytes)?;
        self.link_start_s = self.link_end_s;
        self.begin_link();
        match (&self.current, self.link.take_failure()) {
            (Some(current), _) => {
                let parameters = current.audio.codec().parameters();
                self.steps.push_back(Step::Changed(Box::new(parameters)));
            }
            (None, Some(failure)) => self.lost(format!("a chained part: {failure}")),
            (None, None) => {}
        }
        Ok(())
    }

    fn within_packet(&self) -> bool {
        self.current
            .as_ref()
            .is_some_and(|current| current.audio.is_within_packet())
    }

    fn lost(&mut self, reason: String) {
        self.steps.push_back(Step::Lost {
            reason,
            duration_s: None,
        });
    }

    /// Reads one page, or what is in its place.
    fn advance(&mut self) -> Result<(), MediaError> {
        match self.pages.next()? {
            PageEvent::Page(page) => self.page(&page)?,
            PageEvent::Damaged => {
                self.damaged = true;
                self.junk_bytes = None;
            }
            PageEvent::Junk { offset_bytes } => {
                let begin_bytes = *self.junk_bytes.get_or_insert(offset_bytes);
                // After the last page of all streams another file may begin.
                self.ended = self.open_streams.is_empty()
                    && !self.damaged
                    && self.pages.offset_bytes() - begin_bytes > PADDING_MAX_BYTES;
                self.damaged = !self.open_streams.is_empty();
            }
            PageEvent::End => {
                if self.damaged && self.junk_bytes.is_none() {
                    self.lost("damaged Ogg pages were skipped".to_owned());
                }
                self.cut_short = self.pages.is_cut_short() || self.within_packet();
                self.ended = true;
            }
        }
        Ok(())
    }

    fn page(&mut self, page: &Page) -> Result<(), MediaError> {
        self.junk_bytes = None;
        if page.is_first() {
            if !self.only_first_pages {
                self.next_link(page.offset_bytes)?;
            }
        } else {
            self.only_first_pages = false;
        }
        if page.is_last() {
            self.open_streams.retain(|serial| *serial != page.serial);
        }
        let zero_s = self.link_start_s - self.link.zero_s;
        let Some(current) = &mut self.current else {
            self.follow_clock(page);
            return Ok(());
        };
        if current.serial != page.serial {
            self.follow_clock(page);
            return Ok(());
        }
        let PageContent {
            packets,
            lost,
            first,
        } = current.audio.page(page)?;
        let steps = packets.into_iter().map(|packet| {
            let time_s = packet
                .position
                .map(|position| current.audio.seconds(position) + zero_s);
            Step::Packet(Packet {
                data: packet.data.into(),
                time_s,
                trim_start_frames: packet.trim_start,
                trim_end_frames: packet.trim_end,
            })
        });
        let damaged = std::mem::take(&mut self.damaged);
        if lost && (damaged || !first) {
            let reason = if damaged {
                "damaged Ogg pages were skipped"
            } else {
                "Ogg pages are missing"
            };
            self.steps.push_back(Step::Lost {
                reason: reason.to_owned(),
                duration_s: None,
            });
        }
        self.steps.extend(steps);
        if let Some(end_s) = current.audio.end_s() {
            self.link_end_s = self.link_end_s.max(end_s + zero_s);
        }
        Ok(())
    }

    /// A link ends with its longest stream, selected or not.
    fn follow_clock(&mut self, page: &Page) {
        let stream = self
            .link
            .streams
            .iter()
            .find(|stream| stream.serial == page.serial);
        let end_s = match stream.map(|stream| &stream.kind) {
            Some(Kind::Video(Some(clock))) => clock.times_s(page).map(|(_, end_s)| end_s),
            Some(Kind::Audio(audio)) => audio.page_end_s(page),
            _ => None,
        };
        if let Some(end_s) = end_s {
            let end_s = end_s - self.link.zero_s + self.link_start_s;
            self.link_end_s = self.link_end_s.max(end_s);
        }
    }
}

/// Offset of the first page that begins a stream.
fn first_page(source: &Source) -> Result<u64, MediaError> {
    let mut pages = Pages::new(source.again(), 0)?;
    let mut is_ogg = false;
    while pages.offset_bytes() < BEGINNING_MAX_BYTES {
        match pages.next()? {
            PageEvent::Page(page) if page.is_first() && page.whole => return Ok(page.offset_bytes),
            PageEvent::Page(_) => is_ogg = true,
            PageEvent::Damaged | PageEvent::Junk { .. } => {}
            PageEvent::End if pages.is_cut_short() => return Err(MediaError::Truncated),
            PageEvent::End => break,
        }
    }
    Err(MediaError::Damaged(
        match is_ogg {
            true => "the headers of its Ogg streams are missing",
            false => "it contains no valid Ogg page",
        }
        .to_owned(),
    ))
}

impl Reader for OggReader {
    fn container(&self) -> &'static str {
        "ogg"
    }

    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn others(&self) -> String {
        self.others.clone()
    }

    fn select(&mut self, track: usize) {
        self.selected = track;
        self.begin_link();
    }

    fn step(&mut self) -> Result<Step, MediaError> {
        for _ in 0..PAGES_PER_STEP {
            if let Some(step) = self.steps.pop_front() {
                return Ok(step);
            }
            if self.ended {
                return Ok(Step::End);
            }
            self.advance()?;
        }
        Ok(self.steps.pop_front().unwrap_or(Step::Nothing))
    }

    fn is_cut_short(&self) -> bool {
        self.cut_short
    }

    fn end_bytes(&self) -> Option<u64> {
        self.junk_bytes
    }
}
