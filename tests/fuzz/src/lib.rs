//! The engine's decoders, which are part of no library but of a binary: built
//! for fuzzing they are one, without the engine's models.

#![expect(
    dead_code,
    unused_imports,
    reason = "what only the engine uses of them"
)]

#[path = "../../../src/transcriber/media/mod.rs"]
mod media;

pub use media::fuzzing::*;
