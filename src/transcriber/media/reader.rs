//! The common interface of container readers: audio tracks, then the packets of
//! one of them with their presentation times.
//!
//! A reader reads forward from the start of its [`Source`](super::Source) and
//! seeks only if its format requires it. It keeps only a bounded part of the file
//! in memory: sizes and counts that a file claims are checked against limits and
//! the length of the file before memory is allocated.

use symphonia::core::codecs::audio::AudioCodecParameters;

use super::MediaError;
#[cfg(doc)]
use super::limits::TRACKS_MAX;

/// One audio track.
#[derive(Debug, Clone)]
pub struct Track {
    /// Parameters for its decoder. The codec id is `CODEC_ID_NULL_AUDIO` if
    /// symphonia has none for it.
    pub parameters: AudioCodecParameters,
    /// Display name of the codec, such as `pcm_s16le`, `aac`, `GSM 6.10`.
    pub codec: String,
    /// The container marks this track as the default.
    pub default: bool,
    /// Duration in seconds on the timeline of the recording (from its start to
    /// the end of this track), if the container states it reliably.
    pub duration_s: Option<f64>,
}

/// One packet of the selected track.
#[derive(Debug, Clone, PartialEq)]
pub struct Packet {
    /// The payload in the form that the decoder takes.
    pub data: Box<[u8]>,
    /// Presentation time of the first frame after trimming, in seconds from the
    /// start of the recording; may be negative. `None`: directly after the packet
    /// before (the first one: at the start).
    pub time_s: Option<f64>,
    /// Decoded frames to drop at the start of this packet: encoder delay, or media
    /// outside an edit. More than the packet holds: all of them.
    pub trim_start_frames: u64,
    /// Decoded frames to drop at its end.
    pub trim_end_frames: u64,
}

impl Packet {
    /// A packet without trimming that follows the one before.
    pub fn new(data: impl Into<Box<[u8]>>) -> Self {
        Self {
            data: data.into(),
            time_s: None,
            trim_start_frames: 0,
            trim_end_frames: 0,
        }
    }
}

/// One step through the file.
#[derive(Debug, Clone)]
pub enum Step {
    /// The next packet of the selected track.
    Packet(Packet),
    /// From the next packet on, the selected track needs a decoder with these
    /// parameters: the format changes in the middle of the file.
    Changed(Box<AudioCodecParameters>),
    /// Damaged data was skipped.
    Lost {
        /// Display text of the reason.
        reason: String,
        /// Seconds of audio that are missing, if known and the following packets
        /// have no times.
        duration_s: Option<f64>,
    },
    /// Nothing of the selected track was found in a bounded part of the file (a
    /// video without audio, zeros): call again.
    Nothing,
    /// The end of the file.
    End,
}

/// An open container.
pub trait Reader {
    /// Display name, such as `wav`, `mp4`, `webm`.
    fn container(&self) -> &str;

    /// The audio tracks, at most [`TRACKS_MAX`].
    fn tracks(&self) -> &[Track];

    /// The other tracks, for the error message about a video without audio: `1
    /// video track`. Empty if there are none.
    fn others(&self) -> String {
        String::new()
    }

    /// Selects the track, an index into [`Reader::tracks`], whose packets
    /// [`Reader::step`] returns. Called once, before the first step.
    fn select(&mut self, track: usize);

    /// Reads on by one step. Nothing can be read after an error.
    fn step(&mut self) -> Result<Step, MediaError>;

    /// After the end: whether the file is provably truncated (a structure claims
    /// more bytes than there are); never inferred from durations, which may be
    /// wrong.
    fn is_cut_short(&self) -> bool {
        false
    }

    /// After the end: the offset at which an appended file may begin, in bytes
    /// from the start; its format is detected anew.
    fn end_bytes(&self) -> Option<u64> {
        None
    }
}

/// Number of tracks by kind, for [`Reader::others`]: `1 video track and 2
/// subtitle tracks`. Kinds without tracks are omitted.
pub fn name_tracks(kinds: &[(u32, &str)]) -> String {
    let found: Vec<String> = kinds
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, kind)| format!("{count} {kind} track{}", if *count == 1 { "" } else { "s" }))
        .collect();
    found.join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracks_are_counted_by_kind() {
        let kinds = [(1, "video"), (0, "other"), (2, "subtitle")];
        assert_eq!(name_tracks(&kinds), "1 video track and 2 subtitle tracks");
        assert_eq!(name_tracks(&[(0, "video")]), "");
    }
}
