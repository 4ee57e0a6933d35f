//! The second decoder as a reader: ffmpeg's output in packets.

use symphonia::core::audio::{Channels, Position};
use symphonia::core::codecs::audio::well_known::CODEC_ID_PCM_F32LE;
use symphonia::core::codecs::audio::{AudioCodecParameters, CODEC_ID_NULL_AUDIO};

use super::ffmpeg::{self, Input, Options, Transcoder};
use super::kind::Foreign;
use super::reader::{Packet, Reader, Step, Track};
use super::{Limits, MediaError, SAMPLE_RATE, Source};

/// A file decoded by ffmpeg.
pub struct SecondDecoder {
    /// `None` after the end.
    transcoder: Option<Transcoder>,
    input: Input,
    tracks: Vec<Track>,
    track: usize,
    parameters: AudioCodecParameters,
    samples: Vec<f32>,
    is_webm: bool,
    /// Damaged packets already reported.
    damaged_packets: u64,
}

impl SecondDecoder {
    /// Starts ffmpeg on `source` with this track, or the one that a player would
    /// play, and waits for the first samples. `foreign` names the format.
    pub fn open(
        source: &Source,
        track: Option<usize>,
        foreign: &Foreign<'_>,
        limits: &Limits<'_>,
    ) -> Result<Self, MediaError> {
        let Some(program) = ffmpeg::program() else {
            return Err(MediaError::NeedsFfmpeg(foreign.name.to_owned()));
        };
        let open = |track| {
            let options = Options {
                track,
                demuxer: foreign.demuxer,
                // One second more, so that exceeding the limit is detected.
                length_max_s: limits.max_duration_s as u64 + 1,
            };
            let transcoder = Transcoder::start(&program, source, options)?;
            Self::begun(transcoder, track, foreign, limits)
        };
        let first = open(track.unwrap_or(0))?;
        let default = first.input.tracks.iter().position(|track| track.is_default);
        match default {
            Some(default) if track.is_none() && default != first.track => open(default),
            _ => Ok(first),
        }
    }

    fn begun(
        mut transcoder: Transcoder,
        track: usize,
        foreign: &Foreign<'_>,
        limits: &Limits<'_>,
    ) -> Result<Self, MediaError> {
        let mut samples = Vec::new();
        loop {
            if !(limits.keep_going)() {
                return Err(MediaError::Stopped);
            }
            match transcoder.step(&mut samples) {
                ffmpeg::Step::Waiting => {}
                ffmpeg::Step::Opened | ffmpeg::Step::Samples => break,
                ffmpeg::Step::End => {
                    let trouble = transcoder.finish()?;
                    let reason = trouble.stopped_early.or(trouble.first_error);
                    return Err(MediaError::Ffmpeg(
                        reason.unwrap_or_else(|| "it contains no audio".to_owned()),
                    ));
                }
            }
        }
        let channels = transcoder.channels();
        let input = transcoder.input().unwrap_or_default();
        let mut parameters = AudioCodecParameters::new();
        parameters
            .for_codec(CODEC_ID_PCM_F32LE)
            .with_sample_rate(SAMPLE_RATE)
            .with_channels(layout(channels, transcoder.channel_mask()));
        // It is the duration of the longest track, possibly of the video.
        let is_alone = input.tracks.len() == 1 && input.others.is_empty();
        let duration_s = input.duration_s.filter(|_| is_alone);
        let mut tracks: Vec<Track> = input
            .tracks
            .iter()
            .map(|track| described(track, duration_s))
            .collect();
        if tracks.len() <= track {
            // Its messages could not be parsed, but it decodes.
            tracks.resize_with(track + 1, || described(&ffmpeg::Track::default(), None));
        }
        Ok(Self {
            transcoder: Some(transcoder),
            input,
            tracks,
            track,
            parameters,
            samples,
            is_webm: foreign.name == "webm",
            damaged_packets: 0,
        })
    }

    /// The decoded track.
    pub fn track(&self) -> usize {
        self.track
    }

    /// Parameters of the packets.
    pub fn parameters(&self) -> AudioCodecParameters {
        self.parameters.clone()
    }

    /// The end of its output.
    fn end(&mut self, transcoder: Transcoder) -> Result<Step, MediaError> {
        let trouble = transcoder.finish()?;
        let unreported = trouble.damaged_packets - self.damaged_packets;
        let reason = match (trouble.stopped_early, unreported) {
            (Some(reason), _) => format!("ffmpeg stopped early: {reason}"),
            (None, 0) => return Ok(Step::End),
            (None, _) => trouble.first_error.unwrap_or_default(),
        };
        Ok(lost(reason))
    }
}

fn lost(reason: String) -> Step {
    Step::Lost {
        reason,
        duration_s: None,
    }
}

fn described(track: &ffmpeg::Track, duration_s: Option<f64>) -> Track {
    let mut parameters = AudioCodecParameters::new();
    parameters.for_codec(CODEC_ID_NULL_AUDIO);
    if let Some(rate) = track.sample_rate {
        parameters.with_sample_rate(rate);
    }
    if let Some(channels) = track.channels {
        parameters.with_channels(layout(channels, 0));
    }
    Track {
        parameters,
        codec: match track.codec.as_str() {
            "" => "unknown".to_owned(),
            codec => codec.to_owned(),
        },
        default: track.is_default,
        duration_s,
    }
}

fn layout(channels: u16, mask: u32) -> Channels {
    match Position::from_wave_channel_mask(mask) {
        Some(positions) if positions.bits().count_ones() == u32::from(channels) => {
            Channels::Positioned(positions)
        }
        _ => match channels {
            1 => Channels::Positioned(Position::FRONT_CENTER),
            2 => Channels::Positioned(Position::FRONT_LEFT | Position::FRONT_RIGHT),
            count => Channels::Discrete(count),
        },
    }
}

impl Reader for SecondDecoder {
    fn container(&self) -> &str {
        match self.input.container.as_str() {
            "" => "unknown",
            // ffmpeg has one name for both, which the built-in reader
            // distinguishes.
            "matroska" if self.is_webm => "webm",
            "matroska" => "mkv",
            container => container,
        }
    }

    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn others(&self) -> String {
        self.input.others.clone()
    }

    /// Selected on opening.
    fn select(&mut self, _: usize) {}

    fn step(&mut self) -> Result<Step, MediaError> {
        let Some(transcoder) = &mut self.transcoder else {
            return Ok(Step::End);
        };
        if self.samples.is_empty() {
            match transcoder.step(&mut self.samples) {
                ffmpeg::Step::Waiting | ffmpeg::Step::Opened => return Ok(Step::Nothing),
                ffmpeg::Step::Samples => {}
                ffmpeg::Step::End => {
                    return match self.transcoder.take() {
                        Some(transcoder) => self.end(transcoder),
                        None => Ok(Step::End),
                    };
                }
            }
        }
        // Messages and samples come through different pipes: the position is
        // accurate to about a second.
        let damaged_packets = transcoder.damaged_packets();
        if damaged_packets > self.damaged_packets {
            self.damaged_packets = damaged_packets;
            return Ok(lost("ffmpeg found damaged packets".to_owned()));
        }
        let bytes: Vec<u8> = self
            .samples
            .drain(..)
            .flat_map(|sample| sample.to_le_bytes())
            .collect();
        Ok(Step::Packet(Packet::new(bytes)))
    }
}
