//! Which file this is, and which of its tracks is heard.

use std::io;

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder};
use symphonia::core::common::Limit;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::units::TimeBase;

use super::{MediaError, Source, codec, sniff};

/// Cover pictures and long tags are of no use here.
const METADATA_MAX_BYTES: usize = 64 * 1024;

/// What the container tells before anything is decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// Container and codec: `ogg/opus`.
    pub format: String,
    /// Length, where the container knows it.
    pub duration_s: Option<f64>,
}

/// An opened file and the decoder of one of its tracks.
pub struct Demuxer {
    /// Gives the packets of all tracks.
    pub reader: Box<dyn FormatReader>,
    /// The one that is heard.
    pub track: u32,
    /// Of that track.
    pub decoder: Box<dyn AudioDecoder>,
    /// What the container tells.
    pub description: Description,
}

impl Demuxer {
    /// Recognises `source` by its content; `extension` is only a hint.
    pub fn open(source: Source, extension: Option<&str>) -> Result<Self, MediaError> {
        let head = source.head(sniff::HEAD_BYTES)?;
        if let Some(kind) = sniff::no_recording(&head) {
            return Err(MediaError::Unrecognised(kind));
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
        Ok(Self {
            track: track.id,
            decoder,
            description: describe(&*reader, track, &head),
            reader,
        })
    }

    /// Chained streams (ogg) begin anew in the middle of the file: looks again
    /// which track is heard.
    pub fn next_link(&mut self) -> Result<(), MediaError> {
        let (track, decoder) = decodable_track(&*self.reader)?;
        self.track = track.id;
        self.decoder = decoder;
        Ok(())
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
        return "an empty list of tracks".to_owned();
    }
    found.join(" and ")
}

fn describe(reader: &dyn FormatReader, track: &Track, head: &[u8]) -> Description {
    let container = match reader.format_info().short_name {
        "isomp4" if sniff::is_quicktime(head) => "mov",
        "isomp4" => "mp4",
        "matroska" if sniff::is_webm(head) => "webm",
        "matroska" => "mkv",
        "wave" => "wav",
        other => other,
    };
    let codec = audio_parameters(track)
        .map_or_else(String::new, |parameters| codec::name(parameters.codec));
    let seconds = |time_base: Option<TimeBase>, duration| {
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
