//! Reads mp4, m4a, mov, 3gp and related formats, fragmented or not (ISO/IEC
//! 14496-12 and Apple's QuickTime File Format).
//!
//! The boxes are parsed here because the maintained crates do not cover what
//! recordings need: `shiguredo_mp4` and `re_mp4` do not support QuickTime audio
//! and build a vector of all samples, `mp4parse` reads two edits and no
//! fragments.
//!
//! The timeline is that of the movie: its presentation time 0 is second 0.
//!
//! - [`input`], [`boxes`]: bytes, boxes and fields;
//! - [`movie`], [`entry`], [`coding`], [`aac_config`], [`pcm`], [`frames`],
//!   [`descriptors`]: the tracks and their coding;
//! - [`tables`], [`cursor`], [`run`], [`fragments`], [`samples`]: offsets, sizes and
//!   times of their samples, in units of a [`piece`];
//! - [`edits`], [`player`]: which of them are presented, and when.

mod aac_config;
mod boxes;
pub(super) mod coding;
mod cursor;
pub(super) mod descriptors;
mod edits;
mod entry;
mod fragments;
pub(super) mod frames;
pub(super) mod input;
mod movie;
pub(super) mod pcm;
mod piece;
mod player;
mod run;
mod samples;
mod tables;
#[cfg(test)]
pub(super) mod tests;

use boxes::{Fields, Header};
use coding::Layout;
use cursor::Cursor;
use fragments::Fragments;
use frames::Frames;
use input::Input;
use movie::{AudioTrack, Movie};
use player::Player;
use samples::Samples;
use tables::Tables;

use super::reader::{Reader, Step, Track};
use super::{MediaError, Source};

/// An open file.
pub struct Mp4 {
    input: Input,
    container: &'static str,
    movie: Movie,
    tracks: Vec<Track>,
    /// The sample entries of the tracks' first samples.
    first_entries: Vec<u32>,
    /// End of `moov`.
    moov_end: u64,
    selected: usize,
    player: Option<Player>,
    is_cut_short: bool,
}

impl Mp4 {
    /// Reads the `moov` box of `source`.
    pub fn open(source: Source) -> Result<Self, MediaError> {
        let mut input = Input::new(source);
        let mut container = "mov";
        let mut at = 0;
        let contents = loop {
            let Some(header) = Header::read(&mut input, at, u64::MAX)? else {
                return Err(match at {
                    0 if input.size_bytes() < 8 => MediaError::Truncated,
                    0 => MediaError::Damaged("it does not begin with an mp4 box".to_owned()),
                    _ => MediaError::NoContents(container),
                });
            };
            match &header.kind {
                b"ftyp" => container = container_of(&input.bytes(header.body, 4)?),
                b"moov" => break header,
                _ => {}
            }
            at = header.end;
        };
        let movie = Movie::read(&mut input, &contents)?;
        let mut reader = Self {
            input,
            container,
            movie,
            tracks: Vec::new(),
            first_entries: Vec::new(),
            moov_end: contents.end,
            selected: 0,
            player: None,
            is_cut_short: contents.is_cut,
        };
        if contents.is_cut && reader.movie.tracks.is_empty() {
            return Err(MediaError::NoContents(container));
        }
        reader.describe_tracks()?;
        Ok(reader)
    }

