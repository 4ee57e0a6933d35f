//! Recordings of every format and origin.

mod duration;
mod findings;
mod formats;
mod recorders;
mod without_ffmpeg;
