//! The decoder's thread of a job: listens to the child and passes on what it
//! decodes.

use std::fs::File;
use std::sync::mpsc::SyncSender;

use scribed::protocol::AudioInfo;

use super::error::DecodeError;
use super::message::{Message, Request};
use super::process::Process;
use crate::media::SAMPLE_RATE;
use crate::pulse::Pulse;

/// A recording that is refused as too long has a little more than the limit.
const EXCESS_S: u64 = 60;

/// What was decoded, in order.
#[derive(Debug)]
pub enum Decoded {
    /// The recording is understood.
    Opened(AudioInfo),
    /// Samples in order.
    Stretch {
        /// At the rate that Whisper wants.
        samples: Vec<f32>,
        /// How much of the file it took so far, 0..=1.
        read_fraction: f64,
    },
    /// Not all of what the file should hold could be decoded.
    Lacking(String),
}

/// Decodes the first `size_bytes` of `recording` in a child, whose end comes with
/// the return of this function. `extension` is a hint. Ends early when the receiver
/// is gone or `pulse` is stopped; then the child is killed.
pub fn decode(
    recording: &File,
    size_bytes: u64,
    extension: Option<&str>,
    max_duration_s: u64,
    sender: &SyncSender<Result<Decoded, DecodeError>>,
    pulse: &Pulse<'_>,
) {
    let request = Request {
        size_bytes,
        extension: extension.map(str::to_owned),
        max_duration_s,
    };
    let pass_on = |decoded| sender.send(Ok(decoded)).is_ok();
    if let Err(error) = decode_all(recording, &request, pass_on, pulse) {
        let _ = sender.send(Err(error));
    }
}

fn decode_all(
    recording: &File,
    request: &Request,
    pass_on: impl Fn(Decoded) -> bool,
    pulse: &Pulse<'_>,
) -> Result<(), DecodeError> {
    let mut process = Process::start(recording, request)?;
    let samples_max = request.max_duration_s.saturating_add(EXCESS_S) * u64::from(SAMPLE_RATE);
    let mut count = 0_u64;
    loop {
        let (message, samples) = process.next(pulse)?;
        let decoded = match message {
            Message::Opened(audio) => Decoded::Opened(audio),
            Message::Samples { read_fraction } => {
                count += samples.len() as u64;
                if count > samples_max {
                    return Err(DecodeError::TooMuch);
                }
                Decoded::Stretch {
                    samples,
                    read_fraction: read_fraction.clamp(0.0, 1.0),
                }
            }
            Message::Lacking(lacking) => Decoded::Lacking(lacking),
            Message::Failed { kind, reason } => return Err(DecodeError::Failed { kind, reason }),
            Message::End => return Ok(()),
            Message::Ready | Message::Alive => continue,
        };
        if !pass_on(decoded) {
            return Ok(());
        }
    }
}
