//! What a recording should sound like, and whether it does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::compare::{self, Difference, Level, Tolerance};
use super::kit::Kit;
use super::reference::{self, Times};
use super::{SAMPLE_RATE, heard};

/// The same between what a file was made from and what ffmpeg makes of it, where
/// lossy codecs add their delay.
const TRUTH: Tolerance = Tolerance {
    time_s: 0.1,
    correlation: 0.8,
    level: Level::Any,
};

/// The same in the neighbourhood of missing packets.
const SEAM_CORRELATION_MIN: f64 = 0.85;

/// What a recording should sound like.
#[derive(Debug, Clone)]
pub struct Expected {
    /// Each of them is right.
    pub answers: Vec<Answer>,
    /// How much may differ.
    pub tolerance: Tolerance,
    /// What the file was made from: ffmpeg is held to it as well.
    pub truth: Option<Vec<Part>>,
    /// Differences that begin in these stretches (seconds) are those of damage.
    pub damaged_s: Vec<(f64, f64)>,
    /// Why it is not just what ffmpeg makes of the file.
    pub reason: Option<&'static str>,
}

/// One right answer.
#[derive(Debug, Clone)]
pub struct Answer {
    sound: Sound,
    warning: Warning,
}

#[derive(Debug, Clone)]
enum Sound {
    /// What ffmpeg makes of this track of the file.
    Track(usize, Times),
    /// What ffmpeg makes of the first track, but only of this channel.
    Channel(usize),
    /// What ffmpeg makes of these, one behind the other.
    Parts(Vec<Part>),
    /// The beginning of what ffmpeg makes of this whole file, at least as far as it
    /// hears the one that was cut.
    BeginningOf(PathBuf),
    /// None, and an error that says so.
    Refused,
    /// Whatever it is, or an error.
    Any,
}

/// A stretch of an expected recording.
#[derive(Debug, Clone)]
pub enum Part {
    /// All that ffmpeg makes of a file.
    All(PathBuf),
    /// From here to there, in seconds.
    Cut(PathBuf, f64, f64),
    /// So many seconds of silence.
    Silence(f64),
}

/// Whether a recording comes with a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warning {
    /// Nothing is wrong with it.
    None,
    /// Nobody can know whether something is wrong with it.
    May,
    /// Something is missing, and this must be told.
    Must,
}

impl Expected {
    /// The first audio track, as ffmpeg hears it, without a warning.
    pub fn like_ffmpeg() -> Self {
        Self::track(0, Times::Mended)
    }

    /// This audio track, as ffmpeg hears it, without a warning.
    pub fn track(track: usize, times: Times) -> Self {
        Self::one(Sound::Track(track, times), Warning::None)
    }

    /// Only this channel of the first track, as ffmpeg hears it, without a warning.
    pub fn channel(channel: usize) -> Self {
        Self::one(Sound::Channel(channel), Warning::None)
    }

    /// What is heard in these files, one behind the other, without a warning.
    pub fn parts(parts: impl Into<Vec<Part>>) -> Self {
        Self::one(Sound::Parts(parts.into()), Warning::None)
    }

    /// The beginning of this file, of which ffmpeg may hear less, with a warning.
    pub fn beginning_of(whole: PathBuf) -> Self {
        Self::one(Sound::BeginningOf(whole), Warning::Must)
    }

    /// No sound, but an error.
    pub fn refused() -> Self {
        Self::one(Sound::Refused, Warning::None)
    }

    /// Any sound or error: there is nothing to compare with.
    pub fn anything() -> Self {
        Self::one(Sound::Any, Warning::May)
    }

    fn one(sound: Sound, warning: Warning) -> Self {
        Self {
            answers: vec![Answer { sound, warning }],
            tolerance: Tolerance::STRICT,
            truth: None,
            damaged_s: Vec::new(),
            reason: None,
        }
    }

    /// With this about warnings.
    pub fn warning(mut self, warning: Warning) -> Self {
        for answer in &mut self.answers {
            answer.warning = warning;
        }
        self
    }

    /// Or any of the answers of `other`.
    pub fn or(mut self, other: Self) -> Self {
        self.answers.extend(other.answers);
        self
    }

    /// If ffmpeg makes this of it (leaving aside what the codec loses).
    pub fn made_from(mut self, parts: impl Into<Vec<Part>>) -> Self {
        self.truth = Some(parts.into());
        self
    }

