//! The `moov` box (ISO/IEC 14496-12, 8.2.1): the tracks, their coding, and the
//! positions of their tables.

use std::ops::Range;

use super::boxes::{Fields, Header, Kind, child, children};
use super::edits::{self, Edits};
use super::entry::{self, Entry};
use super::input::Input;
use super::run::Defaults;
use super::tables::TableRanges;
use crate::media::MediaError;
use crate::media::limits::TRACKS_MAX;
use crate::media::reader::name_tracks;

/// Limit of boxes that are read into memory; longer ones are truncated.
const SMALL_BYTES: u64 = 4096;

/// Limit of the sample entries, which include codec configs and encryption data.
const ENTRIES_MAX_BYTES: u64 = 1024 * 1024;

/// `moov/trak/mdia/minf/stbl`: deeper boxes are not needed.
const DEPTH_MAX: usize = 6;

/// Most other tracks whose time scales are kept.
const TIMESCALES_MAX: usize = 1024;

/// An `stts` up to this length is summed up; for longer ones the media header's
/// duration is used.
const TIMES_SUMMED_BYTES: u64 = 1024 * 1024;

/// An audio track.
#[derive(Debug, Clone, Default)]
pub struct AudioTrack {
    /// Its track id.
    pub id: u32,
    /// The enabled flag of its header.
    pub is_enabled: bool,
    /// Units per second of its times.
    pub timescale: u32,
    /// Duration of its samples in these units.
    pub media_duration: u64,
    /// Content of its edit list.
    pub edit_list: Option<Vec<u8>>,
    /// Its sample entries.
    pub entries: Vec<Entry>,
    /// Positions of its tables.
    pub tables: TableRanges,
}

/// The parsed `moov` box.
#[derive(Debug, Default)]
pub struct Movie {
    /// Units per second of edits.
    pub timescale: u32,
    /// The audio tracks, at most [`TRACKS_MAX`].
    pub tracks: Vec<AudioTrack>,
    /// Units per second of all tracks, by track id.
    pub timescales: Vec<(u32, u32)>,
    /// Tracks of other kinds.
    pub others: Others,
    /// Whether fragments may follow (`mvex`, 8.8.1).
    pub is_fragmented: bool,
    /// Duration including fragments, in units of `timescale` (`mehd`, 8.8.2).
    pub fragments_duration: Option<u64>,
    /// Defaults for fragments, by track id.
    pub defaults: Vec<(u32, Defaults)>,
    /// Encoder delay and length in frames, by iTunes.
    pub gapless: Option<(i64, i64)>,
}

/// Number of tracks besides audio.
#[derive(Debug, Default)]
pub struct Others {
    video: u32,
    subtitle: u32,
    other: u32,
}

impl Others {
    fn count(&mut self, handler: Kind) {
        *match &handler {
            b"vide" | b"auxv" | b"pict" => &mut self.video,
            b"subt" | b"text" | b"sbtl" | b"clcp" | b"subp" => &mut self.subtitle,
            _ => &mut self.other,
        } += 1;
    }

    /// Display text: `1 video track and 2 subtitle tracks`.
    pub fn describe(&self) -> String {
        name_tracks(&[
            (self.video, "video"),
            (self.subtitle, "subtitle"),
            (self.other, "other"),
        ])
    }
}

fn content(input: &mut Input, header: &Header, limit: u64) -> Result<Vec<u8>, MediaError> {
    input.bytes(header.body, header.body_bytes().min(limit) as usize)
}

impl Movie {
    /// Reads the `moov` box with this header.
    pub fn read(input: &mut Input, moov: &Header) -> Result<Self, MediaError> {
        let mut movie = Self::default();
        let mut at = moov.body;
        while let Some(header) = Header::read(input, at, moov.end)? {
            at = header.end;
            match &header.kind {
                b"mvhd" => {
                    let content = content(input, &header, SMALL_BYTES)?;
                    movie.timescale = times(&content).map_or(0, |(timescale, _)| timescale);
                }
                b"trak" => movie.read_track(input, &header)?,
                b"mvex" => movie.read_fragment_defaults(input, &header)?,
                b"udta" => movie.gapless = gapless(input, &header)?,
                b"cmov" => {
                    return Err(MediaError::Damaged(
                        "its table of contents is compressed (\"cmov\"), which is not supported"
                            .to_owned(),
                    ));
                }
                _ => {}
            }
        }
        Ok(movie)
    }

