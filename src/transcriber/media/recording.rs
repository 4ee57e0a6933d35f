//! A recording as a stream of mono samples on its timeline.

use std::collections::VecDeque;

use scribed::protocol::AudioInfo;

use super::decoder::Decoder;
#[cfg(any(test, fuzzing))]
use super::kind::Kind;
use super::opened::Opened;
use super::reader::{Packet, Step};
use super::timeline::Timeline;
use super::trouble::Trouble;
use super::{Limits, MediaError, SAMPLE_RATE, Source};

/// With this many damaged packets for each good one, a file is not a recording
/// but something else that a decoder happened to accept.
const MOSTLY: u64 = 8;

/// A decoder that fails on this many packets at the start cannot read this
/// stream: the second decoder is tried.
const TRIAL_PACKETS: u64 = 20;

/// A packet this far ahead of its predecessor is placed there only if the next
/// one agrees: a damaged time must not insert hours of silence.
const FAR_S: f64 = 60.0;
/// A packet this far behind, likewise.
const BEHIND_S: f64 = 2.0;

/// Most other tracks that are examined when the first one is silent: each may be
/// read to its end.
const OTHERS_MAX: usize = 15;

/// A track whose loudest window has less power than this (-75 dB) is silent.
const AUDIBLE_POWER: f32 = 3e-8;
/// Length of that window, 32 ms.
const WINDOW_SAMPLES: usize = SAMPLE_RATE as usize * 32 / 1000;

/// A recording being decoded to [`SAMPLE_RATE`] samples a second.
pub struct Recording {
    source: Source,
    opened: Opened,
    decoder: Decoder,
    timeline: Timeline,
    /// Steps read ahead.
    ahead: VecDeque<Step>,
    /// Decoded samples that wait for the silence before them to be output.
    pending: Vec<f32>,
    /// Duration of this file by its container, in seconds.
    claimed_s: Option<f64>,
    decoded_packets: u64,
    damaged_packets: u64,
    last_error: Option<String>,
    trouble: Trouble,
    max_duration_s: f64,
    ended: bool,
}

impl Recording {
    /// Detects the format of `source` by its content and selects the track: the
    /// one that a player would play, unless it is silent and another is not.
    pub fn open(
        source: Source,
        extension: Option<&str>,
        limits: &Limits<'_>,
    ) -> Result<Self, MediaError> {
        if source.size_bytes() == 0 {
            return Err(MediaError::Empty);
        }
        let recording = Self::start(&source, Opened::first(&source, extension, limits)?, limits)?;
        let others = recording.opened.others();
        if others.is_empty() || recording.is_audible(limits)? {
            return Ok(recording);
        }
        for track in others.into_iter().take(OTHERS_MAX) {
            let other = |recording: &Self| {
                let opened = recording.opened.other(&source, track, limits)?;
                Self::start(&source, opened, limits)
            };
            // A track that cannot be read is not an alternative.
            let Ok(mut audible) = other(&recording) else {
                continue;
            };
            if audible.is_audible(limits)? {
                audible.trouble.note(format!(
                    "track {} is silent: track {} was transcribed",
                    recording.opened.index() + 1,
                    track + 1
                ));
                return Ok(audible);
            }
        }
        Ok(recording)
    }

    /// Opens `source` as this kind of file, whatever its content.
    #[cfg(any(test, fuzzing))]
    pub fn of_kind(source: Source, kind: &Kind, limits: &Limits<'_>) -> Result<Self, MediaError> {
        let opened = Opened::with_builtin_reader(&source, kind, limits)?;
        Self::start(&source, opened, limits)
    }

    /// Decoded up to the first samples; with the second decoder if this one
    /// fails.
    fn start(source: &Source, opened: Opened, limits: &Limits<'_>) -> Result<Self, MediaError> {
        let mut recording = Self::of(source, opened, limits)?;
        let error = match recording.begin(limits) {
            Ok(()) => return Ok(recording),
            Err(error @ (MediaError::Stopped | MediaError::Read(_) | MediaError::Excessive(_))) => {
                return Err(error);
            }
            Err(error) => error,
        };
        let Ok(opened) = recording.opened.second(source, limits) else {
            return Err(error);
        };
        let mut recording = Self::of(source, opened, limits)?;
        recording.begin(limits).map_err(|_| error)?;
        Ok(recording)
    }

