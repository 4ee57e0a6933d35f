//! From samples to text: cutting into windows, the model, segments. Knows
//! nothing of files, jobs or where samples come from.

mod activity;
mod header;
mod model;
mod run;
mod transcribe;
mod window;

pub use activity::may_hold_speech;
pub use model::Model;
pub use transcribe::{Task, TranscribeError, language_code};
pub use window::{Cutter, Window};

/// Samples per second that Whisper wants.
pub const SAMPLE_RATE: usize = 16_000;

/// Language of models that know only one.
pub const ENGLISH: &str = "en";
