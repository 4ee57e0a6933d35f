//! What an engine may report of one job.

use super::texts::{Violation, name, reason};
use crate::protocol::{AudioInfo, Job, MediaInfo, Outcome, Reached, Segment, Word};

/// Sound beyond the longest recording that is accepted: engines notice its end a
/// little late.
const SLACK_S: f64 = 60.0;

/// Times are rounded on their way.
const ROUNDING_S: f64 = 0.01;

/// Progress of less audio than this is none.
const STEP_S: f64 = 0.5;

/// Longest length that the head of a file may claim, in seconds: years.
const CLAIMED_MAX_S: f64 = 1e9;

/// A transcript may have so many bytes per second of its recording. Fast speech
/// with the times of its words has some 400, text that a model invents a few
/// thousand.
const BYTES_PER_S: u64 = 16 << 10;
/// And so many besides.
const BYTES_AT_START: u64 = 1 << 20;

/// Largest segment: whisper has no more than some hundred tokens for one.
const SEGMENT_MAX_BYTES: u64 = 64 << 10;
/// What a segment, a word and a token take besides their text.
const SEGMENT_BYTES: u64 = 160;
const WORD_BYTES: u64 = 80;
const TOKEN_BYTES: u64 = 11;

/// Longest code of a language: `yue`, or a tag of a later model.
const LANGUAGE_MAX_BYTES: usize = 8;

/// Least mean log probability that is distinguished from lower ones.
const LOGPROB_LEAST: f64 = -1000.0;

/// The state of one job, as far as it decides what may come next.
#[derive(Debug)]
pub(super) struct JobChecks {
    id: u64,
    /// No time may be after this, in seconds.
    limit_s: f64,
    is_started: bool,
    reached_s: f64,
    last_end_s: f64,
    fraction: f64,
    /// Of the transcript so far.
    bytes: u64,
}

