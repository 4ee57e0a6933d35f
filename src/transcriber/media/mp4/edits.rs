//! Edit lists: which parts of a track's media are presented, and when (ISO/IEC
//! 14496-12, 8.6.6).

use super::boxes::Fields;
use crate::media::MediaError;

/// Most entries of an edit list; a longer list is refused, since media that it
/// removes must not be presented.
const ENTRIES_MAX: usize = 65_536;

/// Most edits after merging contiguous entries.
const WINDOWS_MAX: usize = 4_096;

/// Content length of a box with that many entries.
pub const BOX_MAX_BYTES: usize = 8 + ENTRIES_MAX * 20;

/// An edit: a part of the media that is presented. Media times are in units of
/// the track's time scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// Media before this time is not presented.
    pub start: i64,
    /// Media from this time on is not presented.
    pub end: i64,
    /// This media time ...
    pub origin: i64,
    /// ... is presented this many seconds from the start of the recording.
    pub at_s: f64,
}

impl Window {
    /// Presentation time of a media time, in seconds.
    pub fn time_s(&self, time: i64, timescale: u32) -> f64 {
        self.at_s + time.saturating_sub(self.origin) as f64 / f64::from(timescale)
    }
}

/// All edits, in presentation order.
#[derive(Debug, Clone, PartialEq)]
pub struct Edits {
    windows: Vec<Window>,
}

impl Edits {
    /// No edit list: all media at its own times.
    pub fn none() -> Self {
        Self {
            windows: vec![Window {
                start: i64::MIN,
                end: i64::MAX,
                origin: 0,
                at_s: 0.0,
            }],
        }
    }

    /// No edit list, but `delay` units of encoder delay at the start and `length`
    /// units of audio after it, presented from second 0 on.
    pub fn after_delay(delay: i64, length: i64) -> Self {
        Self {
            windows: vec![Window {
                start: delay,
                end: delay.saturating_add(length),
                origin: delay,
                at_s: 0.0,
            }],
        }
    }

    /// No edit list, and media before `delay` is dropped: the rest is presented
    /// at its own times, as players do with Opus.
    pub fn without_delay(delay: i64) -> Self {
        Self {
            windows: vec![Window {
                start: delay,
                end: i64::MAX,
                origin: 0,
                at_s: 0.0,
            }],
        }
    }

    /// Parses the content of an `elst` box.
    ///
    /// Empty edits and dwells (rate 0) are silence. Other rates than 1 are
    /// treated as 1, as audio players do.
    pub fn read(
        content: &[u8],
        movie_timescale: u32,
        track_timescale: u32,
    ) -> Result<Self, MediaError> {
        let mut fields = Fields::new(content);
        let (version, _) = fields.version_and_flags().unwrap_or_default();
        let count = fields.u32().unwrap_or(0) as usize;
        if count > ENTRIES_MAX {
            return Err(too_long());
        }
        let entries: Vec<Entry> = std::iter::from_fn(|| Entry::read(&mut fields, version))
            .take(count)
            .collect();
        if entries.is_empty() {
            return Ok(Self::none());
        }
        let scale = Scale {
            movie: u64::from(movie_timescale.max(1)),
            track: u64::from(track_timescale.max(1)),
        };
        // Writers that never set a rate mean 1.
        let rates_are_set = entries.iter().any(|entry| entry.rate != 0);
        let mut windows: Vec<Window> = Vec::new();
        let mut now: u64 = 0;
        let last = entries.len() - 1;
        for (index, entry) in entries.iter().enumerate() {
            let begin = now;
            now = now.saturating_add(entry.duration);
            let Ok(media_time) = u64::try_from(entry.media_time) else {
                continue;
            };
            if rates_are_set && entry.rate == 0 {
                continue;
            }
            let start = i64::try_from(media_time).unwrap_or(i64::MAX);
            let end = match entry.duration {
                // To the end, as in files whose duration was unknown when they
                // were begun.
                0 if index == last => i64::MAX,
                0 => continue,
                duration => start.saturating_add(scale.to_track(duration)),
            };
            if let Some(before) = windows.last_mut()
                && scale.is_continued(before, start, begin)
            {
                before.end = end;
                continue;
            }
            if windows.len() == WINDOWS_MAX {
                return Err(too_long());
            }
            windows.push(Window {
                start,
                end,
                origin: start,
                at_s: begin as f64 / scale.movie as f64,
            });
        }
        Ok(Self { windows })
    }

    /// Extends a list that ends with the samples of the sample table, at
    /// `media_end`, to the end of the fragments: it was written before them.
    pub fn extend_beyond(&mut self, media_end: i64) {
        if let Some(last) = self.windows.last_mut()
            && media_end > 0
            && last.end >= media_end
        {
            last.end = i64::MAX;
        }
    }

    /// The edits.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// End of the last edit, in seconds, if the media ends at `media_end`.
    pub fn end_s(&self, media_end: i64, timescale: u32) -> f64 {
        self.windows
            .iter()
            .map(|window| window.time_s(window.end.min(media_end), timescale))
            .fold(0.0, f64::max)
    }
}

fn too_long() -> MediaError {
    MediaError::Damaged("its edit list has too many entries".to_owned())
}

struct Entry {
    duration: u64,
    media_time: i64,
    rate: i16,
}

