//! The upload engine, independent of protocols: create, append, look, terminate,
//! expire. One writer per upload; every offset that it returns is on stable
//! storage.

mod admission;
mod append;
mod checksum;
mod concat;
mod create;
mod error;
mod expiry;
mod join_turns;
mod new_upload;
mod peer_socket;
mod pending;
mod recover;
mod reservation_use;
#[cfg(test)]
mod revoked;
mod source;
mod sweep;
#[cfg(test)]
mod testing;
mod tidy;
mod uploads;
mod whole;
mod write_locks;

pub use append::Chunk;
pub use checksum::{Algorithm, Checksum, ChecksumPlace};
pub use error::{PartError, UploadError};
pub use new_upload::NewUpload;
pub use peer_socket::PeerSocket;
pub use recover::{RecoveredUpload, recover, settle};
pub use source::{ByteSource, Observer, SourceError, UploadStatus};
pub use sweep::{Swept, sweep};
pub use uploads::{Limits, Uploads};