impl JobChecks {
    pub(super) fn of(job: &Job) -> JobChecks {
        let reached = job.reached.as_ref();
        JobChecks {
            id: job.id,
            limit_s: job.max_duration_s as f64 + SLACK_S,
            is_started: false,
            reached_s: reached.map_or(0.0, |reached| reached.done_s),
            last_end_s: reached.map_or(0.0, |reached| reached.last_end_s),
            fraction: 0.0,
            bytes: 0,
        }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn started(&mut self, media: MediaInfo) -> Result<MediaInfo, Violation> {
        if std::mem::replace(&mut self.is_started, true) {
            return Err(Violation("the beginning of a job twice".into()));
        }
        let MediaInfo { audio, model } = media;
        // What a file says of its length need not be true.
        let is_length = |length: &f64| (0.0..=CLAIMED_MAX_S).contains(length);
        Ok(MediaInfo {
            audio: AudioInfo {
                container: name(audio.container),
                codec: name(audio.codec),
                decoder: name(audio.decoder),
                duration: audio.duration.filter(is_length),
                ..audio
            },
            model: name(model),
        })
    }

    /// The same, and whether it is a real step.
    pub(super) fn progress(
        &mut self,
        reached: Reached,
        fraction: f64,
    ) -> Result<(Reached, f64, bool), Violation> {
        self.require_start()?;
        let done_s = self.time(reached.done_s, self.reached_s)?;
        let last_end_s = self.time(reached.last_end_s, 0.0)?;
        if !(0.0..=1.0).contains(&fraction) {
            return Err(Violation(format!("{fraction:e} of a recording as done")));
        }
        let is_further = done_s - self.reached_s >= STEP_S;
        self.reached_s = done_s;
        self.fraction = self.fraction.max(fraction);
        let language = reached.language.map(language).transpose()?;
        let reached = Reached {
            done_s,
            last_end_s,
            language,
        };
        Ok((reached, self.fraction, is_further))
    }

    pub(super) fn segment(&mut self, segment: Segment) -> Result<Segment, Violation> {
        self.require_start()?;
        let start = self.time(segment.start, self.last_end_s)?;
        let end = self.time(segment.end, start)?;
        let bytes = bytes_of(&segment);
        if bytes > SEGMENT_MAX_BYTES {
            return Err(Violation(format!("a segment of {bytes} bytes")));
        }
        self.bytes = self.bytes.saturating_add(bytes);
        // Not below 0, and no fraction of a second counts.
        let allowed = BYTES_PER_S.saturating_mul(end as u64);
        if self.bytes > allowed.saturating_add(BYTES_AT_START) {
            let bytes = self.bytes;
            return Err(Violation(format!(
                "{bytes} bytes of text for {end:.0} seconds of a recording"
            )));
        }
        let (avg_logprob, no_speech_prob) = (segment.avg_logprob, segment.no_speech_prob);
        if !avg_logprob.is_finite() || !no_speech_prob.is_finite() {
            return Err(Violation(
                "a segment with a probability that is none".into(),
            ));
        }
        self.last_end_s = end;
        Ok(Segment {
            start,
            end,
            words: words(segment.words, start, end)?,
            text: printable(segment.text),
            tokens: segment.tokens,
            avg_logprob: avg_logprob.clamp(LOGPROB_LEAST, 0.0),
            no_speech_prob: no_speech_prob.clamp(0.0, 1.0),
        })
    }

    pub(super) fn done(&self, outcome: Outcome) -> Result<Outcome, Violation> {
        self.require_start()?;
        Ok(Outcome {
            language: language(outcome.language)?,
            audio_duration_s: self.time(outcome.audio_duration_s, 0.0)?,
            warning: outcome.warning.map(reason),
        })
    }

    fn require_start(&self) -> Result<(), Violation> {
        match self.is_started {
            true => Ok(()),
            false => Err(Violation("parts of a job that it had not begun".into())),
        }
    }

    /// A time of the recording that is not before another one.
    fn time(&self, seconds: f64, least: f64) -> Result<f64, Violation> {
        if !(0.0..=self.limit_s).contains(&seconds) {
            let limit_s = self.limit_s;
            return Err(Violation(format!(
                "{seconds:e} s as a time of a recording of at most {limit_s:.0} s"
            )));
        }
        if seconds < least - ROUNDING_S {
            return Err(Violation(format!("{seconds:.2} s after {least:.2} s")));
        }
        Ok(seconds.max(least))
    }
}

/// The words of a segment between these times, in their order.
fn words(words: Vec<Word>, start: f64, end: f64) -> Result<Vec<Word>, Violation> {
    let mut earliest = start;
    let placed = words.into_iter().map(|word| {
        let numbers = [word.start, word.end, word.score];
        if !numbers.into_iter().all(f64::is_finite) {
            return Err(Violation("a word at a time that is none".into()));
        }
        // `earliest` is never after `end`.
        let from = word.start.clamp(earliest, end);
        let to = word.end.clamp(from, end);
        earliest = to;
        Ok(Word {
            word: printable(word.word),
            start: from,
            end: to,
            score: word.score.clamp(0.0, 1.0),
        })
    });
    placed.collect()
}

/// About what a segment takes in a transcript, and in memory.
fn bytes_of(segment: &Segment) -> u64 {
    let words = segment.words.iter();
    let words = words.map(|word| WORD_BYTES.saturating_add(word.word.len() as u64));
    let tokens = TOKEN_BYTES.saturating_mul(segment.tokens.len() as u64);
    words
        .fold(SEGMENT_BYTES, u64::saturating_add)
        .saturating_add(tokens)
        .saturating_add(segment.text.len() as u64)
}

/// A code of small letters: the transcript carries it in its markup.
fn language(code: String) -> Result<String, Violation> {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
    match (1..=LANGUAGE_MAX_BYTES).contains(&code.len()) && code.bytes().all(is_letter) {
        true => Ok(code),
        false => Err(Violation("a language that is none".into())),
    }
}

/// The same without control characters, which would break the formats.
fn printable(text: String) -> String {
    match text.contains(char::is_control) {
        true => text.replace(char::is_control, " "),
        false => text,
    }
}