    fn describe_tracks(&mut self) -> Result<(), MediaError> {
        let first_enabled = self.movie.tracks.iter().position(|track| track.is_enabled);
        for (index, track) in self.movie.tracks.iter().enumerate() {
            let first_entry = match &track.tables.chunks {
                // Sample description of the first chunk.
                Some(chunks) if chunks.end - chunks.start >= 20 => {
                    let first = self.input.bytes(chunks.start + 16, 4)?;
                    Fields::new(&first).u32()
                }
                _ => self.defaults(track.id).map(|defaults| defaults.description),
            };
            let first_entry = first_entry.unwrap_or(1).saturating_sub(1);
            let entry = track
                .entries
                .get(first_entry as usize)
                .or(track.entries.first());
            let Some(entry) = entry else {
                self.tracks.push(Track {
                    parameters: Default::default(),
                    codec: "unknown (the track has no sample description)".to_owned(),
                    default: first_enabled == Some(index),
                    duration_s: None,
                });
                self.first_entries.push(0);
                continue;
            };
            let edits = self.movie.edits(track)?;
            let duration_s = if self.movie.is_fragmented {
                self.movie
                    .fragments_duration
                    .map(|duration| duration as f64 / f64::from(self.movie.timescale.max(1)))
            } else {
                let end = i64::try_from(track.media_duration).unwrap_or(i64::MAX);
                (end > 0).then(|| edits.end_s(end, track.timescale))
            };
            self.tracks.push(Track {
                parameters: entry.coding.parameters.clone(),
                codec: entry.coding.name.clone(),
                default: first_enabled == Some(index),
                duration_s,
            });
            self.first_entries.push(first_entry);
        }
        Ok(())
    }

    fn defaults(&self, track: u32) -> Option<run::Defaults> {
        let mut defaults = self.movie.defaults.iter();
        defaults.find_map(|(id, defaults)| (*id == track).then_some(*defaults))
    }

    fn player(&mut self) -> Result<Option<Player>, MediaError> {
        let Some(track) = self.movie.tracks.get(self.selected).cloned() else {
            return Ok(None);
        };
        let first_entry = self.first_entries[self.selected];
        let windows = self.movie.edits(&track)?.windows().to_vec();
        let tables = Tables::load(&mut self.input, &track.tables)?;
        let cursor = Cursor::new(tables, default_delta(&track, first_entry));
        let can_seek = !self.movie.is_fragmented && !cursor.is_empty();
        if cursor.is_empty() && self.is_cut_short {
            return Err(MediaError::NoContents(self.container));
        }
        let defaults = self.defaults(track.id).unwrap_or_default();
        let samples = Samples::new(
            Some(cursor),
            Fragments::new(track.id, defaults),
            std::mem::take(&mut self.movie.timescales),
            self.moov_end,
        );
        let mut player = Player::new(
            samples,
            track.entries,
            first_entry,
            track.timescale,
            windows,
            can_seek,
        );
        player.start()?;
        Ok(Some(player))
    }
}

impl Reader for Mp4 {
    fn container(&self) -> &'static str {
        self.container
    }

    fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    fn others(&self) -> String {
        self.movie.others.describe()
    }

    fn select(&mut self, track: usize) {
        self.selected = track;
    }

    fn step(&mut self) -> Result<Step, MediaError> {
        if self.player.is_none() {
            self.player = self.player()?;
        }
        match &mut self.player {
            Some(player) => player.step(&mut self.input),
            None => Ok(Step::End),
        }
    }

    fn is_cut_short(&self) -> bool {
        self.is_cut_short
            || self
                .player
                .as_ref()
                .is_some_and(|player| player.samples.is_cut_short)
    }

    fn end_bytes(&self) -> Option<u64> {
        self.player.as_ref()?.samples.end_bytes
    }
}

/// By the major brand (ISO/IEC 14496-12, 4.3).
fn container_of(brand: &[u8]) -> &'static str {
    match brand {
        b"qt  " => "mov",
        [b'3', b'g', _, _] => "3gp",
        _ => "mp4",
    }
}

/// Sample duration of a track without `stts`.
fn default_delta(track: &AudioTrack, entry: u32) -> u32 {
    let Some(entry) = track.entries.get(entry as usize) else {
        return 0;
    };
    let frames = match entry.coding.layout {
        Layout::Packets(Frames::Fixed(frames)) => frames,
        Layout::Packets(_) => 960,
        Layout::Blocks { .. } => 1,
    };
    let units = u64::from(frames) * u64::from(track.timescale) / u64::from(entry.coding.rate());
    u32::try_from(units).unwrap_or(u32::MAX)
}
