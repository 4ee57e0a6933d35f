//! Sources of bytes, and observers of uploads.

use std::time::SystemTime;

use bytes::Bytes;
use uuid::Uuid;

use super::checksum::Checksum;
use super::peer_socket::PeerSocket;

/// A source of bytes for an append.
pub trait ByteSource {
    /// The next bytes; `None` at the end.
    fn next(&mut self) -> impl Future<Output = Option<Result<Bytes, SourceError>>>;

    /// The socket they arrive over, if it can be polled.
    fn peer_socket(&self) -> Option<PeerSocket> {
        None
    }

    /// Their checksum, if a trailer stated it.
    fn checksum(&self) -> Option<Checksum> {
        None
    }

    /// Called when the upload created for them is durable.
    fn created(&mut self, _id: Uuid, _status: &UploadStatus) {}

    /// Called when bytes have become durable during the append.
    fn committed(&mut self, _offset: u64) {}
}

/// Why a source failed.
#[derive(Debug, PartialEq, Eq)]
pub enum SourceError {
    /// The connection was lost.
    Lost,
    /// The bytes are not a valid body.
    Malformed,
}

/// Is notified of what happens to uploads. Only [`Observer::finished`] may block.
pub trait Observer: Send + Sync {
    /// The upload is a complete recording; called once that is durable and
    /// before any client is answered. May block on the disk.
    fn finished(&self, id: Uuid);

    /// The first `offset` bytes are on stable storage. Called wherever that has
    /// become so: at creation (0), at each commit, at the end of an append or a
    /// join, and then before [`Observer::finished`].
    fn committed(&self, _id: Uuid, _offset: u64, _length: Option<u64>) {}

    /// `offset` bytes have arrived, which may be lost again in a crash. Called
    /// while an append runs, several times a second at most.
    fn received(&self, _id: Uuid, _offset: u64, _length: Option<u64>) {}

    /// The upload was removed; called before another one can have its id.
    fn terminated(&self, _id: Uuid) {}

    /// The upload has expired, or was found removed by a sweep. May be called
    /// more than once.
    fn expired(&self, _id: Uuid) {}
}

/// An upload as a client sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct UploadStatus {
    /// Durable bytes.
    pub offset: u64,
    /// Length in bytes, if known.
    pub length: Option<u64>,
    /// When it expires; `None` for a complete recording.
    pub expires: Option<SystemTime>,
    /// Whether it is a final upload that is not joined yet.
    pub is_pending: bool,
}

impl UploadStatus {
    /// Whether all bytes have arrived.
    pub fn is_finished(&self) -> bool {
        self.length == Some(self.offset)
    }
}
