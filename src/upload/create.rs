//! Creating an upload.

use std::io;
use std::sync::Arc;

use tracing::debug;
use uuid::Uuid;

use super::append::{self, Appending};
use super::{Source, Status, UploadError, Uploads};
use crate::store::facts::Facts;
use crate::store::writer::Writer;

/// What a client tells at creation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NewUpload {
    /// Bytes of the whole.
    pub length: u64,
    /// The id the client wants; it gets another one if that is taken.
    pub wanted_id: Option<Uuid>,
    /// See [`Facts`].
    pub owner: Option<String>,
    /// See [`Facts`].
    pub metadata: Option<String>,
    /// See [`Facts`].
    pub filename: Option<String>,
    /// See [`Facts`].
    pub filetype: Option<String>,
    /// See [`Facts`].
    pub language: Option<String>,
    /// See [`Facts`].
    pub model: Option<String>,
}

impl Uploads {
    /// Makes an upload, durable and with all its space reserved, and appends
    /// what `first` gives, `announced_bytes` long where that is known. An error
    /// in that append is no error of the creation: the status tells how far it
    /// came.
    pub async fn create<S: Source + 'static>(
        self: &Arc<Uploads>,
        new: NewUpload,
        announced_bytes: Option<u64>,
        first: Option<S>,
    ) -> Result<(Uuid, Status), UploadError> {
        if new.length > self.limits.max_size_bytes {
            return Err(UploadError::TooLarge {
                max_size_bytes: self.limits.max_size_bytes,
            });
        }
        let length = new.length;
        if first.is_some() && announced_bytes.is_some_and(|count| count > length) {
            return Err(UploadError::PastLength { length });
        }
        let mut facts = Facts {
            id: new.wanted_id.unwrap_or_else(Uuid::new_v4),
            created_at: jiff::Timestamp::now(),
            owner: new.owner,
            metadata: new.metadata,
            filename: new.filename,
            filetype: new.filetype,
            language: new.language,
            model: new.model,
        };
        let writer = loop {
            match Writer::create(&self.layout, &facts, length).await {
                Ok(writer) => break writer,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    facts.id = Uuid::new_v4();
                }
                Err(error) => return Err(no_space(error, length)),
            }
        };
        let id = facts.id;
        debug!(upload_id = %id, bytes = length, "upload created, {length} bytes");
        let Some(turn) = self.writers.enter(id).await else {
            // Somebody guessed the id and is already there: theirs to go on.
            return Ok((id, self.status(id).await?));
        };
        let appending = Appending {
            uploads: Arc::clone(self),
            id,
            turn,
            writer,
        };
        let status = match first {
            None => append::finish(appending).await?,
            Some(source) => match append::run(appending, source).await {
                Ok(status) => status,
                Err(UploadError::Storage(error)) => return Err(UploadError::Storage(error)),
                Err(_) => self.status(id).await?,
            },
        };
        Ok((id, status))
    }
}

/// A full disk is no failure of storage: it says no in time (I8).
fn no_space(error: io::Error, length: u64) -> UploadError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            UploadError::NoSpace { length }
        }
        _ => UploadError::Storage(error),
    }
}
