//! The verbs of the upload protocols on `/uploads/files`.

pub(crate) mod announcer;
mod body;
pub(crate) mod checksum;
pub(crate) mod download;
pub mod ietf;
pub mod options;
pub mod terminate;
pub mod tus;
