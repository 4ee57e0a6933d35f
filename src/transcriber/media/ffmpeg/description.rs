//! Parses ffmpeg's description of a file:
//!
//! ```text
//! Input #0, mpegts, from 'pipe:0':
//!   Metadata:
//!     major_brand     : 3gp4
//!   Duration: 00:00:02.61, start: 1.500000, bitrate: N/A
//!   Stream #0:1[0x101](eng): Audio: ac3 ([129][0][0][0] / 0x0081), 48000 Hz, 5.1(side), fltp, 448 kb/s (default)
//! ```

use super::super::limits::TRACKS_MAX;
use super::super::reader::name_tracks;
use super::layout;

/// Longer words are cut.
const WORD_MAX_CHARACTERS: usize = 40;

/// The description of a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Input {
    /// ffmpeg's short name of the container or raw stream: `mpegts`, `amr`; for
    /// the mp4 family, which has one name for all, `3gp`, `mov` or `mp4`.
    pub container: String,
    /// Duration in seconds, if the container states it.
    pub duration_s: Option<f64>,
    /// Audio tracks in file order: the index is the track's number in
    /// [`super::Options`].
    pub tracks: Vec<Track>,
    /// Other tracks: "1 video track and 2 subtitle tracks", or empty.
    pub others: String,
    counts: [u32; 3],
}

/// An audio track.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Track {
    /// ffmpeg's name of the codec: `amr_nb`, `wmav2`; `none` if it is unknown.
    pub codec: String,
    /// Samples per second.
    pub sample_rate: Option<u32>,
    /// Number of channels.
    pub channels: Option<u16>,
    /// The default track.
    pub is_default: bool,
    /// ISO 639-2 code, as in the file.
    pub language: Option<String>,
}

const OTHERS: [(&str, &str); 3] = [
    ("Video: ", "video"),
    ("Subtitle: ", "subtitle"),
    ("", "unknown"),
];

impl Input {
    /// Starts a description with this line; `None` if the line does not begin
    /// one.
    pub fn begin(line: &str) -> Option<Self> {
        let rest = line.strip_prefix("Input #0, ")?;
        let (names, _) = rest.split_once(", from '")?;
        Some(Self {
            container: word(names.split(',').next().unwrap_or_default()),
            ..Self::default()
        })
    }

    /// Parses a further line.
    pub fn add(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("  Duration: ") {
            self.duration_s = duration_s(rest.split(',').next().unwrap_or_default());
        } else if let Some(rest) = line.strip_prefix("  Stream #0:") {
            self.add_stream(rest);
        } else if let Some(rest) = line.strip_prefix("    major_brand     : ")
            && self.container == "mov"
        {
            self.container = match rest.get(..2) {
                Some("3g") => "3gp",
                Some("qt") => "mov",
                _ => "mp4",
            }
            .to_owned();
        }
    }

    fn add_stream(&mut self, rest: &str) {
        let Some((number, rest)) = rest.split_once(": ") else {
            return;
        };
        let Some(audio) = rest.strip_prefix("Audio: ") else {
            let kind = OTHERS.iter().position(|(word, _)| rest.starts_with(word));
            self.counts[kind.unwrap_or(OTHERS.len() - 1)] += 1;
            self.others = self.count_others();
            return;
        };
        if self.tracks.len() >= TRACKS_MAX {
            return;
        }
        let is_end = |character: char| !character.is_ascii_alphanumeric() && character != '_';
        let mut track = Track {
            codec: word(audio.split(is_end).next().unwrap_or_default()),
            is_default: audio.contains("(default)"),
            language: number
                .split_once('(')
                .map(|(_, rest)| word(rest.trim_end_matches(')')))
                .filter(|language| language != "und"),
            ..Track::default()
        };
        for part in audio.split(", ") {
            if let Some(rate) = part.strip_suffix(" Hz") {
                track.sample_rate = rate.parse().ok();
            } else if track.channels.is_none() {
                let name = part.trim_end_matches(" (default)");
                track.channels = layout::parse(name).map(|(channels, _)| channels);
            }
        }
        self.tracks.push(track);
    }