    /// With sounds that may be so far off.
    pub fn within(mut self, time_s: f64) -> Self {
        self.tolerance.time_s = time_s;
        self
    }

    /// With times that may be so far off, for they are in ffmpeg, too.
    pub fn inexact_in_ffmpeg(mut self, time_s: f64, reason: &'static str) -> Self {
        self.tolerance.time_s = self.tolerance.time_s.max(time_s);
        self.reason = self.reason.or(Some(reason));
        self
    }

    /// With moments in which decoders differ: where packets are missing, or where
    /// a stream begins anew.
    pub fn with_seams(mut self) -> Self {
        self.tolerance.correlation = SEAM_CORRELATION_MIN;
        self
    }

    /// With parts that may have levels of their own.
    pub fn at_any_level(mut self) -> Self {
        self.tolerance.level = Level::Any;
        self
    }

    /// With damage there.
    pub fn damaged(mut self, start_s: f64, end_s: f64) -> Self {
        self.damaged_s.push((start_s, end_s));
        self
    }

    /// Not just what ffmpeg makes of it, because of this.
    pub fn because(mut self, reason: &'static str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// What is wrong with what is heard in the file at `path`.
    pub fn verdict(&self, path: &Path) -> Result<(), String> {
        let heard = heard(path);
        let mut complaints = Vec::new();
        for answer in &self.answers {
            match (&answer.sound, &heard) {
                (_, Err(super::MediaError::Panicked)) => {
                    complaints.push("panicked".to_owned());
                }
                (Sound::Refused | Sound::Any, Err(_)) | (Sound::Any, Ok(_)) => return Ok(()),
                (Sound::Refused, Ok(heard)) => complaints.push(format!(
                    "not refused, {:.2} s",
                    heard.samples.len() as f64 / f64::from(SAMPLE_RATE)
                )),
                (_, Err(error)) => complaints.push(brief(&error.to_string())),
                (sound, Ok(heard)) => match self.compared(sound, path, &heard.samples) {
                    Ok(()) if answer.warning == Warning::Must && heard.warnings.is_empty() => {
                        complaints.push("the right sound, but no warning".to_owned());
                    }
                    Ok(()) if answer.warning == Warning::None && !heard.warnings.is_empty() => {
                        complaints.push(format!("false warning: {}", heard.warnings.join(", ")));
                    }
                    Ok(()) => return Ok(()),
                    Err(complaint) => complaints.push(complaint),
                },
            }
        }
        complaints.dedup();
        Err(complaints.join("; or "))
    }

    fn compared(&self, sound: &Sound, path: &Path, heard: &[f32]) -> Result<(), String> {
        let reference = match sound {
            Sound::Track(track, times) => {
                reference::decoded(path, *track, reference::Channels::Mixed, *times)?
            }
            Sound::Channel(channel) => {
                let channel = reference::Channels::One(*channel);
                reference::decoded(path, 0, channel, Times::Mended)?
            }
            Sound::Parts(parts) => joined(parts)?,
            Sound::BeginningOf(whole) => {
                let mut whole =
                    reference::decoded(whole, 0, reference::Channels::Mixed, Times::Mended)?;
                let cut = reference::decoded(path, 0, reference::Channels::Mixed, Times::Mended)
                    .unwrap_or_default();
                // Shorter than both: the difference in length tells.
                whole.truncate(heard.len().max(cut.len()));
                whole
            }
            Sound::Refused | Sound::Any => Vec::new(),
        };
        if let (Sound::Track(..) | Sound::Channel(_), Some(truth)) = (sound, &self.truth) {
            let differences = compare::differences(&joined(truth)?, &reference, TRUTH);
            if let Some(difference) = differences.iter().find(|difference| !is_loss(difference)) {
                return Err(format!("ffmpeg itself is wrong: {difference}"));
            }
        }
        let differences: Vec<Difference> = compare::differences(&reference, heard, self.tolerance)
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

/// What a lossy codec may do to the recording that a file was made from.
fn is_loss(difference: &Difference) -> bool {
    matches!(difference, Difference::Treble { .. })
}

/// An error without the list of all formats that follows.
fn brief(error: &str) -> String {
    let end = error.find("; ").unwrap_or(error.len());
    error[..end].to_owned()
}

/// Decoded once for each of the recordings that many rows are made from.
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