    fn of(source: &Source, opened: Opened, limits: &Limits<'_>) -> Result<Self, MediaError> {
        let claimed_s = opened.track().duration_s;
        if claimed_s.is_some_and(|claimed_s| claimed_s > limits.max_duration_s) {
            return Err(MediaError::TooLong {
                max_duration_s: limits.max_duration_s,
            });
        }
        let mut trouble = Trouble::default();
        if let Some(note) = opened.note() {
            trouble.note(note.to_owned());
        }
        Ok(Self {
            decoder: Decoder::new(opened.parameters())?,
            claimed_s,
            source: source.again(),
            opened,
            timeline: Timeline::default(),
            ahead: VecDeque::new(),
            pending: Vec::new(),
            decoded_packets: 0,
            damaged_packets: 0,
            last_error: None,
            trouble,
            max_duration_s: limits.max_duration_s,
            ended: false,
        })
    }

    /// Reads on to the first samples, so that an undecodable stream is detected.
    fn begin(&mut self, limits: &Limits<'_>) -> Result<(), MediaError> {
        let mut nothing = Vec::new();
        while self.pending.is_empty() && !self.ended && !self.timeline.is_silent() {
            if !(limits.keep_going)() {
                return Err(MediaError::Stopped);
            }
            self.read_step(&mut nothing)?;
            if self.decoded_packets == 0 && self.damaged_packets >= TRIAL_PACKETS {
                return Err(self.nothing());
            }
        }
        Ok(())
    }

    /// Whether its track is not silent. A separate reader reads up to the first
    /// audible window, or to the end; its errors occur again in the main one.
    fn is_audible(&self, limits: &Limits<'_>) -> Result<bool, MediaError> {
        let track = self.opened.index();
        let opened = self.opened.other(&self.source, track, limits)?;
        let mut scan = Self::start(&self.source, opened, limits)?;
        let mut samples = Vec::new();
        while (limits.keep_going)() {
            let more = scan.read(&mut samples).unwrap_or(false);
            let is_audible = |segment: &[f32]| {
                let sum: f32 = segment.iter().map(|sample| sample * sample).sum();
                sum > AUDIBLE_POWER * segment.len() as f32
            };
            if samples.chunks_exact(WINDOW_SAMPLES).any(is_audible) {
                return Ok(true);
            }
            if !more {
                return Ok(false);
            }
            samples.drain(..samples.len() - samples.len() % WINDOW_SAMPLES);
        }
        Err(MediaError::Stopped)
    }

    /// Audio information from the container.
    pub fn audio(&self) -> AudioInfo {
        self.opened.audio()
    }

    /// Seconds of the recording returned so far, for tests.
    #[cfg(any(test, fuzzing))]
    pub fn position_s(&self) -> f64 {
        self.timeline.position_s()
    }

    /// Fraction of the file that was read, 0..=1.
    pub fn read_fraction(&self) -> f64 {
        self.source.position().bytes() as f64 / self.source.size_bytes() as f64
    }

    /// What could not be decoded so far, and where; complete after the end.
    pub fn warning(&self) -> Option<String> {
        self.trouble.summary()
    }

    /// Reads on by one step and appends the resulting samples to `out` (often
    /// none). False at the end, when the last samples have been appended; must
    /// not be called again then.
    pub fn read(&mut self, out: &mut Vec<f32>) -> Result<bool, MediaError> {
        if self.timeline.position_s() > self.max_duration_s {
            return Err(MediaError::TooLong {
                max_duration_s: self.max_duration_s,
            });
        }
        if self.timeline.is_silent() {
            self.timeline.silence(out);
        } else if !self.pending.is_empty() {
            let rate = self.decoder.rate().unwrap_or(SAMPLE_RATE);
            let pending = std::mem::take(&mut self.pending);
            self.timeline.push(&pending, rate, out)?;
        } else if self.ended {
            return Ok(false);
        } else {
            self.read_step(out)?;
        }
        Ok(true)
    }

    /// One step through the file. Samples go to `self.pending`; only the ends of
    /// segments are appended to `out`.
    fn read_step(&mut self, out: &mut Vec<f32>) -> Result<(), MediaError> {
        match self.next_step()? {
            Step::Packet(packet) => self.decode(&packet, out),
            Step::Changed(parameters) => match Decoder::new(&parameters) {
                Ok(decoder) => {
                    self.decoder = decoder;
                    Ok(())
                }
                Err(error) => self.stop(&error.to_string(), out),
            },
            Step::Lost { reason, duration_s } => {
                self.trouble
                    .lost(self.timeline.position_s(), duration_s, &reason);
                match duration_s {
                    Some(duration_s) => self.timeline.insert(duration_s, out),
                    None => Ok(()),
                }
            }
            Step::Nothing => Ok(()),
            Step::End => self.end(out),
        }
    }

