//! From samples to text: cutting into windows, the model, segments. Knows
//! nothing of files, jobs or where samples come from.

mod activity;
mod header;
mod model;
mod pauses;
mod run;
mod spoken;
mod tokens;
mod transcribe;
mod window;
mod words;

pub use model::Model;
pub use tokens::Tokens;
pub use transcribe::{Task, TranscribeError, language_code};
pub use window::{Cutter, Window};

/// Samples per second that Whisper wants.
pub const SAMPLE_RATE: usize = 16_000;

/// Language of models that know only one.
pub const ENGLISH: &str = "en";
