//! Decodes one recording with an ffmpeg child.

use std::io;
use std::path::Path;
use std::process::ExitStatus;
use std::thread;
use std::time::{Duration, Instant};

use super::super::limits::CHANNELS_MAX;
use super::super::{MediaError, SAMPLE_RATE, Source};
use super::arguments::{HEAD_BYTES, Options, arguments};
use super::confine::Confinement;
use super::description::Input;
use super::feed::Feed;
use super::matroska::{Item, Parser};
use super::messages::Messages;
use super::process::{Process, describe};
use super::reorder::Ordered;
use super::timeline::Timeline;

/// How long [`Transcoder::step`] waits for output.
const PATIENCE: Duration = Duration::from_millis(200);

/// A child that neither reads nor writes nor uses CPU time for this long hangs.
const HANG_LIMIT: Duration = Duration::from_secs(60);

/// CPU time without any output after which the child is killed.
const IDLE_CPU_LIMIT: Duration = Duration::from_secs(600);

/// The child may use CPU time of this fraction of the maximum length, and at
/// least [`CPU_MIN_S`]: decoders need a hundredth.
const CPU_PART: u64 = 4;
const CPU_MIN_S: u64 = 600;

/// The messages about the input precede the first sample, but through another
/// pipe.
const DESCRIPTION_LIMIT: Duration = Duration::from_secs(5);
const DESCRIPTION_INTERVAL: Duration = Duration::from_millis(2);

const CHUNK_BYTES: usize = 64 * 1024;

/// The result of a [`Transcoder::step`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// No output for a fraction of a second; call again unless the job is
    /// cancelled.
    Waiting,
    /// Returned once, before the first samples: [`Transcoder::input`],
    /// [`Transcoder::channels`] and [`Transcoder::channel_mask`] are known.
    Opened,
    /// Samples were appended.
    Samples,
    /// The end of output; [`Transcoder::finish`] reports whether it is complete.
    End,
}

/// What was wrong with a recording that was decoded nevertheless.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DecodeReport {
    /// Packets that failed to decode. They are replaced by silence; later samples
    /// keep their times.
    pub damaged_packets: u64,
    /// ffmpeg's first error message, even if nothing was lost.
    pub first_error: Option<String>,
    /// Why samples are missing at the end; completes "ffmpeg stopped early: …".
    pub stopped_early: Option<String>,
}

/// An ffmpeg child that decodes one audio track of a recording to [`SAMPLE_RATE`]
/// samples a second, all channels of the track interleaved in the order of a WAV
/// file. Gaps and a late start become silence, overlaps are cut: the sample at
/// index `n` of a channel belongs at `n / SAMPLE_RATE` seconds after the start of
/// the recording.
///
/// The child is killed when this is dropped, and when the thread that started it
/// ends.
pub struct Transcoder {
    process: Process,
    messages: Messages,
    feed: Feed,
    parser: Parser,
    chunk: Vec<u8>,
    options: Options,
    channels: u16,
    channel_mask: u32,
    timeline: Option<Timeline>,
    late_ms: u64,
    opened: bool,
    begun: Instant,
    hang_limit: Duration,
    watch: Progress,
    /// Why this side killed the child.
    stopped: Option<String>,
    padded: bool,
    ended: bool,
}

/// The last activity of the child.
struct Progress {
    at: Instant,
    fed_bytes: u64,
    cpu: Duration,
    cpu_at_output: Duration,
}

impl Transcoder {
    /// Starts `program` on `source`, read from its start whatever its position.
    /// Fails only with system errors: the content is not examined yet.
    pub fn start(program: &Path, source: &Source, options: Options) -> Result<Self, MediaError> {
        let cpu_s = (options.length_max_s / CPU_PART).max(CPU_MIN_S);
        let confinement = Confinement::new(program, cpu_s);
        Self::start_confined(program, source, options, &confinement)
    }

