//! The expected result of a recording, and its verification.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::compare::{self, Difference, Level, Tolerance};
use super::kit::Kit;
use super::reference::{self, Times};
use super::{SAMPLE_RATE, actual};

/// Tolerance between the source of a file and ffmpeg's decoding, where lossy
/// codecs add their delay.
const TRUTH: Tolerance = Tolerance {
    time_s: 0.1,
    correlation: 0.8,
    level: Level::Any,
};

/// Smallest correlation next to missing packets.
const SEAM_CORRELATION_MIN: f64 = 0.85;

/// The expected result of a recording.
#[derive(Debug, Clone)]
pub struct Expected {
    /// Accepted results; any of them may occur.
    pub accepted: Vec<Accepted>,
    /// Allowed differences.
    pub tolerance: Tolerance,
    /// What the file was made from: ffmpeg's output is compared with it as well.
    pub truth: Option<Vec<Part>>,
    /// Differences that begin in these periods (seconds) are caused by damage.
    pub damaged_s: Vec<(f64, f64)>,
    /// Why it differs from ffmpeg's output.
    pub reason: Option<&'static str>,
}

/// An accepted result.
#[derive(Debug, Clone)]
pub struct Accepted {
    sound: Reference,
    warning: Warning,
}

#[derive(Debug, Clone)]
enum Reference {
    /// This track as decoded by ffmpeg.
    Track(usize, Times),
    /// This channel of the first track as decoded by ffmpeg.
    Channel(usize),
    /// These parts as decoded by ffmpeg, concatenated.
    Parts(Vec<Part>),
    /// The start of this complete file as decoded by ffmpeg, at least as long as
    /// ffmpeg's output of the truncated one.
    BeginningOf(PathBuf),
    /// An error.
    Refused,
    /// Any samples, or an error.
    Any,
}

/// A part of an expected recording.
#[derive(Debug, Clone)]
pub enum Part {
    /// A whole file as decoded by ffmpeg.
    All(PathBuf),
    /// A range in seconds.
    Cut(PathBuf, f64, f64),
    /// Silence of this many seconds.
    Silence(f64),
}

/// Whether a warning is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warning {
    /// Nothing is wrong.
    None,
    /// Damage is not detectable for certain.
    May,
    /// Something is missing, and a warning is required.
    Must,
}

impl Expected {
    /// The first audio track as decoded by ffmpeg, without a warning.
    pub fn like_ffmpeg() -> Self {
        Self::track(0, Times::Mended)
    }

    /// This audio track as decoded by ffmpeg, without a warning.
    pub fn track(track: usize, times: Times) -> Self {
        Self::one(Reference::Track(track, times), Warning::None)
    }

    /// Only this channel of the first track as decoded by ffmpeg, without a
    /// warning.
    pub fn channel(channel: usize) -> Self {
        Self::one(Reference::Channel(channel), Warning::None)
    }

    /// These parts, concatenated, without a warning.
    pub fn parts(parts: impl Into<Vec<Part>>) -> Self {
        Self::one(Reference::Parts(parts.into()), Warning::None)
    }

    /// The start of this file, of which ffmpeg may decode less, with a warning.
    pub fn beginning_of(whole: PathBuf) -> Self {
        Self::one(Reference::BeginningOf(whole), Warning::Must)
    }

    /// An error.
    pub fn refused() -> Self {
        Self::one(Reference::Refused, Warning::None)
    }

    /// Any samples or error: there is no reference.
    pub fn anything() -> Self {
        Self::one(Reference::Any, Warning::May)
    }

    fn one(sound: Reference, warning: Warning) -> Self {
        Self {
            accepted: vec![Accepted { sound, warning }],
            tolerance: Tolerance::STRICT,
            truth: None,
            damaged_s: Vec::new(),
            reason: None,
        }
    }

    /// With this requirement on warnings.
    pub fn warning(mut self, warning: Warning) -> Self {
        for accepted_result in &mut self.accepted {
            accepted_result.warning = warning;
        }
        self
    }

    /// Or any result that `other` accepts.
    pub fn or(mut self, other: Self) -> Self {
        self.accepted.extend(other.accepted);
        self
    }

    /// Only if ffmpeg's output equals this (except for codec losses).
    pub fn made_from(mut self, parts: impl Into<Vec<Part>>) -> Self {
        self.truth = Some(parts.into());
        self
    }

    /// With this tolerance of times in seconds.
    pub fn within(mut self, time_s: f64) -> Self {
        self.tolerance.time_s = time_s;
        self
    }

    /// With this tolerance of times, which ffmpeg itself has.
    pub fn inexact_in_ffmpeg(mut self, time_s: f64, reason: &'static str) -> Self {
        self.tolerance.time_s = self.tolerance.time_s.max(time_s);
        self.reason = self.reason.or(Some(reason));
        self
    }

    /// With positions at which decoders differ: where packets are missing, or a
    /// stream restarts.
    pub fn with_seams(mut self) -> Self {
        self.tolerance.correlation = SEAM_CORRELATION_MIN;
        self
    }

    /// With parts of different levels.
    pub fn at_any_level(mut self) -> Self {
        self.tolerance.level = Level::Any;
        self
    }

    /// With damage in this period.
    pub fn damaged(mut self, start_s: f64, end_s: f64) -> Self {
        self.damaged_s.push((start_s, end_s));
        self
    }

