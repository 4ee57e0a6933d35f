//! Demultiplexing and decoding: a recording as a stream of mono samples.

use std::io;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder};
use symphonia::core::common::Limit;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;

use super::resample::Resampler;
use super::{MediaError, Source, codec, sniff};

/// Cover pictures and long tags are of no use here.
const METADATA_MAX_BYTES: usize = 64 * 1024;

/// Unreadable places in a row that a demuxer may step over. Each step reads on,
/// so this is a bound on patience with noise, not on the damage that is survived.
const DEMUX_ERRORS_MAX: u32 = 64;

/// What the container tells before anything is decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// Container and codec: `ogg/opus`.
    pub format: String,
    /// Length, where the container knows it.
    pub duration_s: Option<f64>,
}

/// A recording being decoded, [`super::SAMPLE_RATE`] samples a second.
pub struct Recording {
    reader: Box<dyn FormatReader>,
    track: u32,
    decoder: Box<dyn AudioDecoder>,
    description: Description,
    resampler: Option<Resampler>,
    planes: Vec<Vec<f32>>,
    mono: Vec<f32>,
    decoded_samples: u64,
    damaged_packets: u64,
    last_error: Option<String>,
}

impl Recording {
    /// Recognises `source`; `extension` is only a hint.
    pub fn open(source: Source, extension: Option<&str>) -> Result<Self, MediaError> {
        if source.size_bytes() == 0 {
            return Err(MediaError::Empty);
        }
        let head = source.head(sniff::HEAD_BYTES)?;
        if sniff::is_transport_stream(&head) {
            return Err(MediaError::Unrecognised(sniff::describe(&head)));
        }
        let mut hint = Hint::new();
        if let Some(extension) = extension {
            hint.with_extension(extension);
        }
        let stream = MediaSourceStream::new(Box::new(source), MediaSourceStreamOptions::default());
        let limits = MetadataOptions::default()
            .limit_tag_bytes(Limit::Maximum(METADATA_MAX_BYTES))
            .limit_visual_bytes(Limit::Maximum(METADATA_MAX_BYTES));
        let reader = symphonia::default::get_probe()
            .probe(&hint, stream, FormatOptions::default(), limits)
            .map_err(|error| unreadable(error, &head))?;
        let (track, decoder) = decodable_track(&*reader)?;
        let description = describe(&*reader, track);
        Ok(Self {
            track: track.id,
            decoder,
            description,
            reader,
            resampler: None,
            planes: Vec::new(),
            mono: Vec::new(),
            decoded_samples: 0,
            damaged_packets: 0,
            last_error: None,
        })
    }

    /// What the container tells.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Packets that could not be decoded and were left out.
    pub fn damaged_packets(&self) -> u64 {
        self.damaged_packets
    }

