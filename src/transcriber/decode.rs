//! The decoder of a job, on a thread of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::SyncSender;

use scribed::protocol::{AudioInfo, Job};

use crate::media::{Limits, MediaError, Recording, Source};
use crate::pulse::Pulse;
use crate::speech;

/// Stretches of audio between decoder and model: with [`STRETCH_SAMPLES`] the
/// decoder is at most a few seconds ahead of the window being collected.
pub const STRETCHES_AHEAD: usize = 4;
const STRETCH_SAMPLES: usize = speech::SAMPLE_RATE;

/// What the decoder sends.
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

/// The decoder's thread. Ends when the receiver is gone.
pub fn decode(
    source: Source,
    job: &Job,
    sender: &SyncSender<Result<Decoded, MediaError>>,
    pulse: &Pulse<'_>,
) {
    // Decoders meet whatever people send; a panic is the file's end, not the engine's.
    let result = catch_unwind(AssertUnwindSafe(|| decode_all(source, job, sender, pulse)));
    if let Err(error) = result.unwrap_or(Err(MediaError::Panicked)) {
        let _ = sender.send(Err(error));
    }
}

fn decode_all(
    source: Source,
    job: &Job,
    sender: &SyncSender<Result<Decoded, MediaError>>,
    pulse: &Pulse<'_>,
) -> Result<(), MediaError> {
    let limits = Limits {
        max_duration_s: job.max_duration_s as f64,
        keep_going: &|| pulse.keep_going(),
    };
    let mut recording = Recording::open(source, job.extension.as_deref(), &limits)?;
    if sender.send(Ok(Decoded::Opened(recording.audio()))).is_err() {
        return Ok(());
    }
    let mut more = true;
    while more {
        let mut samples = Vec::with_capacity(STRETCH_SAMPLES * 2);
        while more && samples.len() < STRETCH_SAMPLES {
            if !pulse.keep_going() {
                return Ok(());
            }
            more = recording.read(&mut samples)?;
        }
        let read_fraction = recording.read_fraction();
        if sender
            .send(Ok(Decoded::Stretch {
                samples,
                read_fraction,
            }))
            .is_err()
        {
            return Ok(());
        }
    }
    if let Some(lacking) = recording.warning() {
        tracing::warn!("{lacking}");
        // An error means that the transcription ended early.
        let _ = sender.send(Ok(Decoded::Lacking(lacking)));
    }
    Ok(())
}
