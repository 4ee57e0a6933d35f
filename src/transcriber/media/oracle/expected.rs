//! What a recording should sound like, and whether it does.

use std::path::{Path, PathBuf};

use super::compare::{self, Difference};
use super::reference::{self, Times};
use super::{SAMPLE_RATE, heard};

/// How far sounds and the end of a recording may be off, in seconds.
pub const TOLERANCE_S: f64 = 0.05;

/// The same between what a file was made from and what ffmpeg makes of it, where
/// lossy codecs add their delay.
const TRUTH_TOLERANCE_S: f64 = 0.1;
const TRUTH_CORRELATION_MIN: f64 = 0.8;

/// What a recording should sound like.
#[derive(Debug, Clone)]
pub struct Expected {
    /// Each of them is right.
    pub answers: Vec<Answer>,
    /// How far sounds and the end may be off.
    pub tolerance_s: f64,
    /// What the file was made from: ffmpeg is held to it as well.
    pub truth: Option<Vec<Part>>,
    /// Differences that begin in this stretch (seconds) are those of damage.
    pub damaged_s: Option<(f64, f64)>,
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
    /// None, and an error that says so.
    Refused,
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

    /// No sound, but an error.
    pub fn refused() -> Self {
        Self::one(Sound::Refused, Warning::None)
    }

    fn one(sound: Sound, warning: Warning) -> Self {
        Self {
            answers: vec![Answer { sound, warning }],
            tolerance_s: TOLERANCE_S,
            truth: None,
            damaged_s: None,
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
    pub fn within(mut self, tolerance_s: f64) -> Self {
        self.tolerance_s = tolerance_s;
        self
    }

    /// With damage there.
    pub fn damaged(mut self, start_s: f64, end_s: f64) -> Self {
        self.damaged_s = Some((start_s, end_s));
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
                (Sound::Refused, Err(super::MediaError::Panicked)) => {
                    complaints.push("panicked".to_owned());
                }
                (Sound::Refused, Err(_)) => return Ok(()),
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
            Sound::Refused => Vec::new(),
        };
        if let Some(truth) = &self.truth {
            let differences = compare::differences(&joined(truth)?, &reference, TRUTH_TOLERANCE_S);
            if let Some(difference) = differences.iter().find(|difference| !is_loss(difference)) {
                return Err(format!("ffmpeg itself is wrong: {difference}"));
            }
        }
        let differences: Vec<Difference> =
            compare::differences(&reference, heard, self.tolerance_s)
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
        let (Some((start_s, end_s)), Some(at_s)) = (self.damaged_s, difference.at_s()) else {
            return false;
        };
        (start_s..end_s).contains(&at_s)
    }
}

/// What a lossy codec may do to the recording that a file was made from.
fn is_loss(difference: &Difference) -> bool {
    match difference {
        Difference::Replaced { correlation, .. } => *correlation > TRUTH_CORRELATION_MIN,
        Difference::Level { .. } | Difference::Treble { .. } => true,
        _ => false,
    }
}

/// An error without the list of all formats that follows.
fn brief(error: &str) -> String {
    let end = error.find("; ").unwrap_or(error.len());
    error[..end].to_owned()
}

fn joined(parts: &[Part]) -> Result<Vec<f32>, String> {
    let rate = f64::from(SAMPLE_RATE);
    let mut all = Vec::new();
    for part in parts {
        match part {
            Part::Silence(duration_s) => {
                all.resize(all.len() + (duration_s * rate).round() as usize, 0.0);
            }
            Part::All(path) => all.extend(reference::decoded(
                path,
                0,
                reference::Channels::Mixed,
                Times::Mended,
            )?),
            Part::Cut(path, start_s, end_s) => {
                let whole = reference::decoded(path, 0, reference::Channels::Mixed, Times::Mended)?;
                let at = |time_s: f64| ((time_s * rate).round() as usize).min(whole.len());
                all.extend_from_slice(&whole[at(*start_s)..at(*end_s)]);
            }
        }
    }
    Ok(all)
}
