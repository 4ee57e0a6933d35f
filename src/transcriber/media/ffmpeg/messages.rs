//! Reads the child's standard error (`-loglevel level+verbose`) to its end at any
//! length, keeping a bounded part.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::description::{Input, output_layout};

const CHUNK_BYTES: usize = 64 * 1024;
/// Longer lines are cut.
const LINE_MAX_BYTES: usize = 1024;
/// Number of errors kept, both of the first and of the last ones.
const ERRORS_KEPT: usize = 8;
const REASON_MAX_CHARACTERS: usize = 200;

/// ffmpeg reports the start time of a track without packets so far as huge
/// (292,277 years in 7.1): later starts than this are ignored.
const LATE_MAX_US: u64 = 30 * 24 * 3600 * 1_000_000;

/// Messages that follow every failure and contain no reason.
const UNSPECIFIC_ERRORS: [&str; 9] = [
    "Error while processing the decoded data",
    "Failed to inject frame into filter network",
    "Error reinitializing filters",
    "Conversion failed",
    "Error opening input file",
    "Error opening output file",
    "Error while opening encoder",
    "Task finished with error",
    "Terminating thread",
];

/// Messages for one damaged packet each (in ffmpeg 5.1 and 7.1).
const PACKET_ERRORS: [&str; 2] = [
    "Error while decoding stream #",
    "Error submitting packet to decoder",
];

/// Codecs with discontinuous transmission: ffmpeg reports their SID and NO_DATA
/// packets as damaged. The resulting gap is silence.
const DISCONTINUOUS: [&str; 2] = ["amr_nb", "amr_wb"];

/// What was parsed from the messages so far.
#[derive(Debug, Default)]
pub struct Parsed {
    /// The description of the file, incomplete until `opened`.
    pub input: Option<Input>,
    /// The description of the input is complete.
    pub opened: bool,
    /// Number of the output's channels and their mask.
    pub layout: Option<(u16, u32)>,
    /// How much later than the file the track begins, if ffmpeg does not include
    /// it in the timestamps.
    pub late_us: u64,
    /// Packets that failed to decode.
    pub packet_errors: u64,
    /// The codec sends no packets during silence, so the last ones may be
    /// missing.
    pub omits_silence: bool,
    first_errors: Vec<String>,
    last_errors: Vec<String>,
    last_line: String,
    output_described: bool,
}

/// The thread that reads standard error, and its result.
pub struct Messages {
    parsed: Arc<Mutex<Parsed>>,
    thread: Option<JoinHandle<()>>,
}

impl Messages {
    /// Reads `stderr` to its end.
    pub fn read(mut stderr: impl Read + Send + 'static) -> std::io::Result<Self> {
        let parsed = Arc::new(Mutex::new(Parsed::default()));
        let shared = parsed.clone();
        let thread = thread::Builder::new()
            .name("ffmpeg-messages".to_owned())
            .spawn(move || {
                let mut chunk = vec![0; CHUNK_BYTES];
                let mut line = Vec::new();
                while let Ok(count @ 1..) = stderr.read(&mut chunk) {
                    let mut parsed = shared.lock().unwrap_or_else(PoisonError::into_inner);
                    parsed.push(&chunk[..count], &mut line);
                }
            })?;
        Ok(Self {
            parsed,
            thread: Some(thread),
        })
    }

    /// Calls `look` with the messages parsed so far.
    pub fn with<T>(&self, look: impl FnOnce(&Parsed) -> T) -> T {
        look(&self.parsed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for the end of standard error, that is, of all processes that hold
    /// it.
    pub fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic there only loses messages.
            let _ = thread.join();
        }
    }
}

impl Parsed {
    /// Why ffmpeg failed, in its words; empty if it reported nothing.
    pub fn reason(&self) -> String {
        let errors = self.first_errors.iter().chain(&self.last_errors);
        let reason = errors.rev().find(|error| {
            !UNSPECIFIC_ERRORS
                .iter()
                .any(|start| error.starts_with(start))
        });
        reason.unwrap_or(&self.last_line).clone()
    }

    /// The first error.
    pub fn first_error(&self) -> Option<&str> {
        self.first_errors.first().map(String::as_str)
    }

