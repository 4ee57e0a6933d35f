//! Streams of frames without a container: MPEG audio (mp3) and AAC in ADTS.
//! Each frame tells its length, so that one follows from the other; between
//! them may lie tags, other streams that were appended, and noise.
//!
//! symphonia's reader of these streams believes the first frame about all of
//! them and drops what goes beyond the length that it tells or guesses.

mod adts;
mod frame;
mod info_tag;
mod mpeg;
mod tags;

use std::marker::PhantomData;

use symphonia::core::codecs::audio::{AudioCodecParameters, CODEC_ID_NULL_AUDIO};

pub use adts::Adts;
pub use frame::{Frame, Frames};
use info_tag::InfoTag;
pub use mpeg::{Header as MpegHeader, Mpeg};
pub use tags::at as tag_bytes;

use super::forward::{AHEAD_MAX_BYTES, Forward};
use super::reader::{Packet, Reader, Step, Track};
use super::{MediaError, Source, codec};

/// Bytes that are searched in one step; more than the longest frame, twice.
const SEARCH_BYTES: usize = 32 * 1024;
/// A stream is believed to be one when so many frames follow each other...
const FRAMES_MIN: usize = 3;
/// ...or that many, where it does not begin with the first byte.
const FRAMES_MIN_BEHIND_NOISE: usize = 5;
/// How far noise before the first frame may reach.
const NOISE_MAX_BYTES: usize = 32 * 1024;
/// What an information frame says of the length of the file may be wrong by
/// that part: tags may have been added.
const BYTES_TOLERANCE: f64 = 0.05;

/// Whether `head`, the start of a file, is the start of such a stream. A head
/// that ends within a frame is no obstacle.
pub fn recognise<F: Frames>(head: &[u8]) -> bool {
    let tags_bytes =
        tags::at(head).map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX));
    let Some(head) = head.get(tags_bytes..) else {
        // A tag with a picture that is longer than what can be seen: who would
        // put it before anything else?
        return F::HEADER_BYTES == Mpeg::HEADER_BYTES;
    };
    let last_offset = head.len().min(NOISE_MAX_BYTES);
    (0..last_offset).any(|offset| {
        let needed = match offset {
            0 => FRAMES_MIN,
            _ => FRAMES_MIN_BEHIND_NOISE,
        };
        chain::<F>(&head[offset..], needed)
    })
}

/// Whether `needed` frames follow each other from here, or as many as there are
/// up to the end (at least two whole ones, if they do not begin the file).
fn chain<F: Frames>(mut bytes: &[u8], needed: usize) -> bool {
    let Some(first) = F::parse(bytes) else {
        return false;
    };
    for count in 0..needed {
        if bytes.len() < F::HEADER_BYTES {
            return count > 0 && needed == FRAMES_MIN;
        }
        match F::parse(bytes) {
            Some(frame) if frame.resembles(&first) => match bytes.get(frame.length_bytes..) {
                Some(rest) => bytes = rest,
                None => return count > 0 && needed == FRAMES_MIN,
            },
            _ => return false,
        }
    }
    true
}

/// Reads such a stream from its first byte.
pub struct FrameReader<F> {
    input: Forward,
    tracks: [Track; 1],
    container: String,
    /// Of the last packet.
    parameters: AudioCodecParameters,
    /// Frames given so far.
    given_frames: u64,
    /// From the information frame.
    tag: InfoTag,
    in_step: bool,
    searched_bytes: u64,
    searched_noise: bool,
    waiting: Option<Packet>,
    cut_short: bool,
    /// The information frame tells of more than is there.
    lacks_bytes: bool,
    kind: PhantomData<F>,
}

impl<F: Frames> FrameReader<F> {
    /// The bytes of `source` are such a stream, in a container of that name.
    pub fn within(container: &str, source: Source) -> Result<Self, MediaError> {
        let mut reader = Self::open(source)?;
        reader.container = container.to_owned();
        Ok(reader)
    }

    /// The bytes of `source` are such a stream.
    pub fn open(source: Source) -> Result<Self, MediaError> {
        let size_bytes = source.size_bytes();
        let mut input = Forward::file(source);
        while let Some(length_bytes) = tags::at(input.peek(tags::HEAD_BYTES)?) {
            input.skip(length_bytes)?;
        }
        let visible = input.peek(AHEAD_MAX_BYTES)?;
        let first = (0..visible.len()).find(|offset| {
            chain::<F>(
                &visible[*offset..],
                if *offset == 0 {
                    FRAMES_MIN
                } else {
                    FRAMES_MIN_BEHIND_NOISE
                },
            )
        });
        let offset = first.ok_or(MediaError::Truncated)?;
        let frame = F::parse(&visible[offset..]).ok_or(MediaError::Truncated)?;
        let info = visible
            .get(offset..offset + frame.length_bytes)
            .and_then(|bytes| match frame.header_bytes {
                0 => InfoTag::parse(bytes),
                _ => None,
            });
        input.skip(offset as u64)?;
        let mut tag = InfoTag::default();
        let mut lacks_bytes = false;
        if let Some(info) = info {
            let expected_bytes = (size_bytes - input.position().min(size_bytes)) as f64;
            input.skip(frame.length_bytes as u64)?;
            tag = info;
            lacks_bytes = info
                .bytes
                .is_some_and(|bytes| f64::from(bytes) > expected_bytes);
            // A file that is longer was appended to, or its head was never filled in.
            let agrees = info
                .bytes
                .is_none_or(|bytes| f64::from(bytes) * (1.0 + BYTES_TOLERANCE) >= expected_bytes);
            if !agrees {
                tag.frames = None;
            }
        }
        let rate = frame.parameters.sample_rate.unwrap_or(1);
        let duration_s = tag.frames.filter(|frames| *frames > 0).map(|frames| {
            let whole = u64::from(frames) * u64::from(frame.frames);
            whole.saturating_sub(u64::from(tag.delay_frames + tag.padding_frames)) as f64
                / f64::from(rate)
        });
        Ok(Self {
            tracks: [Track {
                codec: describe(&frame.parameters),
                parameters: frame.parameters.clone(),
                default: true,
                duration_s,
            }],
            container: F::container(&frame).to_owned(),
            parameters: frame.parameters,
            input,
            given_frames: 0,
            tag,
            in_step: true,
            searched_bytes: 0,
            searched_noise: false,
            waiting: None,
            cut_short: false,
            lacks_bytes,
            kind: PhantomData,
        })
    }

