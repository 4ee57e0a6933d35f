//! Whether two decodings of a recording are the same signal at the same times.
//!
//! Decoders and resamplers may differ in level, in the last bits, and by a
//! fraction of a millisecond. Everything else is a [`Difference`].

mod difference;

pub use difference::Difference;

use super::super::SAMPLE_RATE;
use super::signal::{self, Band};

/// Samples in a block that is located separately.
const BLOCK: usize = SAMPLE_RATE as usize;

/// Samples in the shortest silence that counts as a gap.
const GAP: usize = SAMPLE_RATE as usize * 3 / 10;

/// Samples in a frame whose power is measured.
const FRAME: usize = SAMPLE_RATE as usize / 100;

/// Allowed differences.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// Largest time offset of the signal and of the end, in seconds.
    pub time_s: f64,
    /// Smallest correlation of equal blocks. Decodings of the same bytes reach
    /// 0.998; where every decoder fills gaps with its own noise (AAC), 0.992. Next
    /// to lost packets they may differ briefly.
    pub correlation: f64,
    /// Requirement on the level.
    pub level: Level,
}

/// Requirement on the level of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The same gain throughout.
    Constant,
    /// Any: parts with other channels are downmixed differently.
    Any,
}

impl Tolerance {
    /// For decodings of the same bytes.
    pub const STRICT: Self = Self {
        time_s: 0.05,
        correlation: 0.99,
        level: Level::Constant,
    };
}

/// Frames this much fainter than the loudest block are not compared, nor are
/// blocks with fewer louder frames than this: the edge of a gap differs between
/// decoders.
const FAINT_DB: f64 = -50.0;
const AUDIBLE_FRAMES: usize = 20;

/// Frames this much fainter than the loudest are silent; those that are not even
/// [`STILL_DB`] fainter are not.
const SILENT_DB: f64 = -90.0;
const STILL_DB: f64 = -65.0;

/// Largest deviation of a block's level from the others.
const LEVEL_MAX_DB: f64 = 1.5;

/// Largest deviation of the level above 4 kHz from the rest, if its share is
/// significant.
const TREBLE_MAX_DB: f64 = 3.0;
const TREBLE_SHARE_DB: f64 = -30.0;

/// Displaced blocks are searched within this distance, and the first one of a
/// file, if not found there, within [`FAR`].
const NEAR: usize = SAMPLE_RATE as usize / 2;
const FAR: usize = SAMPLE_RATE as usize * 20;

/// Within this distance the first blocks of a file are searched sample by sample.
const NEXT: isize = SAMPLE_RATE as isize / 20;
const COMBED_MAX: usize = 2;

/// Differences that are analysed; the others follow from the first.
const LOOKED_INTO_MAX: usize = 12;

/// Compares `actual` with `reference`.
pub fn differences(reference: &[f32], actual: &[f32], tolerance: Tolerance) -> Vec<Difference> {
    let mut found = Vec::new();
    if seconds(reference.len().abs_diff(actual.len())) > tolerance.time_s {
        found.push(Difference::Length {
            reference_s: seconds(reference.len()),
            actual_s: seconds(actual.len()),
        });
    }
    let both = reference.len().min(actual.len());
    if both == 0 {
        return found;
    }
    let comparison = Comparison::new(reference, actual, tolerance);
    comparison.silence(&mut found);
    comparison.blocks(both, &mut found);
    found
}

fn seconds(samples: usize) -> f64 {
    samples as f64 / f64::from(SAMPLE_RATE)
}

fn decibels(power: f64) -> f64 {
    10.0 * power.max(1e-30).log10()
}

struct Comparison<'a> {
    reference: Band<'a>,
    actual: Band<'a>,
    tolerance: Tolerance,
}

/// Where a block was found.
struct Match {
    offset: isize,
    correlation: f64,
}

