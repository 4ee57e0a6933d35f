//! Decoding in a process of its own.
//!
//! A hostile recording may make a decoder allocate without end, crash or hang.
//! `catch_unwind` stops none of these. So each recording is decoded by a child,
//! this same program started again ([`child`]): its memory is limited, the kernel
//! refuses it nearly everything else, and whatever happens to it happens to that
//! recording alone; the engine keeps its model. The child may start ffmpeg, which
//! is confined and limited further.
//!
//! The two speak over one Unix stream, the child's standard input: a request with
//! the recording as an open descriptor goes in, messages with samples come out
//! ([`message`]). The child ends with the stream, and with the thread that started
//! it. The stream stays open in both directions, so that more could be said to a
//! child while it decodes.

/// The program in the child.
pub mod child;
mod decoded;
mod error;
mod memory;
mod message;
mod process;

pub use decoded::{Decoded, decode};
pub use error::DecodeError;
