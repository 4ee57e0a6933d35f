//! Selects the reader of a file and the track to transcribe.

use scribed::protocol::AudioInfo;
use symphonia::core::codecs::audio::{AudioCodecParameters, CODEC_ID_NULL_AUDIO};

use super::caf::Caf;
use super::codec;
use super::flac::FlacReader;
use super::frames::{self, Adts, FrameReader, Mpeg};
use super::kind::{Foreign, HEAD_BYTES, Kind};
use super::matroska::Matroska;
use super::mp4::Mp4;
use super::ogg::OggReader;
use super::pcm_files::PcmFile;
use super::reader::{Reader, Track};
use super::second::SecondDecoder;
use super::{Limits, MediaError, Source};

/// Fewer bytes than this after the end of a file are not another file.
const APPENDED_MIN_BYTES: u64 = 64;

/// An opened file and its selected track.
pub struct Opened {
    /// Returns the packets of that track.
    pub reader: Box<dyn Reader>,
    track: usize,
    /// Parameters of the second decoder's PCM output, if it reads the file.
    decoded: Option<AudioCodecParameters>,
    /// Offset of the file in the recording.
    start_bytes: u64,
    note: Option<String>,
}

impl Opened {
    /// Opens `source` with the reader for its content, else with the second
    /// decoder, and selects the track that a player would play. `extension` is
    /// used only if the content is not recognised.
    pub fn first(
        source: &Source,
        extension: Option<&str>,
        limits: &Limits<'_>,
    ) -> Result<Self, MediaError> {
        let kind = match kind(source)? {
            Kind::Unknown => Kind::named(extension),
            kind => kind,
        };
        match kind {
            Kind::NoRecording(name) => Err(MediaError::NoRecording(name)),
            Kind::Foreign(foreign) => Self::by_ffmpeg(source, None, &foreign, limits),
            Kind::Unknown => {
                Self::by_ffmpeg(source, None, &UNKNOWN, limits).map_err(|error| match error {
                    MediaError::Ffmpeg(_) | MediaError::NeedsFfmpeg(_) => MediaError::Unrecognised,
                    error => error,
                })
            }
            kind => Self::with_builtin_reader(source, &kind, limits),
        }
    }

    /// The same file and track with the second decoder.
    pub fn second(&self, source: &Source, limits: &Limits<'_>) -> Result<Self, MediaError> {
        if self.decoded.is_some() {
            return Err(MediaError::Unrecognised);
        }
        let foreign = Foreign {
            name: self.reader.container(),
            demuxer: None,
        };
        Self::by_ffmpeg(source, Some(self.track), &foreign, limits)
    }

    /// The same file with another track.
    pub fn other(
        &self,
        source: &Source,
        track: usize,
        limits: &Limits<'_>,
    ) -> Result<Self, MediaError> {
        if self.decoded.is_some() {
            let foreign = Foreign {
                name: self.reader.container(),
                demuxer: None,
            };
            return Self::by_ffmpeg(source, Some(track), &foreign, limits);
        }
        let reader = reader(source, &kind(source)?)?;
        Self::select(source, reader, Some(track), limits)
    }

    /// A file that was appended to this one, which has been read to its end.
    pub fn appended(&self, source: &Source) -> Option<Self> {
        let start_bytes = self.start_bytes + self.reader.end_bytes()?;
        let rest = source.part(start_bytes..source.size_bytes());
        if rest.size_bytes() < APPENDED_MIN_BYTES {
            return None;
        }
        let kind = kind(&rest).ok()?;
        let mut reader = reader(&rest, &kind).ok()?;
        let track = preferred(reader.tracks()).next()?;
        reader.select(track);
        Some(Self {
            reader,
            track,
            decoded: None,
            start_bytes,
            note: None,
        })
    }

    /// The selected track.
    pub fn track(&self) -> &Track {
        &self.reader.tracks()[self.track]
    }

