//! What every reader of a container gives: its audio tracks, then the packets
//! of one of them with the times at which they are to be heard.
//!
//! A reader reads on from the start of its [`Source`](super::Source) and seeks
//! only where its format leaves no other way. It never keeps more than a
//! bounded part of the file in memory: sizes and counts that a file claims are
//! checked against limits and against the length of the file before anything is
//! allocated for them.

use symphonia::core::codecs::audio::AudioCodecParameters;

use super::MediaError;

/// More audio tracks than this are ignored.
pub const TRACKS_MAX: usize = 64;

/// More channels than this are refused.
pub const CHANNELS_MAX: u16 = 32;

/// No packet is larger than this; what claims to be is damaged.
pub const PACKET_MAX_BYTES: usize = 4 * 1024 * 1024;

/// One audio track.
#[derive(Debug, Clone)]
pub struct Track {
    /// What its decoder is made from. The codec id is
    /// `CODEC_ID_NULL_AUDIO` where symphonia has none for it.
    pub parameters: AudioCodecParameters,
    /// The codec for people, as in `pcm_s16le`, `aac`, `GSM 6.10`.
    pub codec: String,
    /// The container says that this track is the one to play.
    pub default: bool,
    /// Length in seconds on the timeline of the recording (from its start to the
    /// end of this track), if the container knows it for sure.
    pub duration_s: Option<f64>,
}

/// One packet of the selected track.
#[derive(Debug, Clone, PartialEq)]
pub struct Packet {
    /// As the decoder wants it.
    pub data: Box<[u8]>,
    /// When the first frame that is left after trimming is to be heard, in
    /// seconds from the start of the recording; may be negative. `None`: right
    /// behind the packet before (the first one: at the start).
    pub time_s: Option<f64>,
    /// Decoded frames to drop at the beginning of this packet: encoder delay, or
    /// what an edit list cuts away. More than the packet holds: all of them.
    pub trim_start_frames: u64,
    /// Decoded frames to drop at its end.
    pub trim_end_frames: u64,
}

impl Packet {
    /// A packet that follows the one before and is heard whole.
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
    /// From the next packet on the selected track needs a decoder made from
    /// these: the signal or the codec changes in the middle of the file.
    Changed(Box<AudioCodecParameters>),
    /// Something could not be read and was stepped over.
    Lost {
        /// What was wrong with it, for people.
        reason: String,
        /// How much sound is missing there, if the packets that follow do not
        /// tell their time and it is known nevertheless.
        duration_s: Option<f64>,
    },
    /// Nothing of the selected track was found in a bounded stretch of the file
    /// (a film without sound, zeros): call again.
    Nothing,
    /// There is no more.
    End,
}

/// A container that is being read.
pub trait Reader {
    /// Its name for people, as in `wav`, `mp4`, `webm`.
    fn container(&self) -> &str;

    /// All audio tracks that it found, [`TRACKS_MAX`] at most.
    fn tracks(&self) -> &[Track];

    /// What it holds besides audio, for the message to those who sent a film
    /// without sound: `1 video track`. Empty: nothing.
    fn others(&self) -> String {
        String::new()
    }

    /// Chooses the track, an index into [`Reader::tracks`], whose packets
    /// [`Reader::step`] gives. Called once, before the first step.
    fn select(&mut self, track: usize);

    /// Goes on by one step. An error is the end of what can be read.
    fn step(&mut self) -> Result<Step, MediaError>;

    /// Asked after the end: the file itself shows that it was cut short (a
    /// structure that claims more bytes than there are), never guessed from
    /// lengths that may be wrong.
    fn is_cut_short(&self) -> bool {
        false
    }

    /// Asked after the end: where another file may begin that was appended to
    /// this one, in bytes from the start; what lies there is judged anew.
    fn end_bytes(&self) -> Option<u64> {
        None
    }
}

/// Tracks by their kind, for [`Reader::others`]: `1 video track and 2 subtitle
/// tracks`. Kinds without any are left out.
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
