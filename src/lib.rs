//! scribed: receives recordings over HTTP, stores them durably and transcribes
//! them.
//!
//! This library contains the daemon and the code that the daemon shares with
//! its engine ([`protocol`], [`models`]). The engine itself is in
//! `src/transcriber` and belongs only to the binary `scribed-transcriber`, so
//! that the daemon links no C++.

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
/// Entry points for fuzzing.
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
#[path = "../tests/fuzz/harnesses/mod.rs"]
pub mod fuzzing;
pub mod http;
pub mod languages;
pub mod models;
pub mod options;
pub mod outgoing;
mod piecewise;
pub mod protocol;
pub mod render;
pub mod shares;
pub mod store;
pub mod sweep;
pub mod systemd;
pub mod task;
pub mod upload;