    /// Index of the selected track.
    pub fn index(&self) -> usize {
        self.track
    }

    /// Indices of the other tracks.
    pub fn others(&self) -> Vec<usize> {
        let all = 0..self.reader.tracks().len();
        all.filter(|track| *track != self.track).collect()
    }

    /// A note for the user on the choice of the track.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Parameters for the decoder.
    pub fn parameters(&self) -> &AudioCodecParameters {
        match &self.decoded {
            Some(parameters) => parameters,
            None => &self.track().parameters,
        }
    }

    /// Audio information from the container.
    pub fn audio(&self) -> AudioInfo {
        let track = self.track();
        let channels = track.parameters.channels.as_ref();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        AudioInfo {
            container: self.reader.container().to_owned(),
            codec: track.codec.clone(),
            channels: channels.map(|channels| count(channels.count())),
            sample_rate: track.parameters.sample_rate,
            track: count(self.track + 1),
            tracks: count(self.reader.tracks().len()),
            duration: track.duration_s.filter(|duration_s| *duration_s > 0.0),
            decoder: match self.decoded {
                Some(_) => "ffmpeg".to_owned(),
                None => "symphonia".to_owned(),
            },
        }
    }

    /// Opens `source` with the built-in reader for `kind`, else with the second
    /// decoder.
    pub fn with_builtin_reader(
        source: &Source,
        kind: &Kind,
        limits: &Limits<'_>,
    ) -> Result<Self, MediaError> {
        let error = match reader(source, kind) {
            Ok(reader) => match Self::select(source, reader, None, limits) {
                Err(error @ (MediaError::Damaged(_) | MediaError::Codec { .. })) => error,
                result => return result,
            },
            Err(error @ (MediaError::Read(_) | MediaError::Excessive(_))) => return Err(error),
            Err(error) => error,
        };
        // The second decoder may read what the built-in reader refuses. If it
        // cannot, the reader's reason is more precise.
        let foreign = Foreign {
            name: "damaged",
            demuxer: None,
        };
        match Self::by_ffmpeg(source, None, &foreign, limits) {
            Err(MediaError::Ffmpeg(_) | MediaError::NeedsFfmpeg(_)) => Err(error),
            result => result,
        }
    }

    fn select(
        source: &Source,
        mut reader: Box<dyn Reader>,
        wanted: Option<usize>,
        limits: &Limits<'_>,
    ) -> Result<Self, MediaError> {
        let order: Vec<usize> = match wanted {
            Some(track) => vec![track],
            None => preferred(reader.tracks()).collect(),
        };
        let Some(first) = order.first().copied() else {
            return Err(MediaError::NoAudioTrack(match reader.others() {
                others if others.is_empty() => "an empty list of tracks".to_owned(),
                others => others,
            }));
        };
        let opened = |reader: Box<dyn Reader>, track, note| Self {
            reader,
            track,
            decoded: None,
            start_bytes: 0,
            note,
        };
        let refusal = match codec::decoder(&reader.tracks()[first].parameters) {
            Ok(_) => {
                reader.select(first);
                return Ok(opened(reader, first, None));
            }
            Err(error) => error,
        };
        let codec = match &refusal {
            // The file is hostile or damaged, not of another format.
            MediaError::Damaged(_) | MediaError::Excessive(_) => return Err(refusal),
            _ => describe(&reader.tracks()[first]),
        };
        let foreign = Foreign {
            name: reader.container(),
            demuxer: None,
        };
        match Self::by_ffmpeg(source, Some(first), &foreign, limits) {
            Err(MediaError::NeedsFfmpeg(_)) => {}
            result => return result,
        }
        // A track in another language or a copy is better than none.
        let readable = order[1..]
            .iter()
            .find(|track| codec::decoder(&reader.tracks()[**track].parameters).is_ok());
        match readable {
            Some(track) => {
                reader.select(*track);
                let note = format!(
                    "track {} is coded as {codec}, which needs ffmpeg (apt install ffmpeg): track {} was transcribed instead",
                    first + 1,
                    track + 1
                );
                Ok(opened(reader, *track, Some(note)))
            }
            None => Err(MediaError::NeedsFfmpeg(format!(
                "{} with {codec}",
                reader.container()
            ))),
        }
    }