    fn count_others(&self) -> String {
        let kinds = OTHERS.iter().zip(self.counts);
        let kinds: Vec<_> = kinds.map(|((_, kind), count)| (count, *kind)).collect();
        name_tracks(&kinds)
    }
}

/// Number of channels and their mask in a line that describes a stream of the
/// output.
pub fn output_layout(line: &str) -> Option<(u16, u32)> {
    let rest = line.strip_prefix("  Stream #0:0")?;
    rest.split(", ").find_map(layout::parse)
}

fn duration_s(text: &str) -> Option<f64> {
    let mut parts = text.splitn(3, ':');
    let hours: u32 = parts.next()?.parse().ok()?;
    let minutes: u32 = parts.next()?.parse().ok()?;
    let seconds: f64 = parts.next()?.parse().ok()?;
    let duration_s = f64::from(hours) * 3600.0 + f64::from(minutes) * 60.0 + seconds;
    Some(duration_s).filter(|duration_s| *duration_s > 0.0)
}

fn word(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(WORD_MAX_CHARACTERS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Input {
        let mut lines = text.lines();
        let mut input = Input::begin(lines.next().unwrap()).unwrap();
        lines.for_each(|line| input.add(line));
        input
    }

    #[test]
    fn description_of_several_tracks() {
        let input = parse(
            "Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'pipe:0':
  Metadata:
    major_brand     : 3gp4
    title           : x
  Duration: 01:02:03.50, start: 1.500000, bitrate: 32 kb/s
  Stream #0:0[0x1](und): Video: h264 (High) (avc1 / 0x31637661), yuv420p(tv, progressive), 64x64 (default)
    Metadata:
      handler_name    : Stream #0:9: Audio: mp3, 8000 Hz, mono
  Stream #0:1[0x2](deu): Audio: aac (LC) (mp4a / 0x6134706D), 48000 Hz, 7.1, fltp, 448 kb/s (default)
  Stream #0:2[0x3](und): Audio: amr_nb (samr / 0x726D6173), 8000 Hz, mono, flt, 12 kb/s
  Stream #0:3[0x4]: Audio: none, 0 channels
  Stream #0:4[0x5](eng): Subtitle: mov_text
  Stream #0:5: Subtitle: mov_text
  Stream #0:6: Data: bin_data",
        );
        assert_eq!(input.container, "3gp");
        assert_eq!(input.duration_s, Some(3723.5));
        assert_eq!(
            input.others,
            "1 video track and 2 subtitle tracks and 1 unknown track"
        );
        let track =
            |codec: &str, sample_rate, channels, is_default, language: Option<&str>| Track {
                codec: codec.to_owned(),
                sample_rate,
                channels,
                is_default,
                language: language.map(str::to_owned),
            };
        assert_eq!(
            input.tracks,
            [
                track("aac", Some(48_000), Some(8), true, Some("deu")),
                track("amr_nb", Some(8000), Some(1), false, None),
                track("none", None, Some(0), false, None),
            ]
        );
    }

    #[test]
    fn description_of_a_raw_stream() {
        let input = parse(
            "Input #0, ac3, from 'pipe:0':
  Duration: N/A, start: 0.000000, bitrate: 448 kb/s
  Stream #0:0: Audio: ac3, 48000 Hz, 6.1(back), fltp, 448 kb/s",
        );
        assert_eq!((&*input.container, input.duration_s), ("ac3", None));
        assert_eq!(input.tracks[0].channels, Some(7));
        assert_eq!(input.others, "");
    }

    #[test]
    fn output_layout_is_parsed() {
        let line = "  Stream #0:0: Audio: pcm_f32le ([3][0][0][0] / 0x0003), 16000 Hz, 5.1(side), flt, 3072 kb/s";
        assert_eq!(output_layout(line), Some((6, 0x60f)));
        assert_eq!(output_layout("    Metadata:"), None);
    }
}
