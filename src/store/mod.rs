//! The storage of uploads: file formats, locks, and the order of writes that
//! makes uploads durable. Independent of HTTP and transcription.
//!
//! The state directory:
//!
//! ```text
//! lock                      lock file of the running daemon
//! creating/<id>/            uploads that are being created
//! uploads/<id>/             one directory per upload, created by one rename
//!     data                  the recording, preallocated to its full length
//!     offset                the number of durable bytes, see [`record`]
//!     upload.json           the facts known at creation, see [`facts`]
//!     task.json, ...        the task; written by the layers above
//! removing/<id>.../         uploads that are being removed, moved here by one rename
//! damaged/<id>...           uploads that cannot be read or could not be synced
//! callbacks/<id>            the pending callback of this task
//! callback-secret           the webhook secret, if the daemon created it
//! had-tokens                exists once there have been access tokens
//! ```
//!
//! Directories that a crash left in `creating` or `removing` are not visible to
//! clients; the next start or sweep deletes them.

mod appender;
mod creation;
mod data_file;
pub mod facts;
pub mod folder;
pub mod join;
pub mod layout;
pub mod lock;
#[cfg(test)]
mod memory_disk;
pub mod moment;
pub mod record;
pub mod regular_file;
mod reservation;
pub mod ring;
mod sabotage;
mod small_file;
pub mod writer;

#[cfg(test)]
pub(crate) use appender::faults;
pub use layout::{Free, Layout};
pub use small_file::{remove_durably, replace_durably, replace_durably_with, sync_dir};