    fn start_confined(
        program: &Path,
        source: &Source,
        options: Options,
        confinement: &Confinement,
    ) -> Result<Self, MediaError> {
        let size_bytes = source.size_bytes();
        let recording = Ordered::new(source.again(), size_bytes)?;
        let arguments = arguments(&options, &source.head(HEAD_BYTES)?);
        let (process, pipes) =
            Process::start(program, &arguments, confinement).map_err(MediaError::FfmpegStart)?;
        let messages = Messages::read(pipes.stderr).map_err(MediaError::FfmpegStart)?;
        let feed = Feed::start(recording, pipes.stdin).map_err(MediaError::FfmpegStart)?;
        Ok(Self {
            process,
            messages,
            feed,
            parser: Parser::default(),
            chunk: vec![0; CHUNK_BYTES],
            options,
            channels: 0,
            channel_mask: 0,
            timeline: None,
            late_ms: 0,
            opened: false,
            begun: Instant::now(),
            hang_limit: HANG_LIMIT,
            watch: Progress {
                at: Instant::now(),
                fed_bytes: 0,
                cpu: Duration::ZERO,
                cpu_at_output: Duration::ZERO,
            },
            stopped: None,
            padded: false,
            ended: false,
        })
    }

    /// Waits for a fraction of a second at most and appends available samples.
    pub fn step(&mut self, samples: &mut Vec<f32>) -> Step {
        loop {
            if self.ended {
                return Step::End;
            }
            if self.channels > 0 && !self.opened {
                return match self.open() {
                    true => Step::Opened,
                    false => Step::Waiting,
                };
            }
            if let Some(timeline) = &mut self.timeline {
                if timeline.append(samples) {
                    return Step::Samples;
                }
                if timeline.is_full() {
                    let limit_s = self.options.length_max_s;
                    self.stop(format!("the recording is longer than {limit_s} s"));
                    continue;
                }
            }
            match self.parser.next() {
                Ok(Some(item)) => self.take(item),
                Ok(None) => {
                    if !self.read() {
                        return Step::Waiting;
                    }
                }
                Err(garbage) => self.stop(garbage.to_string()),
            }
        }
    }

    /// The description of the file; known after [`Step::Opened`].
    pub fn input(&self) -> Option<Input> {
        self.messages.with(|parsed| parsed.input.clone())
    }

    /// Samples per frame; known after [`Step::Opened`].
    pub fn channels(&self) -> u16 {
        self.channels
    }

    /// Channel mask as in a WAV file (`dwChannelMask`), 0 if the file does not
    /// state it.
    pub fn channel_mask(&self) -> u32 {
        self.channel_mask
    }

    /// Packets that failed to decode so far.
    pub fn damaged_packets(&self) -> u64 {
        self.messages.with(|parsed| parsed.packet_errors)
    }

    /// The result, after [`Step::End`]: an error if there were no samples.
    pub fn finish(mut self) -> Result<DecodeReport, MediaError> {
        let status = match self.ended && self.stopped.is_none() {
            true => self.process.wait(),
            false => {
                self.process.kill();
                None
            }
        };
        self.messages.join();
        let reason = self.messages.with(|parsed| parsed.reason());
        let early = self.stopped.take().or_else(|| {
            status
                .and_then(describe)
                .map(|end| with_reason(end, &reason))
        });
        let frames = self.timeline.as_ref().map_or(0, Timeline::frames);
        if let Some(error) = self.feed.take_error() {
            return Err(MediaError::Read(error));
        }
        if frames == 0 {
            return Err(self.nothing(status, early, reason));
        }
        let half =
            (!self.parser.is_between_elements()).then(|| "its output is truncated".to_owned());
        Ok(self.messages.with(|parsed| DecodeReport {
            damaged_packets: parsed.packet_errors,
            first_error: parsed.first_error().map(str::to_owned),
            stopped_early: early.or(half),
        }))
    }

    /// The error for a child without output.
    fn nothing(
        &self,
        status: Option<ExitStatus>,
        early: Option<String>,
        reason: String,
    ) -> MediaError {
        /// Exit status of a dynamic linker without libraries, or a shell without
        /// a program.
        const NOT_FOUND: i32 = 127;
        let input = self.messages.with(|parsed| parsed.input.clone());
        if status.and_then(|status| status.code()) == Some(NOT_FOUND) {
            return MediaError::FfmpegStart(io::Error::other(reason));
        }
        match (input, early) {
            (Some(input), _) if input.tracks.len() <= self.options.track => {
                MediaError::NoAudioTrack(match input.others.is_empty() {
                    true => "an empty list of tracks".to_owned(),
                    false => input.others,
                })
            }
            // The exit status adds nothing to a reason.
            _ if status.is_some_and(|status| status.code().is_some()) && !reason.is_empty() => {
                MediaError::Ffmpeg(reason)
            }
            (_, Some(early)) => MediaError::Ffmpeg(early),
            (_, None) if reason.is_empty() => MediaError::Ffmpeg("it contains no audio".to_owned()),
            (_, None) => MediaError::Ffmpeg(reason),
        }
    }