    pub fn push(&mut self, bytes: &[u8], line: &mut Vec<u8>) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE_MAX_BYTES.saturating_sub(line.len());
            line.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                self.line(&String::from_utf8_lossy(line.trim_ascii_end()));
                line.clear();
            }
        }
    }

    fn line(&mut self, line: &str) {
        let (level, text) = level(line);
        match level {
            "panic" | "fatal" | "error" => self.error(text),
            _ if self.opened => self.output(text),
            _ if line.starts_with("[info] ") => self.info(text),
            "verbose" => {
                if let Some((_, rest)) = text.split_once("Correcting start time")
                    && let Some((_, rest)) = rest.split_once("by ")
                {
                    self.late_us = Some(number(rest))
                        .filter(|late_us| *late_us <= LATE_MAX_US)
                        .unwrap_or(0);
                }
            }
            _ => {}
        }
        // Not from ffmpeg: from the dynamic linker or a library.
        if level.is_empty() && !text.is_empty() {
            self.last_line = printable(text);
        }
    }

    fn info(&mut self, text: &str) {
        self.opened = text.starts_with("Output #0");
        // "Stream #0:1 -> #0:0 (amr_nb (amrnb) -> pcm_f32le (native))"
        if text.contains(" -> #0:0 (") {
            self.omits_silence = DISCONTINUOUS
                .iter()
                .any(|codec| text.contains(&format!("({codec} (")));
        }
        match &mut self.input {
            None => self.input = Input::begin(text),
            // What follows is not about the input.
            Some(_) if text.starts_with("Stream mapping") => self.output_described = false,
            Some(input) => input.add(text),
        }
    }

    fn output(&mut self, text: &str) {
        if !self.output_described {
            self.layout = output_layout(text);
            self.output_described = self.layout.is_some();
        }
    }

    fn error(&mut self, text: &str) {
        if self.opened && self.omits_silence {
            return;
        }
        if PACKET_ERRORS.iter().any(|error| text.contains(error)) {
            self.packet_errors += 1;
        }
        let text = printable(text);
        if self.first_errors.len() < ERRORS_KEPT {
            self.first_errors.push(text);
            return;
        }
        if self.last_errors.len() == ERRORS_KEPT {
            self.last_errors.remove(0);
        }
        self.last_errors.push(text);
    }
}

/// "[mov,mp4 @ 0x55] [error] no moov" is an error: "no moov".
fn level(line: &str) -> (&str, &str) {
    let mut rest = line;
    while let Some((bracket, after)) = rest
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "))
    {
        rest = after;
        if matches!(
            bracket,
            "panic" | "fatal" | "error" | "warning" | "info" | "verbose"
        ) {
            return (bracket, rest);
        }
    }
    ("", line)
}

/// The first number in a text.
fn number(text: &str) -> u64 {
    let digits = text
        .chars()
        .skip_while(|character| !character.is_ascii_digit())
        .take_while(char::is_ascii_digit);
    digits.collect::<String>().parse().unwrap_or(0)
}

/// A message as one printable line of bounded length.
fn printable(text: &str) -> String {
    text.trim()
        .trim_start_matches("pipe:0: ")
        .chars()
        .filter(|character| !character.is_control())
        .take(REASON_MAX_CHARACTERS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Parsed {
        let mut parsed = Parsed::default();
        let mut line = Vec::new();
        for bytes in text.as_bytes().chunks(50) {
            parsed.push(bytes, &mut line);
        }
        parsed
    }

    #[test]
    fn messages_of_both_versions_are_parsed() {
        for (late, expected) in [
            ("Correcting start time by 1989089", 1_989_089),
            (
                "Correcting start time of Input #0 by 1989089 us.",
                1_989_089,
            ),
            (
                "Correcting start time of Input #0 by 9223372036853275807 us.",
                0,
            ),
        ] {
            let parsed = parsed(&format!(
                "[mpegts @ 0x5] [verbose] max_analyze_duration 5000000 reached\n\
                 [info] Input #0, mpegts, from 'pipe:0':\n\
                 [info]   Duration: N/A, start: 1.500000, bitrate: N/A\n\
                 [info]   Stream #0:0[0x101]: Audio: mp2 ([3][0][0][0] / 0x0003), 44100 Hz, mono, fltp, 384 kb/s\n\
                 [info] Stream mapping:\n\
                 [info]   Stream #0:0 -> #0:0 (mp2 (native) -> pcm_f32le (native))\n\
                 [mpegts @ 0x5] [verbose] {late}\n\
                 [info] Output #0, matroska, to 'pipe:1':\n\
                 [info]   Stream #0:0: Audio: pcm_f32le ([3][0][0][0] / 0x0003), 16000 Hz, mono, flt, 512 kb/s\n\
                 [error] Error while decoding stream #0:0: Invalid data found\n"
            ));
            assert!(parsed.opened);
            assert_eq!(parsed.late_us, expected);
            assert_eq!(parsed.layout, Some((1, 4)));
            assert_eq!(parsed.input.unwrap().tracks.len(), 1);
            assert_eq!(parsed.packet_errors, 1);
        }
    }

    #[test]
    fn reason_is_the_last_specific_error() {
        for (text, expected) in [
            (
                "[mov,mp4,m4a @ 0x5] [error] moov atom not found\n\
                 [error] pipe:0: Invalid data found when processing input\n\
                 [fatal] Error opening input files: Invalid data found\n",
                "Invalid data found when processing input",
            ),
            (
                "[error] x\u{1b}[31my\n[info] Output #0\n[verbose] x\n",
                "x[31my",
            ),
            ("[verbose] Statistics: 7 bytes read\n", ""),
            (
                "ffmpeg: error while loading shared libraries\n",
                "ffmpeg: error while loading shared libraries",
            ),
            ("", ""),
        ] {
            assert_eq!(parsed(text).reason(), expected);
        }
        let long = parsed(&format!("[error] {}\n", "x".repeat(5000)));
        assert_eq!(long.reason().len(), REASON_MAX_CHARACTERS);
        let many: String = (0..1000).map(|n| format!("[error] {n}\n")).collect();
        let many = parsed(&many);
        assert_eq!(many.reason(), "999");
        assert_eq!(many.first_error(), Some("0"));
        assert!(many.last_errors.len() + many.first_errors.len() <= 2 * ERRORS_KEPT);
    }
}