    fn read_fragment_defaults(
        &mut self,
        input: &mut Input,
        mvex: &Header,
    ) -> Result<(), MediaError> {
        self.is_fragmented = true;
        let mut at = mvex.body;
        while let Some(header) = Header::read(input, at, mvex.end)? {
            at = header.end;
            let content = content(input, &header, SMALL_BYTES)?;
            match &header.kind {
                b"mehd" => {
                    let mut fields = Fields::new(&content);
                    self.fragments_duration = fields
                        .version_and_flags()
                        .and_then(|(version, _)| fields.by_version(version))
                        .filter(|duration| *duration > 0);
                }
                b"trex" if self.defaults.len() < TIMESCALES_MAX => {
                    self.defaults.extend(Defaults::read(&content));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn read_track(&mut self, input: &mut Input, trak: &Header) -> Result<(), MediaError> {
        let mut track = AudioTrack::default();
        let mut handler = None;
        let mut descriptions = None;
        let mut enclosing = vec![(trak.body, trak.end)];
        while let Some((at, end)) = enclosing.last_mut() {
            let Some(header) = Header::read(input, *at, *end)? else {
                enclosing.pop();
                continue;
            };
            *at = header.end;
            let place = header.body..header.end;
            match &header.kind {
                b"edts" | b"mdia" | b"minf" | b"stbl" if enclosing.len() < DEPTH_MAX => {
                    enclosing.push((header.body, header.end));
                }
                b"tkhd" => {
                    let content = content(input, &header, SMALL_BYTES)?;
                    if let Some((id, is_enabled)) = track_header(&content) {
                        (track.id, track.is_enabled) = (id, is_enabled);
                    }
                }
                b"elst" => {
                    let content = content(input, &header, edits::BOX_MAX_BYTES as u64)?;
                    track.edit_list = Some(content);
                }
                b"mdhd" => {
                    let content = content(input, &header, SMALL_BYTES)?;
                    if let Some((timescale, duration)) = times(&content) {
                        (track.timescale, track.media_duration) = (timescale, duration);
                    }
                }
                // QuickTime has another one, for the data handler, in `minf`.
                b"hdlr" if handler.is_none() => {
                    let content = content(input, &header, SMALL_BYTES)?;
                    handler = content.get(8..12).and_then(|kind| kind.try_into().ok());
                }
                b"stsd" => descriptions = Some(header),
                b"stts" => track.tables.times = Some(place),
                b"ctts" => track.tables.composition_offsets = Some(place),
                b"stsc" => track.tables.chunks = Some(place),
                b"stsz" => track.tables.sizes = Some((place, true)),
                b"stz2" => track.tables.sizes = Some((place, false)),
                b"co64" => track.tables.chunk_offsets = Some((place, true)),
                b"stco" => track.tables.chunk_offsets = Some((place, false)),
                _ => {}
            }
        }
        if self.timescales.len() < TIMESCALES_MAX {
            self.timescales.push((track.id, track.timescale));
        }
        let handler: Kind = handler.unwrap_or_default();
        if handler != *b"soun" {
            self.others.count(handler);
            return Ok(());
        }
        if self.tracks.len() == TRACKS_MAX {
            return Ok(());
        }
        if let Some(header) = descriptions {
            let content = content(input, &header, ENTRIES_MAX_BYTES)?;
            track.entries = entry::entries(&content, track.timescale);
        }
        if track.timescale == 0 {
            track.timescale = track.entries.first().map_or(1, |entry| entry.coding.rate());
        }
        if let Some(duration) = summed_duration(input, track.tables.times.as_ref())? {
            track.media_duration = duration;
        }
        self.tracks.push(track);
        Ok(())
    }

    /// The edit list of a track, or its equivalent.
    pub fn edits(&self, track: &AudioTrack) -> Result<Edits, MediaError> {
        if let Some(list) = &track.edit_list {
            let timescale = match self.timescale {
                0 => track.timescale,
                timescale => timescale,
            };
            let mut edits = Edits::read(list, timescale, track.timescale)?;
            if self.is_fragmented {
                edits.extend_beyond(i64::try_from(track.media_duration).unwrap_or(i64::MAX));
            }
            return Ok(edits);
        }
        let Some(entry) = track.entries.first() else {
            return Ok(Edits::none());
        };
        let rate = f64::from(entry.coding.rate());
        let units = |frames: f64| (frames * f64::from(track.timescale) / rate).round() as i64;
        Ok(match self.gapless {
            Some((delay, length)) if self.tracks.len() == 1 && entry.coding.name == "aac" => {
                Edits::after_delay(units(delay as f64), units(length as f64))
            }
            _ if entry.delay_frames > 0 => Edits::without_delay(units(entry.delay_frames.into())),
            _ => Edits::none(),
        })
    }
}

/// Time scale and duration of a movie or media header (8.2.2, 8.4.2).
fn times(content: &[u8]) -> Option<(u32, u64)> {
    let mut fields = Fields::new(content);
    let (version, _) = fields.version_and_flags()?;
    // Creation and modification time.
    fields.by_version(version)?;
    fields.by_version(version)?;
    Some((fields.u32()?, fields.by_version(version)?))
}

/// Id of a track, and whether it is enabled (8.3.2).
fn track_header(content: &[u8]) -> Option<(u32, bool)> {
    let mut fields = Fields::new(content);
    let (version, flags) = fields.version_and_flags()?;
    fields.by_version(version)?;
    fields.by_version(version)?;
    Some((fields.u32()?, flags & 1 != 0))
}

/// Sum of the sample durations in `stts`.
fn summed_duration(
    input: &mut Input,
    place: Option<&Range<u64>>,
) -> Result<Option<u64>, MediaError> {
    let Some(place) = place.filter(|place| place.end - place.start <= TIMES_SUMMED_BYTES) else {
        return Ok(None);
    };
    let content = input.bytes(place.start, (place.end - place.start) as usize)?;
    let mut fields = Fields::new(&content);
    let count = fields
        .version_and_flags()
        .and_then(|_| fields.u32())
        .unwrap_or(0);
    let mut sum = 0_u64;
    for _ in 0..count {
        let (Some(samples), Some(delta)) = (fields.u32(), fields.u32()) else {
            break;
        };
        sum = sum.saturating_add(u64::from(samples) * u64::from(delta));
    }
    Ok(Some(sum))
}

/// Encoder delay and length in frames from iTunes' tag `iTunSMPB`: hexadecimal
/// numbers, the second the delay and the fourth the length.
fn gapless(input: &mut Input, udta: &Header) -> Result<Option<(i64, i64)>, MediaError> {
    let mut enclosing = *udta;
    for kind in [*b"meta", *b"ilst"] {
        // `meta` is a full box, but not in QuickTime.
        let mut found = None;
        for skipped in [0, 4] {
            let mut at = enclosing.body
                + if enclosing.kind == *b"meta" {
                    skipped
                } else {
                    0
                };
            while let Some(header) = Header::read(input, at, enclosing.end)? {
                at = header.end;
                if header.kind == kind {
                    found = found.or(Some(header));
                }
            }
        }
        let Some(header) = found else {
            return Ok(None);
        };
        enclosing = header;
    }
    let mut at = enclosing.body;
    while let Some(header) = Header::read(input, at, enclosing.end)? {
        at = header.end;
        if header.kind == *b"----" {
            let content = content(input, &header, SMALL_BYTES)?;
            let is_it = child(&content, *b"name").is_some_and(|name| name.ends_with(b"iTunSMPB"));
            if let Some(numbers) = is_it.then(|| gapless_numbers(&content)).flatten() {
                return Ok(Some(numbers));
            }
        }
    }
    Ok(None)
}

fn gapless_numbers(content: &[u8]) -> Option<(i64, i64)> {
    let (_, data) = children(content).find(|(kind, _)| kind == b"data")?;
    let text = std::str::from_utf8(data.get(8..)?).ok()?;
    let numbers: Vec<i64> = text
        .split_whitespace()
        .take(4)
        .filter_map(|number| i64::from_str_radix(number, 16).ok())
        .collect();
    match numbers[..] {
        [_, delay @ 0..=65_535, _, length] if length > 0 => Some((delay, length)),
        _ => None,
    }
}
