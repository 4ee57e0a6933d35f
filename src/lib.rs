//! scribed: recordings come in over HTTP, become durable, become text.
//!
//! This library is the daemon and what the daemon and its engine share
//! ([`protocol`], [`models`]). The engine's own code lies below `src/transcriber`
//! and is part of the binary `scribed-transcriber` alone, so that the daemon
//! links no C++.

#![deny(unsafe_code, missing_docs)]

pub mod access;
pub(crate) mod blocking;
pub mod callbacks;
pub mod cli;
pub mod client;
pub mod config;
pub mod content;
pub mod daemon;
mod descriptors;
pub mod engine_client;
/// Doors for hostile bytes.
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
#[path = "../tests/fuzz/doors/mod.rs"]
pub mod fuzzing;
pub mod http;
pub mod languages;
pub mod models;
pub mod options;
pub mod outgoing;
pub mod protocol;
pub mod render;
pub mod store;
pub mod sweep;
pub mod systemd;
pub mod task;
pub mod upload;