    /// Notes why it differs from ffmpeg's output.
    pub fn because(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Decodes the file at `path`; fails with a description of the differences.
    pub fn check(&self, path: &Path) -> Result<(), String> {
        let actual = actual(path);
        let mut complaints = Vec::new();
        for accepted_result in &self.accepted {
            match (&accepted_result.sound, &actual) {
                (_, Err(super::MediaError::Panicked)) => {
                    complaints.push("panicked".to_owned());
                }
                (Reference::Refused | Reference::Any, Err(_)) | (Reference::Any, Ok(_)) => {
                    return Ok(());
                }
                (Reference::Refused, Ok(actual)) => complaints.push(format!(
                    "not refused, {:.2} s",
                    actual.samples.len() as f64 / f64::from(SAMPLE_RATE)
                )),
                (_, Err(error)) => complaints.push(brief(&error.to_string())),
                (sound, Ok(actual)) => match self.compared(sound, path, &actual.samples) {
                    Ok(())
                        if accepted_result.warning == Warning::Must
                            && actual.warnings.is_empty() =>
                    {
                        complaints.push("the right sound, but no warning".to_owned());
                    }
                    Ok(())
                        if accepted_result.warning == Warning::None
                            && !actual.warnings.is_empty() =>
                    {
                        complaints.push(format!("false warning: {}", actual.warnings.join(", ")));
                    }
                    Ok(()) => return Ok(()),
                    Err(complaint) => complaints.push(complaint),
                },
            }
        }
        complaints.dedup();
        Err(complaints.join("; or "))
    }

    fn compared(&self, sound: &Reference, path: &Path, actual: &[f32]) -> Result<(), String> {
        let reference = match sound {
            Reference::Track(track, times) => {
                reference::decoded(path, *track, reference::Channels::Mixed, *times)?
            }
            Reference::Channel(channel) => {
                let channel = reference::Channels::One(*channel);
                reference::decoded(path, 0, channel, Times::Mended)?
            }
            Reference::Parts(parts) => joined(parts)?,
            Reference::BeginningOf(whole) => {
                let mut whole =
                    reference::decoded(whole, 0, reference::Channels::Mixed, Times::Mended)?;
                let cut = reference::decoded(path, 0, reference::Channels::Mixed, Times::Mended)
                    .unwrap_or_default();
                // Shorter than both: reported as a difference in length.
                whole.truncate(actual.len().max(cut.len()));
                whole
            }
            Reference::Refused | Reference::Any => Vec::new(),
        };
        if let (Reference::Track(..) | Reference::Channel(_), Some(truth)) = (sound, &self.truth) {
            let differences = compare::differences(&joined(truth)?, &reference, TRUTH);
            if let Some(difference) = differences.iter().find(|difference| !is_loss(difference)) {
                return Err(format!("ffmpeg itself is wrong: {difference}"));
            }
        }
        let differences: Vec<Difference> = compare::differences(&reference, actual, self.tolerance)
            .into_iter()
            .filter(|difference| !self.is_damage(difference))
            .collect();
        if differences.is_empty() {
            return Ok(());
        }
        const LISTED: usize = 3;
        let mut listed: Vec<String> = differences
            .iter()
            .take(LISTED)
            .map(Difference::to_string)
            .collect();
        if differences.len() > LISTED {
            listed.push(format!("{} more", differences.len() - LISTED));
        }
        Err(listed.join(", "))
    }

    fn is_damage(&self, difference: &Difference) -> bool {
        difference.at_s().is_some_and(|at_s| {
            self.damaged_s
                .iter()
                .any(|(start_s, end_s)| (*start_s..*end_s).contains(&at_s))
        })
    }
}

/// Whether a lossy codec may cause this difference from its source.
fn is_loss(difference: &Difference) -> bool {
    matches!(difference, Difference::Treble { .. })
}

/// An error without the list of accepted formats.
fn brief(error: &str) -> String {
    let end = error.find("; ").unwrap_or(error.len());
    error[..end].to_owned()
}

/// Decodes a file, caching the speech files that many rows use.
fn decoded(path: &Path) -> Result<Arc<Vec<f32>>, String> {
    static SPOKEN: Mutex<BTreeMap<PathBuf, Arc<Vec<f32>>>> = Mutex::new(BTreeMap::new());
    if let Some(samples) = SPOKEN.lock().unwrap().get(path) {
        return Ok(samples.clone());
    }
    let samples = Arc::new(reference::decoded(
        path,
        0,
        reference::Channels::Mixed,
        Times::Mended,
    )?);
    if Kit::is_speech(path) {
        SPOKEN
            .lock()
            .unwrap()
            .insert(path.to_owned(), samples.clone());
    }
    Ok(samples)
}

fn joined(parts: &[Part]) -> Result<Vec<f32>, String> {
    let rate = f64::from(SAMPLE_RATE);
    let mut all = Vec::new();
    for part in parts {
        match part {
            Part::Silence(duration_s) => {
                all.resize(all.len() + (duration_s * rate).round() as usize, 0.0);
            }
            Part::All(path) => all.extend_from_slice(&decoded(path)?),
            Part::Cut(path, start_s, end_s) => {
                let whole = decoded(path)?;
                let at = |time_s: f64| ((time_s * rate).round() as usize).min(whole.len());
                all.extend_from_slice(&whole[at(*start_s)..at(*end_s)]);
            }
        }
    }
    Ok(all)
}
