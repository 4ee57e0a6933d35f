//! The Tracks element (RFC 9559, section 5.1.4).

use symphonia::core::codecs::audio::CODEC_ID_NULL_AUDIO;

use super::super::limits::{CHANNELS_MAX, EXTRA_DATA_MAX_BYTES, TRACKS_MAX};
use super::super::reader::{Track, name_tracks};
use super::codecs::{self, AudioEntry};
use super::encodings::Encodings;
use super::{ebml, ids};

/// Most tracks of video and audio whose first blocks are awaited.
const TIMED_MAX: usize = 256;

/// Bytes read of a codec id.
const CODEC_ID_MAX_BYTES: usize = 64;

/// A longer CodecDelay is damaged.
const DELAY_MAX_NS: u64 = 1_000_000_000;

const TYPE_VIDEO: u64 = 1;
const TYPE_AUDIO: u64 = 2;
const TYPE_SUBTITLE: u64 = 17;

/// Demuxing information of an audio track.
#[derive(Debug, Clone)]
pub struct AudioTrack {
    /// Track number in blocks.
    pub number: u64,
    /// Encodings to undo.
    pub encodings: Encodings,
    /// CodecDelay: how much its timestamps are late because of samples to drop at
    /// the start; 0: they are right.
    pub delay_ns: u64,
    /// Decoded frames to drop at the start.
    pub delay_frames: u64,
}

/// All tracks of a file.
#[derive(Debug, Default)]
pub struct Tracks {
    /// For [`Reader::tracks`](super::super::reader::Reader::tracks).
    pub tracks: Vec<Track>,
    /// In the same order.
    pub audio: Vec<AudioTrack>,
    /// Numbers of the tracks that count for the timeline.
    pub timed: Vec<u64>,
    videos: u32,
    subtitles: u32,
    others: u32,
}

impl Tracks {
    /// Parses the content of the Tracks element.
    pub fn parse(content: &[u8]) -> Self {
        let mut tracks = Self::default();
        for (_, content) in ebml::children(content).filter(|(id, _)| *id == ids::TRACK_ENTRY) {
            tracks.add(&Entry::parse(content));
        }
        tracks
    }

    fn add(&mut self, entry: &Entry) {
        match entry.kind {
            TYPE_AUDIO => {}
            TYPE_VIDEO => {
                self.videos += 1;
                if self.timed.len() < TIMED_MAX {
                    self.timed.push(entry.number);
                }
                return;
            }
            TYPE_SUBTITLE => {
                self.subtitles += 1;
                return;
            }
            _ => {
                self.others += 1;
                return;
            }
        }
        if self.tracks.len() == TRACKS_MAX
            || self.audio.iter().any(|track| track.number == entry.number)
        {
            return;
        }
        let mut audio = entry.audio.clone();
        if let Ok(private) = entry.encodings.private(&audio.private) {
            audio.private = private;
        }
        let (mut parameters, mut codec) = codecs::parameters(&audio);
        if let Some(obstacle) = entry.encodings.obstacle() {
            parameters.for_codec(CODEC_ID_NULL_AUDIO);
            codec = format!("{codec}, {obstacle}");
        }
        if audio.channels == 0 || audio.channels > u32::from(CHANNELS_MAX) || audio.rate == 0 {
            parameters.for_codec(CODEC_ID_NULL_AUDIO);
            codec = format!(
                "{codec} with {} channels at {} Hz",
                audio.channels, audio.rate
            );
        }
        let rate = parameters.sample_rate.unwrap_or(0);
        let delay_ns = entry.delay_ns;
        self.timed.push(entry.number);
        self.audio.push(AudioTrack {
            number: entry.number,
            encodings: entry.encodings.clone(),
            delay_ns,
            delay_frames: match codecs::opus_pre_skip(&audio.private) {
                Some(frames) if delay_ns == 0 => frames,
                _ => frames(delay_ns, rate),
            },
        });
        self.tracks.push(Track {
            parameters,
            codec,
            default: entry.default && !self.tracks.iter().any(|track| track.default),
            duration_s: None,
        });
    }

    /// For [`Reader::others`](super::super::reader::Reader::others).
    pub fn others(&self) -> String {
        name_tracks(&[
            (self.videos, "video"),
            (self.subtitles, "subtitle"),
            (self.others, "other"),
        ])
    }

    /// Whether the file has only one track, an audio track.
    pub fn is_single(&self) -> bool {
        self.tracks.len() == 1 && self.videos + self.subtitles + self.others == 0
    }
}

/// Converts nanoseconds to frames.
pub fn frames(duration_ns: u64, rate: u32) -> u64 {
    (duration_ns as f64 * f64::from(rate) / 1e9).round() as u64
}

#[derive(Debug)]
struct Entry {
    number: u64,
    kind: u64,
    default: bool,
    delay_ns: u64,
    encodings: Encodings,
    audio: AudioEntry,
}

impl Entry {
    fn parse(content: &[u8]) -> Self {
        // Default values of absent elements.
        let mut entry = Self {
            number: 0,
            kind: 0,
            default: true,
            delay_ns: 0,
            encodings: Encodings::default(),
            audio: AudioEntry {
                rate: 8000,
                channels: 1,
                ..AudioEntry::default()
            },
        };
        let mut enabled = true;
        for (id, body) in ebml::children(content) {
            match id {
                ids::TRACK_NUMBER => entry.number = ebml::unsigned(body),
                ids::TRACK_TYPE => entry.kind = ebml::unsigned(body),
                ids::FLAG_ENABLED => enabled = ebml::unsigned(body) != 0,
                ids::FLAG_DEFAULT => entry.default = ebml::unsigned(body) != 0,
                ids::CODEC_ID => {
                    let name = &body[..body.len().min(CODEC_ID_MAX_BYTES)];
                    entry.audio.codec_id = ebml::string(name);
                }
                ids::CODEC_PRIVATE if body.len() <= EXTRA_DATA_MAX_BYTES => {
                    entry.audio.private = body.into();
                }
                ids::CODEC_DELAY => {
                    let delay_ns = ebml::unsigned(body);
                    entry.delay_ns = if delay_ns <= DELAY_MAX_NS {
                        delay_ns
                    } else {
                        0
                    };
                }
                ids::CONTENT_ENCODINGS => entry.encodings = Encodings::parse(body),
                ids::AUDIO => entry.parse_audio(body),
                _ => {}
            }
        }
        entry.default &= enabled;
        entry
    }

    fn parse_audio(&mut self, content: &[u8]) {
        let small = |body| u32::try_from(ebml::unsigned(body)).unwrap_or(u32::MAX);
        for (id, body) in ebml::children(content) {
            match id {
                ids::SAMPLING_FREQUENCY => self.audio.rate = ebml::float(body).round() as u32,
                ids::CHANNELS => self.audio.channels = small(body),
                ids::BIT_DEPTH => self.audio.bits = small(body),
                _ => {}
            }
        }
    }
}
