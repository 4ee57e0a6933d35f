//! Uploads and downloads, whatever the protocol.

mod downloads;
mod sequences;
mod takeover;