    fn by_ffmpeg(
        source: &Source,
        track: Option<usize>,
        foreign: &Foreign<'_>,
        limits: &Limits<'_>,
    ) -> Result<Self, MediaError> {
        let decoder = SecondDecoder::open(source, track, foreign, limits)?;
        let (track, parameters) = (decoder.track(), decoder.parameters());
        Ok(Self {
            reader: Box::new(decoder),
            track,
            decoded: Some(parameters),
            start_bytes: 0,
            note: None,
        })
    }
}

const UNKNOWN: Foreign<'static> = Foreign {
    name: "of an unknown format",
    demuxer: None,
};

/// Detected by content alone; a long tag is skipped first.
fn kind(source: &Source) -> Result<Kind, MediaError> {
    let head = source.head(HEAD_BYTES)?;
    let tag_bytes = match frames::tag_bytes(&head) {
        Some(tag_bytes) if tag_bytes > head.len() as u64 / 2 => tag_bytes,
        _ => return Ok(Kind::of(&head)),
    };
    let rest = source.part(tag_bytes..source.size_bytes());
    Ok(match Kind::of(&rest.head(HEAD_BYTES)?) {
        // An ID3 tag indicates mp3.
        Kind::Unknown => Kind::Mpeg,
        kind => kind,
    })
}

/// The built-in reader for a kind.
fn reader(source: &Source, kind: &Kind) -> Result<Box<dyn Reader>, MediaError> {
    Ok(match kind {
        Kind::Pcm => {
            let file = PcmFile::open(source.again())?;
            if let Some(range) = file.mpeg_audio() {
                Box::new(FrameReader::<Mpeg>::within(
                    file.container(),
                    source.part(range),
                )?)
            } else if let Some(range) = file.adts() {
                Box::new(FrameReader::<Adts>::within(
                    file.container(),
                    source.part(range),
                )?)
            } else {
                Box::new(file)
            }
        }
        Kind::Caf => Box::new(Caf::open(source.again())?),
        Kind::Mp4 => Box::new(Mp4::open(source.again())?),
        Kind::Matroska => Box::new(Matroska::open(source.again())?),
        Kind::Ogg => Box::new(OggReader::open(source.again())?),
        Kind::Flac => Box::new(FlacReader::open(source.again())?),
        Kind::Mpeg => Box::new(FrameReader::<Mpeg>::open(source.again())?),
        Kind::Adts => Box::new(FrameReader::<Adts>::open(source.again())?),
        Kind::Foreign(_) | Kind::NoRecording(_) | Kind::Unknown => {
            return Err(MediaError::Unrecognised);
        }
    })
}

/// Track indices in order of preference: default tracks first.
fn preferred(tracks: &[Track]) -> impl Iterator<Item = usize> + use<> {
    let marked = |wanted: bool| {
        let of_kind = move |(_, track): &(usize, &Track)| track.default == wanted;
        let indices: Vec<usize> = tracks
            .iter()
            .enumerate()
            .filter(of_kind)
            .map(|(index, _)| index)
            .collect();
        indices
    };
    marked(true).into_iter().chain(marked(false))
}

/// The codec, with its channels if these are not supported.
fn describe(track: &Track) -> String {
    let channels = track.parameters.channels.as_ref();
    match channels.map_or(0, |channels| channels.count()) {
        channels @ 3.. if track.parameters.codec != CODEC_ID_NULL_AUDIO => {
            format!("{} with {channels} channels", track.codec)
        }
        _ => track.codec.clone(),
    }
}