    /// Waits for the messages about the input. True if they have arrived or never
    /// will.
    fn open(&mut self) -> bool {
        let asked = Instant::now();
        loop {
            let known = self.messages.with(|parsed| {
                (parsed.opened && parsed.layout.is_some())
                    .then_some((parsed.late_us, parsed.layout))
            });
            if known.is_some() || self.begun.elapsed() > DESCRIPTION_LIMIT {
                let (late_us, layout) = known.unwrap_or_default();
                self.late_ms = late_us / 1000;
                self.channel_mask = layout
                    .filter(|(channels, _)| *channels == self.channels)
                    .map_or(0, |(_, mask)| mask);
                self.opened = true;
                return true;
            }
            if asked.elapsed() > PATIENCE {
                return false;
            }
            thread::sleep(DESCRIPTION_INTERVAL);
        }
    }

    fn take(&mut self, item: Item) {
        match item {
            Item::Channels(channels) if channels > CHANNELS_MAX => {
                self.stop(format!("the audio has {channels} channels"));
            }
            Item::Channels(channels) => {
                self.channels = channels;
                let frames_max = self.options.length_max_s * u64::from(SAMPLE_RATE);
                self.timeline = Some(Timeline::new(channels, frames_max));
            }
            Item::Block { start_ms, samples } => {
                if let Some(timeline) = &mut self.timeline {
                    timeline.place(start_ms.saturating_add(self.late_ms), samples);
                }
            }
        }
    }

    /// False if there was no output.
    fn read(&mut self) -> bool {
        match self.process.read(&mut self.chunk, PATIENCE) {
            Ok(Some(0)) => self.end(),
            Ok(Some(count)) => {
                self.parser.push(&self.chunk[..count]);
                self.watch.at = Instant::now();
                self.watch.cpu_at_output = self.watch.cpu;
            }
            Ok(None) => {
                self.check_progress();
                return self.ended;
            }
            Err(error) => self.stop(error.to_string()),
        }
        true
    }

    /// End of output. Appends, once, silence that the codec omitted there.
    fn end(&mut self) {
        let length_s = self.messages.with(|parsed| {
            let input = parsed.input.as_ref().filter(|_| parsed.omits_silence);
            input.and_then(|input| input.duration_s)
        });
        match (length_s, &mut self.timeline) {
            (Some(length_s), Some(timeline)) if !self.padded => {
                self.padded = true;
                timeline.pad((length_s * 1000.0) as u64);
            }
            _ => self.ended = true,
        }
    }

    fn check_progress(&mut self) {
        let cpu = self.process.cpu_time();
        let fed_bytes = self.feed.bytes();
        let watch = &mut self.watch;
        if cpu != watch.cpu || fed_bytes != watch.fed_bytes || self.feed.is_reading() {
            watch.at = Instant::now();
        }
        watch.cpu = cpu;
        watch.fed_bytes = fed_bytes;
        if watch.at.elapsed() > self.hang_limit {
            let limit_s = self.hang_limit.as_secs();
            self.stop(format!("it made no progress for {limit_s} s"));
        } else if watch.cpu.saturating_sub(watch.cpu_at_output) > IDLE_CPU_LIMIT {
            let limit_s = IDLE_CPU_LIMIT.as_secs();
            self.stop(format!("it used {limit_s} s of CPU time without output"));
        }
    }

    fn stop(&mut self, reason: String) {
        self.process.kill();
        self.stopped = Some(reason);
        self.ended = true;
    }
}

fn with_reason(end: String, reason: &str) -> String {
    match reason {
        "" => end,
        reason => format!("{end} ({reason})"),
    }
}

#[cfg(test)]
mod tests;
