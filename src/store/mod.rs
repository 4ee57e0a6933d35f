//! What lies on disk, and nothing else: who may write, what becomes durable in
//! which order, and what start-up makes of it. Nothing here knows of HTTP or of
//! transcription.
//!
//! The state directory:
//!
//! ```text
//! lock                      held (a kernel lock) by the running daemon
//! creating/<id>/            uploads whose creation is not finished
//! uploads/<id>/             one folder per upload, appears complete by one rename
//!     data                  the recording, preallocated to its full length
//!     offset                how much of it is durable, see [`record`]
//!     upload.json           the facts of its creation, never changed, see [`facts`]
//!     task.json, ...        what became of it; written by the layers above
//! removing/<id>.../         on its way out, left there by one rename
//! damaged/<id>...           set aside: it cannot be read, or could not be synced
//! callbacks/<id>            the callback at the end of this task, until it is delivered
//! callback-secret           what callbacks are signed with, if the daemon made that
//! ```
//!
//! Folders that a crash left in `creating` or `removing` were never, or are no
//! longer, told to anybody and are deleted by the next start or sweep.

mod appender;
mod creation;
pub mod facts;
pub mod folder;
pub mod join;
pub mod layout;
pub mod lock;
#[cfg(test)]
mod memory_disk;
pub mod moment;
pub mod record;
mod recording;
pub mod regular_file;
pub mod ring;
mod sabotage;
mod small_file;
pub mod writer;

#[cfg(test)]
pub(crate) use appender::faults;
pub use layout::Layout;
pub use small_file::{remove_durably, replace_durably, replace_durably_with, sync_dir};
