//! Errors of the upload engine.

use std::io;

use uuid::Uuid;

use crate::access::Revoked;
use crate::shares::Exceeded;
use crate::store::folder::OpenError;

/// Why an operation on an upload failed. Offsets are durable.
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
    /// Not enough disk space. Nothing was created; bytes of an upload of unknown
    /// length are kept.
    #[error("the disk has no space for {bytes} more bytes; try later or free some space")]
    NoSpace {
        /// The requested space.
        bytes: u64,
    },
    /// [`Limits::max_unfinished`](super::Limits) is reached; nothing was created.
    #[error("{}", .0.text("unfinished uploads and parts"))]
    TooMany(Exceeded),
    /// Others would be left with less space than the sender has reserved; nothing
    /// was created.
    #[error("{}", share_of_space(*.bytes, *.used_bytes, *.free_bytes))]
    ShareOfSpace {
        /// The requested space.
        bytes: u64,
        /// The space that the sender's unfinished uploads have reserved.
        used_bytes: u64,
        /// The space that is free.
        free_bytes: u64,
    },
    /// The disk cannot have many more files.
    #[error("the disk has no space for more files; try later or delete some tasks")]
    NoFiles,
    /// The bytes do not start at the offset.
    #[error("the upload is at offset {offset}; send from there")]
    Conflict {
        /// The offset of the upload.
        offset: u64,
    },
    /// More bytes than the upload's length; nothing of this frame was kept.
    #[error("more bytes than the upload's length of {length}")]
    PastLength {
        /// The length.
        length: u64,
    },
    /// The last bytes do not reach the length.
    #[error("these are not all of its {length} bytes")]
    Short {
        /// The length.
        length: u64,
    },
    /// A length other than the one stated before.
    #[error("the length of this upload is {length} and cannot change")]
    LengthKnown {
        /// The length.
        length: u64,
    },
    /// The connection was lost or stalled; what had arrived is kept.
    #[error("the connection was lost at offset {offset}")]
    ConnectionLost {
        /// The offset of the upload now.
        offset: u64,
    },
    /// The source violated its protocol; what had arrived is kept.
    #[error("the bytes after offset {offset} are not a valid HTTP/1.1 body")]
    Malformed {
        /// The offset of the upload now.
        offset: u64,
    },
    /// The checksum does not match; nothing of the chunk was kept.
    #[error("the bytes do not match their checksum and were discarded; send them again")]
    Checksum,
    /// The announced trailer has no checksum; nothing of the chunk was kept.
    #[error("the trailer has no valid Upload-Checksum; the bytes were discarded, send them again")]
    NoChecksum,
    /// A newer request for the same upload took over; what had arrived is kept.
    #[error("a newer request for this upload took over at offset {offset}")]
    Superseded {
        /// The offset at that time.
        offset: u64,
    },
    /// A final upload takes no bytes.
    #[error("a final upload takes no bytes; send them to its parts")]
    Final,
    /// A part cannot be joined.
    #[error("the partial upload {id} cannot be used: {why}")]
    Part {
        /// The part.
        id: Uuid,
        /// The reason.
        why: PartError,
    },
    /// Another request holds the upload.
    #[error("the upload is in use; try again")]
    Busy,
    /// The daemon is stopping; what had arrived is kept.
    #[error("the server is restarting; resume in a moment")]
    Stopping,
    /// The [`Grant`](crate::access::Grant) of the client was revoked; what had
    /// become durable is kept.
    #[error("this access token is not valid any more; the upload stopped")]
    Revoked,
    /// The record on disk is damaged.
    #[error("this upload was damaged on disk; create a new one")]
    Damaged,
    /// The disk failed.
    #[error("storage failed: {0}")]
    Storage(#[from] io::Error),
}

impl From<Revoked> for UploadError {
    fn from(_: Revoked) -> UploadError {
        UploadError::Revoked
    }
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

/// Why an upload cannot be a part of a final one.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    /// No upload of this id.
    #[error("there is no such upload")]
    Missing,
    /// It was not completed in time, or joined long ago.
    #[error("it has expired")]
    Expired,
    /// It is a recording of its own.
    #[error("it was not created with Upload-Concat: partial")]
    NotPartial,
}

/// The error of a write: a full disk is refused, not a storage failure (I8).
pub(super) fn no_space(error: io::Error, bytes: u64) -> UploadError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            UploadError::NoSpace { bytes }
        }
        _ => UploadError::Storage(error),
    }
}

fn share_of_space(bytes: u64, used_bytes: u64, free_bytes: u64) -> String {
    format!(
        "your unfinished uploads have reserved {used_bytes} bytes and this one needs {bytes}, of \
         {free_bytes} that are free: that is more than half of it; finish or terminate some, or \
         try again later"
    )
}