impl Entry {
    fn read(fields: &mut Fields<'_>, version: u8) -> Option<Self> {
        let duration = fields.by_version(version)?;
        let media_time = match version {
            1 => fields.u64()? as i64,
            _ => i64::from(fields.u32()? as i32),
        };
        let rate = fields.u16()? as i16;
        fields.u16()?;
        Some(Self {
            duration,
            media_time,
            rate,
        })
    }
}

/// Units per second of the movie and of the track.
struct Scale {
    movie: u64,
    track: u64,
}

impl Scale {
    /// To the nearest unit, as players do.
    fn to_track(&self, movie_units: u64) -> i64 {
        let product = u128::from(movie_units) * u128::from(self.track);
        let movie = u128::from(self.movie);
        i64::try_from((product + movie / 2) / movie).unwrap_or(i64::MAX)
    }

    /// Whether an entry with media time `start`, presented from `begin` on,
    /// continues `before`: a smaller gap is below the movie's resolution.
    fn is_continued(&self, before: &Window, start: i64, begin: u64) -> bool {
        let slack = self.track.div_ceil(self.movie);
        let before_end_s =
            before.at_s + before.end.saturating_sub(before.start) as f64 / self.track as f64;
        let apart_s = begin as f64 / self.movie as f64 - before_end_s;
        start.abs_diff(before.end) <= slack && apart_s.abs() <= 1.5 / self.movie as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An `elst` of these entries: duration, media time, rate.
    fn list(version: u8, entries: &[(u64, i64, u16)]) -> Vec<u8> {
        let mut content = vec![version, 0, 0, 0];
        content.extend_from_slice(&(entries.len() as u32).to_be_bytes());
        for (duration, media_time, rate) in entries {
            if version == 1 {
                content.extend_from_slice(&duration.to_be_bytes());
                content.extend_from_slice(&media_time.to_be_bytes());
            } else {
                content.extend_from_slice(&(*duration as u32).to_be_bytes());
                content.extend_from_slice(&(*media_time as i32).to_be_bytes());
            }
            content.extend_from_slice(&rate.to_be_bytes());
            content.extend_from_slice(&[0, 0]);
        }
        content
    }

    #[test]
    fn entries_become_edits() {
        const OPEN: i64 = i64::MAX;
        type Entries = &'static [(u64, i64, u16)];
        type Expected = &'static [(i64, i64, f64)];
        // Movie time scale 1,000, track time scale 48,000.
        let cases: [(&str, Entries, Expected); 11] = [
            ("priming", &[(2000, 1024, 1)], &[(1024, 97_024, 0.0)]),
            ("late", &[(6000, -1, 1), (2000, 0, 1)], &[(0, 96_000, 6.0)]),
            (
                "silence between",
                &[(1000, 0, 1), (500, -1, 1), (1000, 96_000, 1)],
                &[(0, 48_000, 0.0), (96_000, 144_000, 1.5)],
            ),
            (
                "reordered",
                &[(1000, 96_000, 1), (1000, 0, 1)],
                &[(96_000, 144_000, 0.0), (0, 48_000, 1.0)],
            ),
            (
                "contiguous entries",
                &[(1000, 0, 1), (1000, 48_010, 1)],
                &[(0, 96_010, 0.0)],
            ),
            (
                "repeated media",
                &[(1000, 0, 1), (1000, 0, 1)],
                &[(0, 48_000, 0.0), (0, 48_000, 1.0)],
            ),
            ("to the end", &[(0, 312, 1)], &[(312, OPEN, 0.0)]),
            (
                "silence, then the rest",
                &[(0, 5, 1), (0, 312, 1)],
                &[(312, OPEN, 0.0)],
            ),
            (
                "dwell",
                &[(1000, 0, 0), (1000, 48_000, 1)],
                &[(48_000, 96_000, 1.0)],
            ),
            ("rates never set", &[(1000, 0, 0)], &[(0, 48_000, 0.0)]),
            ("only silence", &[(1000, -1, 1)], &[]),
        ];
        for (name, entries, expected) in cases {
            for version in [0, 1] {
                let edits = Edits::read(&list(version, entries), 1000, 48_000).unwrap();
                let found: Vec<_> = edits
                    .windows()
                    .iter()
                    .map(|window| (window.start, window.end, window.at_s))
                    .collect();
                assert_eq!(found, expected, "{name}");
            }
        }
    }

    #[test]
    fn edit_list_before_fragments_extends_to_their_end() {
        for (media_end, expected) in [(96_000, i64::MAX), (96_001, 96_000), (0, 96_000)] {
            let mut edits = Edits::read(&list(0, &[(2000, 0, 1)]), 1000, 48_000).unwrap();
            edits.extend_beyond(media_end);
            assert_eq!(edits.windows()[0].end, expected);
        }
    }

    #[test]
    fn oversized_edit_lists_are_refused_or_bounded() {
        let empty = Edits::read(&[], 1000, 48_000).unwrap();
        assert_eq!(empty, Edits::none());
        let many = vec![(1000, 0, 1); WINDOWS_MAX + 1];
        assert!(Edits::read(&list(0, &many), 1000, 48_000).is_err());
        assert!(Edits::read(&[0, 0, 0, 0, 255, 255, 255, 255], 1000, 48_000).is_err());
        let far = [(u64::MAX, i64::MAX, 1), (u64::MAX, -1, 1), (7, 7, 1)];
        let edits = Edits::read(&list(1, &far), 0, 0).unwrap();
        assert_eq!(edits.windows()[0].end, i64::MAX);
        assert!(edits.end_s(i64::MAX, 1).is_finite());
    }
}