    /// Decodes one more packet and appends its samples to `out` (none, if it is
    /// damaged or of another track). False at the end, when the last samples
    /// have been appended; do not call again then.
    pub fn read(&mut self, out: &mut Vec<f32>) -> Result<bool, MediaError> {
        match self.next_packet()? {
            Some(packet) if packet.track_id == self.track => self.decode(&packet, out)?,
            Some(_) => {}
            None => {
                if let Some(resampler) = self.resampler.take() {
                    resampler.finish(out)?;
                }
                if self.decoded_samples == 0 {
                    return Err(self.nothing());
                }
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// `None` at the end. Demuxers do not agree on how a file ends: a complete
    /// webm ends with `UnexpectedEof`, a truncated mp3 cleanly. What was decoded
    /// up to there is what there is.
    fn next_packet(&mut self) -> Result<Option<Packet>, MediaError> {
        for _ in 0..DEMUX_ERRORS_MAX {
            match self.reader.next_packet() {
                Ok(packet) => return Ok(packet),
                Err(Error::ResetRequired) => self.next_link()?,
                Err(Error::IoError(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return match self.decoded_samples {
                        0 => Err(MediaError::Truncated),
                        _ => Ok(None),
                    };
                }
                Err(Error::IoError(error)) if error.raw_os_error().is_some() => {
                    return Err(MediaError::Read(error));
                }
                Err(error) => {
                    self.damaged_packets += 1;
                    self.last_error = Some(error.to_string());
                }
            }
        }
        Ok(None)
    }

    /// Chained streams (ogg) begin anew in the middle of the file.
    fn next_link(&mut self) -> Result<(), MediaError> {
        let (track, decoder) = decodable_track(&*self.reader)?;
        self.track = track.id;
        self.decoder = decoder;
        Ok(())
    }

    fn decode(&mut self, packet: &Packet, out: &mut Vec<f32>) -> Result<(), MediaError> {
        let buffer = match self.decoder.decode(packet) {
            Ok(buffer) => buffer,
            Err(error) => {
                self.damaged_packets += 1;
                self.last_error = Some(error.to_string());
                return Ok(());
            }
        };
        if buffer.is_empty() {
            return Ok(());
        }
        // The container's word on the rate is not always true; the decoder's is.
        let rate = buffer.spec().rate();
        buffer.copy_to_vecs_planar(&mut self.planes);
        mix_down(&self.planes, &mut self.mono);
        self.decoded_samples += self.mono.len() as u64;
        let resampler = match self.resampler.take() {
            Some(resampler) if resampler.rate() == rate => resampler,
            changed => {
                if let Some(resampler) = changed {
                    resampler.finish(out)?;
                }
                Resampler::new(rate)?
            }
        };
        self.resampler.insert(resampler).push(&self.mono, out)
    }

    fn nothing(&self) -> MediaError {
        match &self.last_error {
            Some(error) => MediaError::Nothing(format!(
                "all of its {} audio packets are damaged ({error})",
                self.damaged_packets
            )),
            None => MediaError::Nothing("it is complete but holds no sound".to_owned()),
        }
    }
}

fn mix_down(planes: &[Vec<f32>], mono: &mut Vec<f32>) {
    mono.clear();
    let Some((first, others)) = planes.split_first() else {
        return;
    };
    mono.extend_from_slice(first);
    for plane in others {
        for (sum, sample) in mono.iter_mut().zip(plane) {
            *sum += sample;
        }
    }
    let gain = 1.0 / planes.len() as f32;
    for sample in mono {
        // Floating-point files can hold anything; one NaN would spoil a window.
        *sample = if sample.is_finite() {
            *sample * gain
        } else {
            0.0
        };
    }
}

/// The track a player would play, else the first other audio track that can be decoded.
fn decodable_track(
    reader: &dyn FormatReader,
) -> Result<(&Track, Box<dyn AudioDecoder>), MediaError> {
    let mut refusal = None;
    let preferred = reader.default_track(TrackType::Audio);
    for track in preferred.into_iter().chain(reader.tracks()) {
        let Some(parameters) = audio_parameters(track) else {
            continue;
        };
        match codec::decoder(parameters) {
            Ok(decoder) => return Ok((track, decoder)),
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    Err(refusal.unwrap_or_else(|| MediaError::NoAudioTrack(other_tracks(reader))))
}

fn audio_parameters(track: &Track) -> Option<&AudioCodecParameters> {
    track.codec_params.as_ref().and_then(CodecParameters::audio)
}

fn other_tracks(reader: &dyn FormatReader) -> String {
    let count = |kind| {
        reader
            .tracks()
            .iter()
            .filter(|track| track.track_type() == kind)
            .count()
    };
    let kinds = [
        (count(Some(TrackType::Video)), "video"),
        (count(Some(TrackType::Subtitle)), "subtitle"),
        (count(None), "unknown"),
    ];
    let found: Vec<String> = kinds
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, kind)| format!("{count} {kind} track{}", if *count == 1 { "" } else { "s" }))
        .collect();
    if found.is_empty() {
        return "no track at all".to_owned();
    }
    found.join(" and ")
}

fn describe(reader: &dyn FormatReader, track: &Track) -> Description {
    let container = match reader.format_info().short_name {
        "isomp4" => "mp4",
        "matroska" => "mkv",
        "wave" => "wav",
        other => other,
    };
    let codec = audio_parameters(track)
        .map_or_else(String::new, |parameters| codec::name(parameters.codec));
    let seconds = |time_base: Option<symphonia::core::units::TimeBase>, duration| {
        Some(time_base?.calc_duration(duration?)?.as_secs_f64())
    };
    let media = reader.media_info();
    let duration_s = seconds(track.time_base, track.duration)
        .or_else(|| seconds(media.time_base, media.duration))
        .filter(|duration_s| *duration_s > 0.0);
    let format = if codec == container {
        codec
    } else {
        format!("{container}/{codec}")
    };
    Description { format, duration_s }
}

fn unreadable(error: Error, head: &[u8]) -> MediaError {
    match error {
        Error::Unsupported("isomp4: missing moov atom") => MediaError::NoContents("mp4"),
        // The probe's own word for: nobody knows this.
        Error::Unsupported(reason) if reason.contains("no suitable format reader") => {
            MediaError::Unrecognised(sniff::describe(head))
        }
        Error::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            MediaError::Truncated
        }
        Error::IoError(error) if error.raw_os_error().is_some() => MediaError::Read(error),
        error => MediaError::Damaged(error.to_string()),
    }
}