impl<'a> Comparison<'a> {
    fn new(reference: &'a [f32], actual: &'a [f32], tolerance: Tolerance) -> Self {
        Self {
            reference: Band::new(reference),
            actual: Band::new(actual),
            tolerance,
        }
    }

    /// Gaps must be gaps in both, except at their edges.
    fn silence(&self, found: &mut Vec<Difference>) {
        let edge = (self.tolerance.time_s * f64::from(SAMPLE_RATE)) as usize / FRAME + 1;
        let powers = [self.reference.all, self.actual.all].map(signal::frame_powers);
        let loudest = powers
            .each_ref()
            .map(|powers| powers.iter().copied().fold(0.0, f64::max));
        for (silent, other) in [(0, 1), (1, 0)] {
            let is_silent = |power: &f64| {
                loudest[silent] == 0.0 || decibels(power / loudest[silent]) < SILENT_DB
            };
            let is_audible = |power: &f64| {
                *power > 0.0 && loudest[other] > 0.0 && decibels(power / loudest[other]) > STILL_DB
            };
            for run in signal::runs(&powers[silent], is_silent) {
                // A gap at the end is covered by the length.
                if run.len() * FRAME < GAP {
                    continue;
                }
                let inner = run.start + edge..(run.end - edge).min(powers[other].len());
                let start = inner.start;
                let Some(at) = powers[other]
                    .get(inner)
                    .and_then(|inner| inner.iter().position(is_audible))
                else {
                    continue;
                };
                let at_s = seconds((start + at) * FRAME);
                found.push(match silent {
                    0 => Difference::Invented { at_s },
                    _ => Difference::Missing { at_s },
                });
            }
        }
    }

    fn blocks(&self, both: usize, found: &mut Vec<Difference>) {
        let count = (both / BLOCK).max(1);
        let mut levels = Vec::new();
        let mut expected = 0;
        let mut looked_into = 0;
        let mut searched_far = false;
        let mut treble = (0.0, 0.0, 0.0, 0.0);
        let loudest = [&self.reference, &self.actual].map(|band| {
            (0..count)
                .map(|block| band.power(range(block, count, both)))
                .fold(0.0, f64::max)
        });
        for block in 0..count {
            let range = range(block, count, both);
            let at_s = seconds(range.start);
            let faint = [(&self.reference, loudest[0]), (&self.actual, loudest[1])].map(
                |(band, loudest)| {
                    let audible = band
                        .frame_powers(range.clone())
                        .into_iter()
                        .filter(|power| *power > 0.0 && decibels(power / loudest) > FAINT_DB)
                        .count();
                    audible < AUDIBLE_FRAMES.min(range.len() / FRAME / 2)
                },
            );
            if faint[0] {
                // Signal in place of near silence was found by its frames, or is
                // an echo of a displaced block.
                continue;
            }
            let mut place = self.climb(range.clone(), expected);
            if place.correlation < self.tolerance.correlation && looked_into < LOOKED_INTO_MAX {
                looked_into += 1;
                let reach = if looked_into <= COMBED_MAX {
                    NEXT
                } else {
                    NEXT / 8
                };
                for near in [
                    self.comb(range.clone(), expected, reach),
                    self.search(range.clone(), NEAR),
                ] {
                    if near.correlation > place.correlation {
                        place = near;
                    }
                }
                if place.correlation < self.tolerance.correlation && !searched_far {
                    searched_far = true;
                    let far = self.search(range.clone(), FAR);
                    if far.correlation > place.correlation {
                        place = far;
                    }
                }
            }
            let by_s = place.offset as f64 / f64::from(SAMPLE_RATE);
            if place.correlation < self.tolerance.correlation {
                found.push(if faint[1] {
                    Difference::Missing { at_s }
                } else {
                    Difference::Replaced {
                        at_s,
                        correlation: place.correlation,
                    }
                });
                continue;
            }
            expected = place.offset;
            if by_s.abs() > self.tolerance.time_s {
                found.push(Difference::Displaced { at_s, by_s });
                continue;
            }
            let Some(there) = shifted(&range, place.offset, self.actual.all.len()) else {
                continue;
            };
            let powers = (
                self.reference.power(range.clone()),
                self.actual.power(there.clone()),
            );
            levels.push((at_s, decibels(powers.1 / powers.0)));
            treble.0 += powers.0;
            treble.1 += powers.1;
            treble.2 += self.reference.treble_power(range);
            treble.3 += self.actual.treble_power(there);
        }
        if self.tolerance.level == Level::Constant {
            self.levels(&levels, found);
        }
        if treble.0 > 0.0 && decibels(treble.2 / treble.0) > TREBLE_SHARE_DB {
            let by_db = decibels(treble.3 / treble.1) - decibels(treble.2 / treble.0);
            if by_db.abs() > TREBLE_MAX_DB {
                found.push(Difference::Treble { by_db });
            }
        }
    }

