//! Why a request about an upload was not carried out.

use std::io;

use uuid::Uuid;

use crate::store::folder::OpenError;

/// Why a request about an upload was not carried out. Where an offset is
/// given, it is durable.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// No upload of this id.
    #[error("there is no upload of this id; create a new one")]
    NotFound,
    /// Idle for too long.
    #[error("this upload has expired; create a new one")]
    Expired,
    /// Larger than [`Limits::max_size_bytes`]; what had arrived is kept.
    #[error("the upload is larger than the {max_size_bytes} bytes this server accepts")]
    TooLarge {
        /// The limit.
        max_size_bytes: u64,
    },
    /// Not enough disk space. Nothing was created; of an upload whose length
    /// was not known before, what had arrived is kept.
    #[error("the disk has no space for {bytes} more bytes; try later or free some space")]
    NoSpace {
        /// What was asked for.
        bytes: u64,
    },
    /// As many unfinished uploads as there may be; nothing was created.
    #[error("the server has too many unfinished uploads; try again later")]
    TooMany,
    /// The bytes do not start at the offset.
    #[error("the upload stands at offset {offset}; ask with HEAD and send from there")]
    Conflict {
        /// Where it stands.
        offset: u64,
    },
    /// More bytes than the upload's length; nothing of this frame was kept.
    #[error("more bytes than the upload's length of {length}")]
    PastLength {
        /// The length.
        length: u64,
    },
    /// The last bytes came, and there should be more.
    #[error("these were not all of its {length} bytes")]
    Short {
        /// The length.
        length: u64,
    },
    /// Another length than the one that was told before.
    #[error("the length of this upload is {length} and cannot change")]
    LengthKnown {
        /// The length.
        length: u64,
    },
    /// The source was cut or stalled; what had arrived is kept.
    #[error("the connection was lost at offset {offset}")]
    Cut {
        /// Where it stands now.
        offset: u64,
    },
    /// The source broke the rules of its protocol; what had arrived is kept.
    #[error("what was sent after offset {offset} is not a body as HTTP/1.1 has them")]
    Malformed {
        /// Where it stands now.
        offset: u64,
    },
    /// Not what its checksum says; nothing of the chunk was kept.
    #[error("the bytes do not match their checksum and were discarded; send them again")]
    Checksum,
    /// A checksum was to follow the bytes; nothing of the chunk was kept.
    #[error("no checksum that can be read came after the bytes; they were discarded")]
    NoChecksum,
    /// A newer request for the same upload took over; what had arrived is kept.
    #[error("a newer request for this upload took over at offset {offset}")]
    Superseded {
        /// Where it stood then.
        offset: u64,
    },
    /// Its bytes come from its parts and from nowhere else.
    #[error("a final upload takes no bytes; send them to its parts")]
    Final,
    /// An upload that was to be joined with others.
    #[error("the partial upload {id} cannot be used: {why}")]
    Part {
        /// Which.
        id: Uuid,
        /// What is wrong with it.
        why: PartError,
    },
    /// The one who has it does not let go.
    #[error("the upload is in use; try again")]
    Busy,
    /// The daemon is stopping; what had arrived is kept.
    #[error("the server is restarting; resume in a moment")]
    Stopping,
    /// The record on disk is damaged.
    #[error("this upload was damaged on disk; create a new one")]
    Damaged,
    /// The disk failed.
    #[error("storage failed: {0}")]
    Storage(#[from] io::Error),
}

impl From<OpenError> for UploadError {
    fn from(error: OpenError) -> UploadError {
        match error {
            OpenError::Missing => UploadError::NotFound,
            OpenError::Locked => UploadError::Busy,
            OpenError::Damaged => UploadError::Damaged,
            OpenError::Io(error) => UploadError::Storage(error),
        }
    }
}

/// Why an upload cannot be a part of another.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    /// No upload of this id.
    #[error("there is no such upload")]
    Missing,
    /// Not complete in time, or joined long ago.
    #[error("it has expired")]
    Expired,
    /// A recording of its own.
    #[error("it was not created with Upload-Concat: partial")]
    NotPartial,
}

/// A full disk is no failure of storage: it says no in time (I8).
pub(super) fn no_space(error: io::Error, bytes: u64) -> UploadError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            UploadError::NoSpace { bytes }
        }
        _ => UploadError::Storage(error),
    }
}
