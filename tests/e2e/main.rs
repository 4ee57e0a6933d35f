//! The appliance as its users see it: real processes, real recordings, real
//! faults. Everything goes through the two binaries and the network; nothing
//! here knows how they are made.
//!
//! The recordings are synthesised by espeak-ng and encoded by ffmpeg, so both
//! must be installed; what is missing is an error, never a skipped test.

#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "each test program uses a part of it")]
mod support;

mod fixtures;

mod access;
mod commands;
mod documents;
mod faults;
mod forms;
mod front_end;
mod hostile;
mod ietf;
mod neighbours;
mod network;
mod openai;
mod outgoing;
mod progress;
mod recordings;
mod resources;
mod tasks;
mod tus;
mod uploads;
