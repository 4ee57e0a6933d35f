//! Where uploads take their bytes from, and who hears of them.

use std::time::SystemTime;

use bytes::Bytes;
use uuid::Uuid;

use super::checksum::Checksum;
use super::peer_socket::PeerSocket;

/// Where an append takes its bytes from.
pub trait Source {
    /// The next bytes, `None` at the regular end.
    fn next(&mut self) -> impl Future<Output = Option<Result<Bytes, Cut>>>;

    /// What they come over, if that can be asked.
    fn peer_socket(&self) -> Option<PeerSocket>;

    /// What they must come to, if that was told after the regular end.
    fn checksum(&self) -> Option<Checksum>;

    /// Hears of the upload that was made for them, once it is durable.
    fn created(&mut self, _id: Uuid, _status: &Status) {}

    /// Hears of what is durable, while it goes on.
    fn committed(&mut self, _offset: u64) {}
}

/// Why a source ended before its regular end.
#[derive(Debug, PartialEq, Eq)]
pub enum Cut {
    /// The connection was lost.
    Lost,
    /// What came cannot be understood.
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
pub struct Status {
    /// Durable bytes.
    pub offset: u64,
    /// Bytes of the whole.
    pub length: Option<u64>,
    /// When it expires if nothing is added; `None` for a complete recording.
    pub expires: Option<SystemTime>,
    /// A final upload that is not joined yet.
    pub is_pending: bool,
}

impl Status {
    /// All bytes are there.
    pub fn is_finished(&self) -> bool {
        self.length == Some(self.offset)
    }
}
