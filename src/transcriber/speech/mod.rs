//! From samples to text: cutting into windows, the model, segments. Knows
//! nothing of files, jobs or where samples come from.

mod activity;
mod error;
mod exceptions;
mod language;
mod model;
mod noise;
mod pauses;
mod run;
mod spoken;
mod tokens;
mod transcribe;
mod window;
mod words;

pub use activity::SAMPLE_RATE;
pub use error::TranscribeError;
pub use language::{ENGLISH, language_code};
#[cfg(test)]
pub use model::DEMO_MODEL;
pub use model::{Model, ModelState};
pub use tokens::Tokens;
pub use transcribe::Task;
pub use window::{Cutter, Window};
