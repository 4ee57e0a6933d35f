//! A link of a chained Ogg file: its multiplexed streams and the origin of their
//! clocks (RFC 3533, section 4).

use std::io;

use super::audio::AudioStream;
use super::codec::Content;
use super::page::{Page, PageEvent, Pages};
use super::video::Clock;
use crate::media::limits::{CHANNELS_MAX, TRACKS_MAX};

use crate::media::{MediaError, Source};

/// Further streams of a link are ignored.
const STREAMS_MAX: usize = 256;

/// The first audio or video packet of a stream is searched within this many bytes
/// after the last header.
const LOOK_BYTES: u64 = 4 * 1024 * 1024;

/// Headers that end after this offset are not found.
const HEADERS_MAX_BYTES: u64 = 1024 * 1024 * 1024;

/// A logical stream.
pub struct LogicalStream {
    /// Its serial number.
    pub serial: u32,
    /// Its content.
    pub kind: Kind,
    /// Start of its first packet in seconds, on its own clock.
    pub start_s: Option<f64>,
}

/// Content of a stream.
pub enum Kind {
    /// Audio that can be divided into packets.
    Audio(Box<AudioStream>),
    /// Audio with damaged, missing or refused headers.
    Broken(Option<MediaError>),
    /// Video.
    Video(Option<Clock>),
    /// Subtitles.
    Text,
    /// Data about other streams.
    Metadata,
    /// Unknown.
    Unknown,
}

/// The streams of a link.
pub struct Link {
    /// In order of their first pages.
    pub streams: Vec<LogicalStream>,
    /// Start of the earliest one in seconds.
    pub zero_s: f64,
}

impl Link {
    /// Reads the link whose first page is at `offset_bytes`: its headers, and
    /// within bounds up to the first packet of each stream.
    pub fn read(source: &Source, offset_bytes: u64) -> io::Result<Self> {
        let mut pages = Pages::new(source.again(), offset_bytes)?;
        let mut streams: Vec<LogicalStream> = Vec::new();
        let mut headers_end_bytes = offset_bytes;
        let mut only_first_pages = true;
        while pages.offset_bytes() < headers_end_bytes + LOOK_BYTES
            && pages.offset_bytes() < offset_bytes + HEADERS_MAX_BYTES
        {
            let page = match pages.next()? {
                PageEvent::Page(page) => page,
                PageEvent::Damaged | PageEvent::Junk { .. } => continue,
                PageEvent::End => break,
            };
            if page.is_first() {
                if !only_first_pages {
                    break;
                }
                let stream = LogicalStream::new(&page);
                let audio = |stream: &LogicalStream| matches!(stream.kind, Kind::Audio(_));
                let tracks = streams.iter().filter(|stream| audio(stream)).count();
                if streams.len() < STREAMS_MAX && (tracks < TRACKS_MAX || !audio(&stream)) {
                    streams.push(stream);
                }
                headers_end_bytes = pages.offset_bytes();
            } else {
                only_first_pages = false;
            }
            if let Some(stream) = streams.iter_mut().find(|one| one.serial == page.serial)
                && stream.look(&page)
            {
                headers_end_bytes = pages.offset_bytes();
            }
            if !only_first_pages && streams.iter().all(LogicalStream::is_known) {
                break;
            }
        }
        for stream in &mut streams {
            stream.end_header_search();
        }
        let zero_s = streams
            .iter()
            .filter_map(|stream| stream.start_s)
            .reduce(f64::min)
            .unwrap_or(0.0);
        Ok(Self { streams, zero_s })
    }

    /// Its readable audio streams, with their indices in `streams`.
    pub fn audio(&self) -> impl Iterator<Item = (usize, &AudioStream)> {
        self.streams
            .iter()
            .enumerate()
            .filter_map(|(index, stream)| match &stream.kind {
                Kind::Audio(audio) => Some((index, &**audio)),
                _ => None,
            })
    }

    /// The error of its first audio stream that cannot be read.
    pub fn take_failure(&mut self) -> Option<MediaError> {
        self.streams
            .iter_mut()
            .find_map(|stream| match &mut stream.kind {
                Kind::Broken(error) => error.take(),
                _ => None,
            })
    }

    /// Display text of its other streams.
    pub fn others(&self) -> String {
        let kinds = [
            ("video", self.count(|kind| matches!(kind, Kind::Video(_)))),
            ("subtitle", self.count(|kind| matches!(kind, Kind::Text))),
            ("unknown", self.count(|kind| matches!(kind, Kind::Unknown))),
        ];
        let found: Vec<String> = kinds
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(kind, count)| {
                let plural = if *count == 1 { "" } else { "s" };
                format!("{count} {kind} track{plural}")
            })
            .collect();
        found.join(" and ")
    }

    fn count(&self, is: impl Fn(&Kind) -> bool) -> usize {
        self.streams
            .iter()
            .filter(|stream| is(&stream.kind))
            .count()
    }
}

impl LogicalStream {
    fn new(page: &Page) -> Self {
        let kind = match Content::identify(page.first_piece()) {
            Ok(Content::Audio(codec)) => {
                let channels = codec
                    .parameters()
                    .channels
                    .map_or(0, |channels| channels.count());
                if channels > usize::from(CHANNELS_MAX) {
                    let reason = format!("its {} stream claims {channels} channels", codec.name());
                    Kind::Broken(Some(MediaError::Excessive(reason)))
                } else {
                    Kind::Audio(Box::new(AudioStream::new(codec)))
                }
            }
            Ok(Content::Video(clock)) => Kind::Video(clock),
            Ok(Content::Text) => Kind::Text,
            Ok(Content::Metadata) => Kind::Metadata,
            Ok(Content::Unknown) => Kind::Unknown,
            Err(error) => Kind::Broken(Some(error)),
        };
        Self {
            serial: page.serial,
            kind,
            start_s: None,
        }
    }

    /// Reads one of its pages. True if headers were expected.
    fn look(&mut self, page: &Page) -> bool {
        match &mut self.kind {
            Kind::Audio(audio) => {
                let expected = !audio.is_ready();
                match audio.page(page) {
                    Ok(content) => {
                        let position = content.packets.iter().find_map(|packet| packet.position);
                        self.start_s = self
                            .start_s
                            .or(position.map(|position| audio.seconds(position)));
                    }
                    Err(error) => self.kind = Kind::Broken(Some(error)),
                }
                expected
            }
            Kind::Video(Some(clock)) => {
                let start_s = clock.times_s(page).map(|(start_s, _)| start_s.max(0.0));
                self.start_s = self.start_s.or(start_s);
                false
            }
            _ => false,
        }
    }

    /// Whether nothing more can be learned about it.
    fn is_known(&self) -> bool {
        match &self.kind {
            Kind::Audio(audio) => {
                audio.is_ready() && (self.start_s.is_some() || audio.codec().rate() == 0)
            }
            Kind::Video(clock) => clock.is_none() || self.start_s.is_some(),
            _ => true,
        }
    }

    /// Ends the search for headers: those not found are missing.
    fn end_header_search(&mut self) {
        if let Kind::Audio(audio) = &self.kind
            && !audio.is_ready()
        {
            let reason = format!(
                "the headers of its {} stream are incomplete",
                audio.codec().name()
            );
            self.kind = Kind::Broken(Some(MediaError::Damaged(reason)));
        }
    }
}