    /// The frame that begins here, if it is followed by another one, by a tag or
    /// by the end, or continues what came before.
    fn frame_here(&mut self) -> Result<Option<Frame>, MediaError> {
        let visible = self.input.peek(SEARCH_BYTES)?;
        let Some(frame) = F::parse(visible) else {
            return Ok(None);
        };
        if self.in_step && !frame.needs_another_decoder(&self.parameters) {
            return Ok(Some(frame));
        }
        let next = visible.get(frame.length_bytes..).unwrap_or_default();
        let is_followed = next.is_empty()
            || tags::at(next).is_some()
            || F::parse(next).is_some_and(|next| next.resembles(&frame));
        Ok(is_followed.then_some(frame))
    }

    fn take(&mut self, frame: Frame) -> Result<Step, MediaError> {
        let visible = self.input.peek(frame.length_bytes)?;
        let Some(whole) = visible.get(..frame.length_bytes) else {
            self.cut_short = true;
            self.input.skip(u64::MAX)?;
            return Ok(Step::End);
        };
        let mut packet = Packet::new(&whole[frame.header_bytes..]);
        self.input.skip(frame.length_bytes as u64)?;
        let length = u64::from(frame.frames);
        let start = self.given_frames * length;
        let (delay, padding) = (self.tag.delay_frames, self.tag.padding_frames);
        packet.trim_start_frames = u64::from(delay).saturating_sub(start).min(length);
        if let Some(told) = self.tag.frames.map(u64::from)
            && self.given_frames < told
        {
            let left = (told - self.given_frames - 1) * length;
            packet.trim_end_frames = u64::from(padding).saturating_sub(left).min(length);
        }
        self.given_frames += 1;
        self.in_step = true;
        if frame.needs_another_decoder(&self.parameters) {
            self.parameters = frame.parameters;
            self.waiting = Some(packet);
            return Ok(Step::Changed(Box::new(self.parameters.clone())));
        }
        Ok(Step::Packet(packet))
    }

    /// What was searched through without finding a frame, once the next is found
    /// or there are no more.
    fn searched(&mut self) -> Option<Step> {
        let bytes = std::mem::take(&mut self.searched_bytes);
        let noise = std::mem::take(&mut self.searched_noise);
        // Padding between streams that were joined is nothing lost.
        (bytes > 0 && noise && self.given_frames > 0).then(|| Step::Lost {
            reason: format!("{bytes} bytes are no {} frames", self.container),
            duration_s: None,
        })
    }
}

/// The codec as people call it; what is beyond symphonia is named here.
fn describe(parameters: &AudioCodecParameters) -> String {
    match parameters.codec {
        CODEC_ID_NULL_AUDIO => "aac of a kind beyond LC stereo".to_owned(),
        known => codec::name(known),
    }
}

impl<F: Frames> Reader for FrameReader<F> {
    fn container(&self) -> &str {
        &self.container
    }

    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn select(&mut self, _: usize) {}

    fn step(&mut self) -> Result<Step, MediaError> {
        if let Some(packet) = self.waiting.take() {
            return Ok(Step::Packet(packet));
        }
        for _ in 0..SEARCH_BYTES {
            let visible = self.input.peek(tags::HEAD_BYTES)?;
            if visible.is_empty() {
                return Ok(Step::End);
            }
            let is_silence = visible[0] == 0;
            if let Some(length_bytes) = tags::at(visible) {
                self.input.skip(length_bytes)?;
                continue;
            }
            if let Some(frame) = self.frame_here()? {
                return match self.searched() {
                    // The frame is found again in the next step.
                    Some(lost) => {
                        self.in_step = false;
                        Ok(lost)
                    }
                    None => self.take(frame),
                };
            }
            self.in_step = false;
            self.searched_noise |= !is_silence;
            self.searched_bytes += 1;
            self.input.skip(1)?;
        }
        Ok(Step::Nothing)
    }

    fn is_cut_short(&self) -> bool {
        self.cut_short || self.lacks_bytes
    }
}

#[cfg(test)]
mod tests;
