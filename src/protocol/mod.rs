//! The messages between the daemon and the engine, over one Unix stream.
//!
//! Every message is one frame: a `u32` length (little endian, at most
//! [`wire::FRAME_MAX_BYTES`]) and that many bytes of JSON. The descriptor of a
//! recording travels beside the first byte of its [`Request::Transcribe`]
//! frame (`SCM_RIGHTS`), see [`descriptor`].
//!
//! The engine speaks first: [`Report::Hello`], then whether it has a model.
//! A job belongs to its connection: end of stream cancels it.

pub mod descriptor;
mod message;
pub mod wire;

pub use message::{
    ACCEPTED, AudioInfo, FailureKind, Job, MediaInfo, ModelInfo, Outcome, Probe, Reached, Report,
    Request, Segment, VERSION, Word,
};