    /// The next step, with its time checked.
    fn next_step(&mut self) -> Result<Step, MediaError> {
        let mut step = match self.ahead.pop_front() {
            Some(step) => step,
            None => match self.opened.reader.step() {
                Err(MediaError::Read(error)) => return Err(error.into()),
                // What was decoded so far is kept.
                Err(error) if self.decoded_packets > 0 => {
                    self.trouble
                        .lost(self.timeline.position_s(), None, &error.to_string());
                    Step::End
                }
                result => result?,
            },
        };
        if let Step::Packet(Packet { time_s, .. }) = &mut step
            && let Some(claimed_s) = *time_s
            && self.decoded_packets > 0
            && !(-BEHIND_S..FAR_S).contains(&self.timeline.gap_s(claimed_s))
            && self.ahead.is_empty()
        {
            let next = self.opened.reader.step().unwrap_or(Step::End);
            if let Step::Packet(Packet {
                time_s: Some(next_s),
                ..
            }) = next
                && !(claimed_s - BEHIND_S..claimed_s + FAR_S).contains(&next_s)
            {
                *time_s = None;
            }
            self.ahead.push_back(next);
        }
        Ok(step)
    }

    fn decode(&mut self, packet: &Packet, out: &mut Vec<f32>) -> Result<(), MediaError> {
        if let Err(reason) = self.decoder.decode(packet, &mut self.pending) {
            self.damaged_packets += 1;
            let missing_s = self.decoder.packet_s();
            let at_s = match packet.time_s {
                Some(time_s) => self.timeline.gap_s(time_s) + self.timeline.position_s(),
                None => self.timeline.position_s(),
            };
            self.trouble.lost(at_s.max(0.0), Some(missing_s), &reason);
            self.last_error = Some(reason);
            // If packets have times, the next one shows the gap.
            return match packet.time_s {
                None => self.timeline.insert(missing_s, out),
                Some(_) => Ok(()),
            };
        }
        self.decoded_packets += 1;
        if let (Some(time_s), Some(rate), false) =
            (packet.time_s, self.decoder.rate(), self.pending.is_empty())
        {
            let late = self.timeline.go_to(time_s, rate, out)?;
            let late = usize::try_from(late).unwrap_or(usize::MAX);
            self.pending.drain(..late.min(self.pending.len()));
        }
        Ok(())
    }

    /// The end of this file. Another one may be appended to it.
    fn end(&mut self, out: &mut Vec<f32>) -> Result<(), MediaError> {
        let end_s = self.timeline.position_s();
        let claimed_s = self.claimed_s.take();
        if self.opened.reader.is_cut_short() {
            self.trouble.cut_short(end_s, claimed_s);
        } else if let Some(claimed_s) = claimed_s {
            self.trouble.ended(end_s, claimed_s);
        }
        if let Some(opened) = self.opened.appended(&self.source)
            && let Ok(decoder) = Decoder::new(&opened.track().parameters)
        {
            self.decoder = decoder;
            self.claimed_s = opened
                .track()
                .duration_s
                .map(|duration_s| end_s + duration_s);
            self.opened = opened;
            self.timeline.begin_part();
            return Ok(());
        }
        self.stop_cleanly(out)
    }

    fn stop(&mut self, reason: &str, out: &mut Vec<f32>) -> Result<(), MediaError> {
        self.trouble.lost(self.timeline.position_s(), None, reason);
        self.stop_cleanly(out)
    }

    fn stop_cleanly(&mut self, out: &mut Vec<f32>) -> Result<(), MediaError> {
        self.ended = true;
        self.timeline.finish(out)?;
        if self.decoded_packets == 0 || self.damaged_packets > self.decoded_packets * MOSTLY {
            return Err(self.nothing());
        }
        Ok(())
    }

    fn nothing(&self) -> MediaError {
        let packets = self.decoded_packets + self.damaged_packets;
        MediaError::Nothing(match &self.last_error {
            Some(error) => format!(
                "{} of its {packets} packets are damaged ({error})",
                self.damaged_packets
            ),
            None => "it contains no audio".to_owned(),
        })
    }
}
