//! The appliance as its users see it: real processes, real recordings, real
//! faults. Everything goes through the two binaries and the network; nothing
//! here knows how they are made.
//!
//! The recordings are synthesised by espeak-ng and encoded by ffmpeg, so both
//! must be installed; what is missing is an error, never a skipped test.

mod copies;
mod cors;
mod daemon;
mod difference;
mod downloads;
mod encodings;
mod far_end;
mod honest;
mod http;
mod listener;
mod model;
mod nginx;
mod no_ffmpeg;
#[allow(dead_code, reason = "shared with other tests")]
mod random;
mod shape;
mod speech;
mod task;
mod tus;
mod waiting;
mod wer;

mod access;
mod bad_start;
mod by_url;
mod callbacks;
mod checksums;
mod clock;
mod concat;
mod connections;
mod contract;
mod crashes;
mod findings;
mod floods;
mod formats;
mod front_end;
mod hostile;
mod idle;
mod intake;
mod languages;
mod limits;
mod live;
mod manual;
mod many;
mod openai;
mod probe;
mod programs;
mod proxies;
mod readme;
mod recorders;
mod replay;
mod resumable_http;
mod retry;
mod sequences;
mod storm;
mod takeover;
mod tasks;
mod too_long;
mod tus_rules;