    /// The gain must be constant.
    fn levels(&self, levels: &[(f64, f64)], found: &mut Vec<Difference>) {
        let mut sorted: Vec<f64> = levels.iter().map(|(_, level_db)| *level_db).collect();
        sorted.sort_by(f64::total_cmp);
        let Some(usual_db) = sorted.get(sorted.len() / 2) else {
            return;
        };
        for (at_s, level_db) in levels {
            let by_db = level_db - usual_db;
            if by_db.abs() > LEVEL_MAX_DB {
                found.push(Difference::Level { at_s: *at_s, by_db });
            }
        }
    }

    /// Hill climbing from the expected position to a local maximum of similarity.
    fn climb(&self, range: std::ops::Range<usize>, expected: isize) -> Match {
        let at = |offset| self.reference.correlation(&range, &self.actual, offset);
        let mut offset = expected;
        let mut here = at(offset);
        let (mut before, mut behind) = (at(offset - 1), at(offset + 1));
        for _ in 0..32 {
            if before > here {
                offset -= 1;
                (before, here, behind) = (at(offset - 1), before, here);
            } else if behind > here {
                offset += 1;
                (before, here, behind) = (here, behind, at(offset + 1));
            } else {
                break;
            }
        }
        Match {
            offset,
            correlation: signal::peak(before, here, behind),
        }
    }

    /// The most similar position within `reach`.
    fn search(&self, range: std::ops::Range<usize>, reach: usize) -> Match {
        let reach = (reach / signal::COARSE) as isize;
        let mut best = (0, f64::NEG_INFINITY);
        for offset in -reach..=reach {
            let correlation = self
                .reference
                .coarse_correlation(&range, &self.actual, offset);
            if correlation > best.1 {
                best = (offset, correlation);
            }
        }
        let coarse = signal::COARSE as isize;
        self.comb(range, best.0 * coarse, coarse)
    }

    /// The most similar position within `reach` of `middle`, sample by sample:
    /// high frequencies have adjacent peaks, of which hill climbing finds one.
    fn comb(&self, range: std::ops::Range<usize>, middle: isize, reach: isize) -> Match {
        let at = |offset| self.reference.correlation(&range, &self.actual, offset);
        let mut best = (middle, f64::NEG_INFINITY);
        for offset in middle - reach..=middle + reach {
            let correlation = at(offset);
            if correlation > best.1 {
                best = (offset, correlation);
            }
        }
        self.climb(range.clone(), best.0)
    }
}

/// Samples of a block; the last one has the rest.
fn range(block: usize, count: usize, both: usize) -> std::ops::Range<usize> {
    let end = if block + 1 == count {
        both
    } else {
        (block + 1) * BLOCK
    };
    block * BLOCK..end
}

fn shifted(
    range: &std::ops::Range<usize>,
    offset: isize,
    length: usize,
) -> Option<std::ops::Range<usize>> {
    let start = range.start.checked_add_signed(offset)?;
    let end = range.end.checked_add_signed(offset)?.min(length);
    (start < end).then_some(start..end)
}

#[cfg(test)]
mod tests;
